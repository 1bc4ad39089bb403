"""From an explanation to what the why panel shows. No Streamlit in here; pictures come from a function that is passed in."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from pages._desk import Desk
from pages._maps import value_range
from pages._reach import block
from parmesan_engine import render
from parmesan_engine.insight import Explanation, NeighborInfo
from parmesan_engine.project import Project, SampleRecord
from parmesan_engine.types import Prediction

Picture = Callable[[str, tuple[int, ...]], str]  # (sample id, coordinates) -> data URL, empty when the sample is not here
CONFLICT = ((0.25, "The nearest examples agree."), (0.6, "Some of the nearest examples disagree."),
            (2.0, "The nearest examples contradict each other: an example here would help."))
NOVELTY = ((0.35, "Very much like what was labelled."), (0.75, "Only roughly like what was labelled."),
           (2.0, "Unlike everything labelled so far: an example here would help."))


def panel(desk: Desk, project: Project, record: SampleRecord | None, prediction: Prediction | None, explanation: Explanation | None,
          picture: Picture) -> dict[str, Any]:
    """Return the panel of the chosen sample as JSON; without an explanation, the hint how to get one."""
    data = {"client": desk.acts_client, "acked": desk.acts.handled.get(desk.acts_client, 0), "project": desk.project,
            "locked": desk.seq is not None, "state": "empty", "where": "",
            "reach": block(desk, project, record), **_fractions(project, record, prediction)}
    if explanation is None or record is None:
        return data
    names = {one.id: one for one in project.samples()}
    strokes = Counter()
    for neighbor in (*explanation.neighbors, *explanation.opponents.values()):
        if neighbor.gesture not in strokes:
            strokes[neighbor.gesture] = len(project.memory.select(gesture=neighbor.gesture))

    def card(one: NeighborInfo, places: int = 1) -> dict[str, Any]:
        known = names.get(one.sample_id)
        return {
            "entry": one.entry, "name": label_name(project, one.label), "color": label_color(project, one.label, prediction),
            "sample": known.name if known else "a sample that is gone", "where": place(one.at, known), "author": one.author,
            "similarity": round(one.similarity, 4), "vote": round(one.vote, 4), "gesture": one.gesture, "source": one.source,
            "strokeSize": strokes[one.gesture], "places": places, "time": datetime.fromtimestamp(one.time).strftime("%d %b %Y %H:%M"),
            "picture": picture(one.sample_id, tuple(one.at)) if known else "",
        }

    return data | {
        "state": "explained", "where": f"{record.name} · {place(explanation.at, record)}", "abstained": explanation.abstained,
        "verdict": _verdict(project, explanation, prediction), "votes": _votes(project, explanation),
        "doubts": [_doubt("Conflict", explanation.conflict, CONFLICT, "#ea580c"),
                   _doubt("Novelty", explanation.novelty, NOVELTY, "#7e22ce")],
        "neighbors": [card(one, places) for one, places in by_stroke(explanation.neighbors)], "shown": len(explanation.neighbors),
        **_voters(project, explanation), "opponents": [card(one) for one in explanation.opponents.values()],
        "smoothed": explanation.smoothed,
    }


def by_stroke(neighbors: tuple[NeighborInfo, ...]) -> list[tuple[NeighborInfo, int]]:
    """Return the strongest example of each stroke with the votes of all its places, and how many these are; the strongest first."""
    groups: dict[Any, list[NeighborInfo]] = {}
    for one in neighbors:
        groups.setdefault((one.gesture, one.label) if one.gesture else one.entry, []).append(one)
    merged = [(replace(max(group, key=lambda one: one.vote), vote=sum(one.vote for one in group)), len(group)) for group in groups.values()]
    return sorted(merged, key=lambda pair: -pair[0].vote)


def place(at: tuple[int, ...], record: SampleRecord | None) -> str:
    """Return a coordinate in words: x first, as on the screen; a time for signals whose rate is known."""
    if len(at) == 1:
        if record is not None and record.spacing:
            return f"{at[0] * record.spacing[0]:.4g} {record.unit}"
        return f"sample {at[0]}"
    return ", ".join(f"{name} {value}" for name, value in zip("xyz", reversed(at), strict=False))


def label_name(project: Project, label: float) -> str:
    task = project.task
    if task.kind == "regression":
        return f"{label:.4g} {task.unit}".strip()
    return task.classes[int(label)] if 0 <= label < len(task.classes) else "unknown"


def label_color(project: Project, label: float, prediction: Prediction | None) -> str:
    """Return a CSS colour: of the class, or of the value as the canvas draws it; grey where there is none."""
    if project.task.kind == "regression" and prediction is not None:
        return css(render.values_rgb(np.array([[label]]), value_range(project, prediction))[0, 0])
    if project.task.kind == "regression" or not 0 <= label < len(project.task.colors):
        return "#64748b"
    return css(project.task.colors[int(label)])


def css(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*(int(part) for part in color))


def _voters(project: Project, explanation: Explanation) -> dict[str, Any]:
    """Return how many examples voted and the share of those that are not shown (0 below half a percent)."""
    voters = max(min(project.live.predictor().k, len(project)), len(explanation.neighbors))
    others = 1 - sum(one.vote for one in explanation.neighbors) if voters > len(explanation.neighbors) > 0 else 0
    return {"voters": voters, "others": round(others, 4) if others >= 0.005 else 0}


def _verdict(project: Project, explanation: Explanation, prediction: Prediction | None) -> dict[str, str]:
    if explanation.abstained:
        return {"name": "unknown", "color": "", "share": ""}
    answer = explanation.value if explanation.label is None else explanation.label
    name = label_name(project, answer)
    share = explanation.shares.get(name)
    return {"name": name, "color": label_color(project, answer, prediction), "share": "" if share is None else f"{100 * share:.0f}%"}


def _votes(project: Project, explanation: Explanation) -> list[dict[str, Any]]:
    """Return the classes that got at least half a percent, the strongest first."""
    colors = dict(zip(project.task.classes, project.task.colors, strict=False))
    ranked = sorted(explanation.shares.items(), key=lambda item: -item[1])
    shown = [{"name": name, "share": round(share, 4), "color": css(colors[name])} for name, share in ranked if share >= 0.005]
    return shown if len(shown) > 1 else []  # a single class is the verdict, said already


def _doubt(name: str, share: float, words: tuple[tuple[float, str], ...], color: str) -> dict[str, Any]:
    return {"name": name, "share": round(share, 4), "color": color, "text": next(text for limit, text in words if share <= limit)}


def _fractions(project: Project, record: SampleRecord | None, prediction: Prediction | None) -> dict[str, Any]:
    """Return how much of the whole sample each class takes, or the spread of the values."""
    if prediction is None or record is None:
        return {"fractions": [], "fractionsTitle": ""}
    if prediction.labels is None:
        known = prediction.values[np.isfinite(prediction.values)]
        middle = f"median {np.median(known):.4g} {project.task.unit}" if known.size else "all unknown"
        return {"fractions": [{"name": "unknown", "share": 1 - known.size / prediction.values.size, "color": ""}],
                "fractionsTitle": "Whole sample", "fractionsNote": middle}
    unit = {1: "samples", 3: "voxels"}.get(prediction.labels.ndim, "pixels")
    counts = np.bincount(prediction.labels.ravel() + 1, minlength=len(project.task.classes) + 1) / prediction.labels.size
    shares = [{"name": project.task.classes[i], "share": round(float(counts[i + 1]), 5), "color": css(project.task.colors[i])}
              for i in project.class_view()["order"]]
    if counts[0] > 0:
        shares.append({"name": "unknown", "share": round(float(counts[0]), 5), "color": ""})
    return {"fractions": shares, "fractionsTitle": "Whole sample", "fractionsNote": f"{math.prod(record.spatial_shape):,} {unit}"}
