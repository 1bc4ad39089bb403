"""What a lesson is, and what all of them draw with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw

from pages._charts import Theme
from pages._errors import Plane, class_picture
from pages._panel import css
from parmesan_engine.types import TaskSpec

PLAIN = {"displayModeBar": False, "staticPlot": True}  # nothing to drag by accident in front of a class
FONT = 16
WIDE = 576  # pixels of a picture: nodes are squares, not blurred
_ACCENT = {False: "#0e7490", True: "#22b8d6"}


@dataclass(frozen=True)
class Lesson:
    """A few sentences, one control with its formula, and the pictures that follow it.

    control: draws the control and the formula, returns the position; draw: the pictures at a position; now: what to see there.
    """

    title: str
    text: str
    control: Callable[[], Any]
    draw: Callable[[Any], None]
    now: Callable[[Any], str]


def theme() -> Theme:
    return Theme(st.context.theme.type == "dark")


def formula(*lines: str) -> None:
    """Draw lines of LaTeX under each other; what `moved` marks has the accent's colour."""
    st.latex(r"\begin{aligned}" + r"\\[3pt]".join(lines) + r"\end{aligned}")


def moved(text: object) -> str:
    """Return LaTeX in the accent's colour: the number that the control has just changed."""
    return rf"\textcolor{{{_ACCENT[theme().dark]}}}{{\boldsymbol{{{text}}}}}"


def picture(pixels: np.ndarray, labels: np.ndarray, task: TaskSpec) -> Image.Image:
    """Return (h, w) classes on an (h, w, 3) picture, grey where unknown, large and with sharp nodes."""
    drawn = class_picture(Plane(pixels, labels, labels, 1.0), task, "Prediction")
    return enlarged(drawn)


def enlarged(pixels: np.ndarray) -> Image.Image:
    factor = max(1, WIDE // pixels.shape[1])
    return Image.fromarray(pixels).resize((pixels.shape[1] * factor, pixels.shape[0] * factor), Image.Resampling.NEAREST)


def dot(image: Image.Image, at: tuple[float, float], size: tuple[int, int], radius: float, fill: tuple | None, edge: tuple,
        width: int = 2) -> None:
    """Draw a circle at the (y, x) pixel of a picture of (h, w) pixels that was enlarged. radius, width: pixels of the screen."""
    y, x = (at[0] + 0.5) * image.height / size[0], (at[1] + 0.5) * image.width / size[1]
    ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill, outline=edge, width=width)


def keys(task: TaskSpec, *more: tuple[str, str]) -> None:
    """Draw which colour is which class. more: further names with their CSS colours."""
    named = [*((name, css(color)) for name, color in zip(task.classes, task.colors, strict=True)), *more]
    st.html('<div class="keys">' + "".join(f'<span style="--swatch:{color}">{name}</span>' for name, color in named) + "</div>")


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"
