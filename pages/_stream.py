"""Widgets that choose what is learned step by step, and how."""

from dataclasses import replace
from typing import Any

import streamlit as st

from pages._runs import Wanted
from parmesan_engine.encoders import ENCODERS

OWN, FOLDERS = "Made here", "Folders of data"
KINDS = {"domain": "New surroundings", "class": "New classes", "task": "A new task"}
WORDS = {"domain": "Each step shows the same classes otherwise: another dataset, another group of samples, other light.",
         "class": "Each step labels new classes; the pixels of all others are not labelled in it.",
         "task": "First classes, then values for every pixel, from the same features."}
MADE = 200  # samples a step at most: they are made at once, before anything can be seen or cancelled
DIMS = {2: "Pictures", 3: "Volumes", 1: "Signals"}


def choose() -> Wanted | None:
    """Draw what is learned in which steps; return it, None where something is missing."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = st.segmented_control("Data", (OWN, FOLDERS), default=OWN, key="continual-source") or OWN
        kind = st.segmented_control("A step brings", list(KINDS), format_func=KINDS.get, default="domain", key="continual-kind") or "domain"
        if source == OWN:
            dims = st.segmented_control("Samples", list(DIMS), format_func=DIMS.get, default=2, key="continual-dims") or 2
            wanted = Wanted(kind, dims)
        else:
            text = st.text_area("Folders with dataset.json, one a line", key="continual-folders", height=72, placeholder="/data/camvid")
            folders = tuple(line.strip() for line in text.splitlines() if line.strip())
            wanted = Wanted(kind, folders=folders, samples=40, tests=12, size=256) if folders else None
        settings = st.popover("Settings", icon=":material/tune:", key="continual-settings")
    st.caption(WORDS[kind])
    if wanted is None:
        return None
    with settings:
        return replace(wanted, **_settings(wanted))


def _settings(wanted: Wanted) -> dict[str, Any]:
    """Draw the settings, with those of `wanted` at first, and return them."""
    key = f"continual-{'folders' if wanted.folders else wanted.dims}"
    left, right = st.columns(2)
    most = 10_000 if wanted.folders else MADE
    with left:
        samples = st.number_input("Samples a step", 1, most, wanted.samples, key=f"{key}-samples")
        tests = st.number_input("Held-back samples a step", 1, most, wanted.tests, key=f"{key}-tests")
        every = st.toggle("All labelled pixels", key=f"{key}-all", help="Else as many of each class and sample as below")
        per_class = st.number_input("Labelled pixels a class and sample", 1, 100_000, 30, key=f"{key}-pixels", disabled=every)
    with right:
        encoder = st.selectbox("Encoder", ENCODERS.names(), index=ENCODERS.names().index(wanted.encoder), accept_new_options=True,
                               key="continual-encoder", help="Type another one with its keywords: backbone:model=/folder")
        seeds = st.number_input("Seeds", 1, 10, 1, key="continual-seeds", help="Runs with other random numbers: means and their deviation")
        equal = st.toggle("Equal bytes", key="continual-equal", help="Those that keep past examples may keep as many bytes as PARMESAN")
    more = {} if not wanted.folders else _of_folders(wanted, left, right)
    return {"samples": int(samples), "tests": int(tests), "per_class": None if every else int(per_class), "encoder": encoder,
            "seeds": int(seeds), "equal": equal, **more}


def _of_folders(wanted: Wanted, left: Any, right: Any) -> dict[str, Any]:
    size = left.number_input("Longest side in pixels", 16, 10_000, wanted.size, key="continual-size", help="Longer ones are made smaller")
    if wanted.kind == "class":
        return {"size": int(size), "per_step": int(right.number_input("Classes a step", 1, 100, wanted.per_step, key="continual-per-step"))}
    slices = right.number_input("Planes of a volume", 0, 1000, 0, key="continual-slices", help="0: whole volumes")
    if wanted.kind == "task":
        return {"size": int(size), "slices": int(slices)}
    group = right.text_input("Group in a sample's name", key="continual-group", placeholder="a regular expression",
                             help="Of one folder each group of samples is a step; default: what stands before the first number or _")
    return {"size": int(size), "slices": int(slices), "group": group.strip()}
