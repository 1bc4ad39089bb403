"""Lesson 3: message passing."""

from functools import cache

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from pages._charts import RUST, TEAL
from pages._errors import Plane, class_picture
from pages._lessons.cube import cube
from pages._lessons.lesson import FONT, PLAIN, WIDE, Lesson, formula, keys, moved, theme
from parmesan_engine import render
from parmesan_engine.lessons import rounds
from parmesan_engine.lessons.rounds import ALIKE, NEAR

NAMES = {NEAR: "listens to all that are near", ALIKE: "listens to those near that look alike"}
COLORS = {NEAR: RUST, ALIKE: TEAL}
TEXT = """Each voxel of this scan has asked its neighbours *in the memory*, and alone many go astray. Now the voxels talk to **each
other**: in every round each one mixes its own votes $y^{(0)}$ with what it hears around it. The table $A$ says who listens to whom.

In one block everybody listens to all that are near, in the other only to those that also **look alike**. Let them talk. Which one gets
better first, and what becomes of the thin red vessels?"""


def control() -> int:
    count = st.select_slider("Rounds of talking", rounds.ROUNDS, rounds.ROUNDS[0], key="rounds", bind="query-params")
    formula(rf"y^{{(t+1)}} &= (1-\lambda)\,y^{{(0)}} + \lambda\,A\,y^{{(t)}},\qquad "
            rf"\lambda={rounds.LAM},\quad t=0\dots T,\quad T={moved(count)}",
            r"\text{near:}\; A_{ij} &= \tfrac1n \qquad\qquad \text{alike:}\; A_{ij} \propto e^{-d(h_i,h_j)/\tau}")
    return count


def draw(count: int) -> None:
    scene = rounds.scene()
    scan, *both, chart = st.columns(4, gap="small")
    with scan:
        st.markdown("**The scan**")
        st.image(_scan(), width="stretch")
        keys(scene.task)
    for column, to in zip(both, (NEAR, ALIKE), strict=True):
        with column:
            heard = rounds.after(count, to)
            st.markdown(f"**{NAMES[to].capitalize()}**")
            st.image(_answer(count, to), width="stretch")
            st.markdown(f"mean IoU **{heard.miou:.2f}**, vessels **{heard.iou[2]:.2f}**")
    with chart:
        st.markdown("**Mean IoU, round by round**")
        st.plotly_chart(_curves(count), config=PLAIN, key="rounds-chart")


def now(count: int) -> str:
    near, alike = rounds.after(count, NEAR), rounds.after(count, ALIKE)
    if not count:
        return "Nobody has spoken yet: the votes of the memory alone, full of single voxels gone astray. Both are the same."
    if near.iou[2] < 0.1:
        return ("The blur has **talked the vessels away**: they are few among many. Those who listen only to their like still have them, "
                "and have gained: each keeps a little of its own votes, so the talk comes to rest.")
    if near.miou < rounds.after(0, NEAR).miou:
        return ("Listening to everybody is **now worse than not talking at all**: the thin vessels are being outvoted by what surrounds "
                "them.")
    if near.miou > alike.miou + 0.01:
        return (f"Talking sets single voxels right, and listening to **everybody** is ahead: mean IoU {near.miou:.2f} against "
                f"{alike.miou:.2f}. So it seems. Go on.")
    return "**Overtaken.** The blur has passed its best; those who listen to their like still gain."


@cache
def _scan() -> Image.Image:
    return cube(rounds.scene().sample, lambda face, axis, index: face, WIDE)


@cache
def _answer(count: int, to: str) -> Image.Image:
    scene, labels = rounds.scene(), rounds.after(count, to).labels

    def paint(face: np.ndarray, axis: int, index: int) -> np.ndarray:
        plane = render.plane_of(labels, axis, index)
        return class_picture(Plane(face, plane, plane, 1.0), scene.task, "Prediction")

    return cube(scene.sample, paint, WIDE)


def _curves(count: int) -> go.Figure:
    """Return the score of both over the rounds, with the present round marked."""
    figure, places = go.Figure(), np.arange(len(rounds.ROUNDS))
    here = rounds.ROUNDS.index(count)
    for to, color in COLORS.items():
        scores = [rounds.after(n, to).miou for n in rounds.ROUNDS]
        figure.add_scatter(x=places, y=scores, mode="lines", name=to, line={"color": color, "width": 3})
        figure.add_scatter(x=[here], y=[scores[here]], mode="markers", showlegend=False,
                           marker={"size": 15, "color": color, "line": {"width": 2, "color": theme().paper}})
    figure.update_layout(height=300, margin={"l": 8, "r": 8, "t": 8, "b": 8}, font={"size": FONT},
                         legend={"font": {"size": FONT}, "orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
                         xaxis={"title": "rounds", "tickvals": places, "ticktext": list(map(str, rounds.ROUNDS)), "showgrid": False,
                                "tickfont": {"size": FONT}}, yaxis={"tickfont": {"size": FONT}})
    return figure


LESSON = Lesson("Message passing", TEXT, control, draw, now)
