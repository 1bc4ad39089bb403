"""Lesson 5: why networks forget and memories do not."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from pages._charts import RUST, TEAL
from pages._lessons.lesson import FONT, PLAIN, Lesson, dot, formula, moved, picture
from parmesan_engine.lessons import steps

NAMES = {"a network": RUST, "a memory": TEAL}
STOPS = (*(f"step {n}" for n in range(1, steps.STEPS + 1)), f"forget step {steps.FORGOTTEN}")
TEXT = """Eight kinds of things, described by two features, come in four steps of two kinds. A **network** and a **memory** learn them
one step after the other, and at each step see *only what is new*: that is how data arrive in life. Dots are what the step brings; colours
are what each of them answers anywhere in the plane; grey is *unknown*.

Go from step to step. What has become of the first two kinds? And what happens at the last stop, where step 2 is to be forgotten?"""


def control() -> int:
    stop = STOPS.index(st.select_slider("Steps learned", STOPS, STOPS[0], key="step", bind="query-params"))
    step = min(stop + 1, steps.STEPS)
    forget = stop == steps.STEPS
    added = rf"\mathcal M \ominus \mathcal S_{{{moved(steps.FORGOTTEN)}}}" if forget else rf"\mathcal M \cup \mathcal S_{{{moved(step)}}}"
    nothing = rf"\theta \qquad\qquad\text{{no rule takes }}\mathcal S_{{{moved(steps.FORGOTTEN)}}}\text{{ out of }}\theta"
    trained = rf"\theta-\eta\,\nabla_{{\!\theta}}\,L(\theta;\,\mathcal S_{{{moved(step)}}})\quad\text{{all weights move}}"
    formula(rf"\text{{network:}}\quad \theta &\leftarrow {nothing if forget else trained}",
            rf"\text{{memory:}}\quad \mathcal M &\leftarrow {added}\quad\text{{all other rows stay}}")
    return stop


def draw(stop: int) -> None:
    network, memory = steps.network_steps()[stop], steps.memory_steps()[stop]
    first, second, third = st.columns(3, gap="medium")
    for column, name, learned in ((first, "a network", network), (second, "a memory", memory)):
        with column:
            st.markdown(f"**What {name} answers**")
            st.image(_plane(learned.labels, stop), width="stretch")
    with third:
        st.markdown("**What they still know, in percent right**")
        st.plotly_chart(_scores(network.right, memory.right, stop), config=PLAIN, key="known")


def now(stop: int) -> str:
    network, memory = steps.network_steps()[stop], steps.memory_steps()[stop]
    if stop == 0:
        return ("Both know the first two kinds. But look at the far side: the memory says **unknown** where nothing is near; the network, "
                "which knows two words, is at ease everywhere.")
    if stop == steps.STEPS:
        return ("The memory lost step 2, **and only step 2**: it is the memory that would never have seen it. The network has nothing to "
                "press: it forgets what it should keep, and cannot forget what it must. What helps it, and what that costs, is on the page "
                "Continual.")
    lost = [n + 1 for n in range(stop) if network.right[n] < 0.05]
    return (f"The network is {100 * network.right[stop]:.0f} % right about what it has just seen"
            + (f", and **0 %** about step{'s' * (len(lost) > 1)} {', '.join(map(str, lost))}. Nobody told it to forget: the same weights "
               "had to serve the new kinds." if lost else ", and has begun to lose what it knew.")
            + f" The memory added {int((steps.scene().step == stop + 1).sum())} rows, touched no other, and is still "
              f"{100 * min(memory.right[: stop + 1]):.0f} % right about all.")


def _plane(labels: np.ndarray, stop: int) -> Image.Image:
    """Return the answers anywhere in the plane, and on it the points that the step has brought."""
    scene, size = steps.scene(), (steps.SIDE, steps.SIDE)
    shown = picture(np.full((*size, 3), 250, np.uint8), labels, scene.task)
    for node, label in zip(scene.nodes[scene.step == stop + 1], scene.labels[scene.step == stop + 1], strict=True):
        dot(shown, divmod(int(node), steps.SIDE), size, 6, scene.task.colors[label], (255, 255, 255), 2)
    return shown


def _scores(network: tuple[float, ...], memory: tuple[float, ...], stop: int) -> go.Figure:
    """Return what each knows of each step so far."""
    learned = min(stop + 1, steps.STEPS)
    figure = go.Figure()
    for (name, color), right in zip(NAMES.items(), (network, memory), strict=True):
        figure.add_bar(x=[f"step {n + 1}" for n in range(learned)], y=right[:learned], name=name, marker={"color": color},
                       text=[f"{100 * one:.0f}" for one in right[:learned]], textposition="outside", cliponaxis=False)
    figure.update_layout(height=380, margin={"l": 8, "r": 8, "t": 8, "b": 8}, font={"size": FONT}, bargap=0.3,
                         legend={"font": {"size": FONT}, "orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
                         xaxis={"tickfont": {"size": FONT}, "range": [-0.5, steps.STEPS - 0.5]},
                         yaxis={"range": [0, 1.1], "tickformat": ".0%", "tickfont": {"size": FONT}})
    return figure


LESSON = Lesson("Why networks forget and memories do not", TEXT, control, draw, now)
