"""Lesson 4: novelty, and exact forgetting."""

import streamlit as st

from pages._lessons.lesson import Lesson, dot, formula, keys, moved, percent, picture
from parmesan_engine import render
from parmesan_engine.lessons import novelty
from parmesan_engine.lessons.novelty import ANA, BEN

WHITE, DARK, BACK = (255, 255, 255), (20, 20, 20), (255, 40, 160)
TITLES = (f"{ANA} and {BEN}", f"{BEN} is forgotten", f"{BEN} was never there")
TEXT = f"""{ANA} labelled well; {BEN} took every second nucleus for stroma. A memory need not use everything it is told: an example
adds nothing if the nearest one in use is closer than $\\delta$ *and has the same label*: it is **held back** (small dots). Then {BEN}
leaves, and wants all that he taught to be **forgotten**. But some of {ANA}'s examples were held back only because of his ...

Raise $\\delta$. How few examples are enough? And do the two pictures on the right ever differ?"""


def control() -> float:
    delta = st.select_slider("Novelty δ: how new an example must be", novelty.NOVELTIES, novelty.NOVELTIES[0], key="novelty",
                             bind="query-params")
    _, forgotten, never = novelty.story(delta)
    same = "=" if forgotten.version == never.version else r"\neq"
    formula(rf"\text{{hold }}(h,y)\text{{ back}} &\iff d(h,h_{{j^*}}) \le \delta={moved(f'{delta:g}')} \;\text{{ and }}\; y_{{j^*}}=y",
            rf"(\mathcal M_{{\text{{{ANA}}}}}\cup\mathcal M_{{\text{{{BEN}}}}})\ominus\mathcal M_{{\text{{{BEN}}}}} &{same} "
            rf"\mathcal M_{{\text{{{ANA}}}}} \qquad \texttt{{{forgotten.version[:6]}}} {same} \texttt{{{never.version[:6]}}}")
    return delta


def draw(delta: float) -> None:
    scene = novelty.scene()
    pixels = render.to_rgb(scene.sample)
    keys(scene.task, ("back in use, because what had made it superfluous is gone", f"rgb{BACK}"))
    for column, title, state in zip(st.columns(3, gap="small"), TITLES, novelty.story(delta), strict=True):
        with column:
            st.markdown(f"**{title}**: {int(state.used.sum())} of {len(state.used)} in use, {percent(state.right)} right")
            shown = picture(pixels, state.labels, scene.task)
            for at, said, used, back in zip(state.at, state.said, state.used, state.back, strict=True):
                if used:
                    dot(shown, at, scene.truth.shape, 9 if back else 7, scene.task.colors[said], BACK if back else WHITE, 5 if back else 2)
                else:
                    dot(shown, at, scene.truth.shape, 2, DARK, DARK)
            st.image(shown, width="stretch")


def now(delta: float) -> str:
    together, forgotten, _ = novelty.story(delta)
    back, used, known = int(forgotten.back.sum()), int(forgotten.used.sum()), len(forgotten.used)
    if not delta:
        return f"Everything is used. Forgetting {BEN} leaves {ANA}'s {known} examples, and the same memory as if he had never come."
    text = (f"{int(together.used.sum())} of {len(together.used)} examples do the work. After {BEN} was forgotten, **{back} of {ANA}'s "
            "examples came back into use** (pink): forgetting can *add*. The hash of the content is that of a memory that never knew him.")
    few = f" And {used} examples, {percent(1 - used / known)} fewer, are still {percent(forgotten.right)} right."
    return text + (few if delta >= 0.1 else "")


LESSON = Lesson("Keep what is new, forget what you must", TEXT, control, draw, now)
