"""Small pictures of examples in the colours of their labels; the pointer over one says what and where it is, and by whom."""

import html

import numpy as np
import streamlit as st

from pages import _state
from pages._desk import Desk
from pages._panel import label_color, label_name, place
from parmesan_engine.project import Project


def gallery(desk: Desk, project: Project, ids: np.ndarray) -> None:
    """Draw the surroundings of some examples; those of samples that are gone are left out."""
    known, cards = {record.id: record for record in project.samples()}, []
    for origin, label in zip(project.memory.provenance(ids), project.memory.answers(ids).tolist(), strict=True):
        record = known.get(origin.sample_id)
        if record is None:
            continue
        picture = _state.thumbnail(desk.project, record.id, tuple(origin.coordinates))
        text = html.escape(f"{label_name(project, label)} · {record.name} · {place(origin.coordinates, record)} · {origin.author}")
        cards.append(f'<img src="{picture}" alt="{text}" title="{text}" style="--swatch:{label_color(project, label, None)}">')
    st.html(f'<div class="gallery">{"".join(cards)}</div>')
