"""Lesson 2: neighbours and temperature."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from pages._lessons.lesson import FONT, PLAIN, Lesson, dot, enlarged, formula, keys, moved, percent, picture
from pages._panel import css
from parmesan_engine import render
from parmesan_engine.lessons import voting

WHITE, BLACK, RED = (255, 255, 255), (20, 20, 20), (220, 38, 38)
TEXT = """The nearest example may be wrong: of the {n} examples in this picture, {wrong} (ringed in red) have a **wrong label**. So let
the $k$ nearest *vote*. The **temperature** $\\tau$ says how much more a near one counts: votes fall
as $e^{{-d/\\tau}}$ with the distance $d$.

Turn the temperature up, slowly, to the end. Which of the three memories never moves, and why? Which one stops looking at the picture?"""


def control() -> float:
    tau = st.select_slider("Temperature τ", voting.TAUS, voting.TAUS[0], key="temperature", bind="query-params")
    distances, _ = voting.voters(voting.KS[1])
    shares = voting.vote(voting.KS[1], tau).shares
    value = f"{tau:g}"
    formula(r"\hat y &= \sum_{j=1}^{k} v_j\,y_j,\qquad v_j=\frac{e^{-d_j/\tau}}{\sum_{i=1}^{k} e^{-d_i/\tau}},\qquad"
            rf"\tau={moved(value)}",
            rf"v_1 &= \frac{{e^{{-{distances[0]:.2f}/{moved(value)}}}}}{{\sum_{{i=1}}^{{{voting.KS[1]}}} e^{{-d_i/{moved(value)}}}}} = "
            rf"{moved(f'{shares[0]:.2f}')}\qquad\text{{at the ring, }}k={voting.KS[1]}")
    return tau


def draw(tau: float) -> None:
    scene = voting.scene()
    pixels = render.to_rgb(scene.sample)
    columns = st.columns(1 + len(voting.KS), gap="small")
    with columns[0]:
        st.markdown("**The examples**")
        shown = enlarged(pixels)
        for at, label, lied in zip(scene.at, scene.labels, scene.lied, strict=True):
            dot(shown, at, scene.truth.shape, 11, scene.task.colors[label], RED if lied else WHITE, 4 if lied else 2)
        _ring(shown)
        st.image(shown, width="stretch")
        keys(scene.task)
    for column, k in zip(columns[1:], voting.KS, strict=True):
        with column:
            vote = voting.vote(k, tau)
            st.markdown(f"**k = {k}**" + (" (all)" if k == len(scene.labels) else "") + f": {percent(vote.right)} right")
            answer = picture(pixels, vote.labels, scene.task)
            _ring(answer)
            st.image(answer, width="stretch")
            st.plotly_chart(_bars(k, tau), config=PLAIN, key=f"votes-{k}")


def now(tau: float) -> str:
    _, some, every = (voting.vote(k, tau) for k in voting.KS)
    if every.right < 0.6:
        return ("With **all** examples and a high temperature, distance no longer counts: it is an **opinion poll**. Places get the class "
                "that has most examples, whatever they look like. And k = 1 has not moved: a single voter always has all the votes.")
    if some.heard < 1.5:
        return ("Cold: the nearest example decides alone, so **all three are the same** and each wrong label makes an island. k says how "
                "many may vote, but only one is heard.")
    if every.right >= some.right and every.right > 0.95:
        return (f"Now a crowd is heard, about {every.heard:.0f} of {voting.KS[2]}: the wrong labels are **outvoted** and the islands are "
                "gone. With the right temperature, k hardly matters.")
    if every.right < some.right:
        return "Too warm for a large k: far examples that look like something else join in. A smaller k protects, whatever the temperature."
    return f"The islands shrink: {some.heard:.1f} of {voting.KS[1]} voters are heard, and those with a wrong label are no longer alone."


def _ring(image: Image.Image) -> None:
    """Mark the place whose votes are shown."""
    scene = voting.scene()
    dot(image, scene.asked, scene.truth.shape, 21, None, BLACK, 7)
    dot(image, scene.asked, scene.truth.shape, 20, None, WHITE, 4)


def _bars(k: int, tau: float) -> go.Figure:
    """Return the votes at the ring, the nearest example first, in the colours of their labels."""
    scene, shares = voting.scene(), voting.vote(k, tau).shares
    _, ids = voting.voters(k)
    figure = go.Figure(go.Bar(x=np.arange(1, k + 1), y=shares, marker={
        "color": [css(scene.task.colors[label]) for label in scene.labels[ids]],
        "line": {"width": [2 if scene.lied[i] else 0 for i in ids], "color": css(RED)}}))
    figure.update_layout(height=115, margin={"l": 40, "r": 4, "t": 4, "b": 34}, bargap=0.1, font={"size": FONT - 2},
                         xaxis={"title": "voters at the ring, nearest first", "range": [0.4, max(k, 3) + 0.6], "showticklabels": False},
                         yaxis={"range": [0, max(1.05 * float(shares.max()), 0.05)], "tickformat": ".0%", "nticks": 4})
    return figure


LESSON = Lesson("Neighbours and temperature", TEXT.format(n=sum(voting.COUNTS), wrong=voting.WRONG), control, draw, now)
