"""What the Review page shows, as rows for tables and small pictures. No Streamlit in here; thumbnails are passed in."""

import base64
import io
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
from PIL import Image

from pages._panel import label_name
from parmesan_engine import render
from parmesan_engine.insight import NEVER_SEEN, Audit, Difference, StrokeScore, Suggestion
from parmesan_engine.project import Project
from parmesan_engine.project.asking import Reach, SampleReach
from parmesan_engine.types import Sample

LISTED = 60  # rows of a table; each has a thumbnail
PLACES = 30  # to label next
GALLERY = 12
CHANGED = (214, 60, 30)
HEIGHT, STRIP = 160, 24  # pixels of a picture of changes; of a signal
Picture = Callable[[str, tuple[int, ...]], str]  # (sample id, coordinates) -> data URL


def contradicted(audit: Audit, right: set[tuple[str, str]]) -> list[StrokeScore]:
    """Return the strokes with contradicted examples, the worst first, but those that somebody called right."""
    return [one for one in audit.strokes if one.contradicted and (one.gesture, one.sample_id) not in right]


def replaceable(audit: Audit) -> list[StrokeScore]:
    """Return the strokes that the others could replace, all together, the largest first."""
    return sorted((one for one in audit.strokes if one.redundant), key=lambda one: -one.entries)


def stroke_rows(project: Project, strokes: list[StrokeScore], picture: Picture, *, doubted: bool) -> list[dict[str, Any]]:
    """Return rows of strokes for a table. doubted: with what the others say."""
    names = {record.id: record.name for record in project.samples()}
    rows = []
    for one in strokes[:LISTED]:
        said = {"Others say": label_name(project, one.says), "Contradicted": one.contradicted / one.heard} if doubted else {}
        rows.append({"Place": picture(one.sample_id, one.at) if one.sample_id in names else None,
                     "Labelled": label_name(project, one.label), **said, "Examples": one.entries,
                     "Sample": names.get(one.sample_id, "gone"), "Author": one.author, "Source": one.source,
                     "When": datetime.fromtimestamp(one.time)})
    return rows


def shown(strokes: int) -> str:
    """Return how many strokes a table shows, in words."""
    if strokes > LISTED:
        return f"{LISTED} of {strokes:,} strokes shown"
    return f"{strokes} stroke{'s' if strokes != 1 else ''}"


def place_rows(project: Project, places: list[Suggestion], picture: Picture) -> list[dict[str, Any]]:
    """Return rows of places to label next for a table."""
    names = {record.id: record.name for record in project.samples()}
    return [{"Place": picture(one.sample_id, one.at), "Why": "Never seen" if one.reason == NEVER_SEEN else "Examples contradict",
             "In the same doubt": one.worth, "Sample": names[one.sample_id]} for one in places]


def reach_rows(project: Project, reach: Reach) -> list[dict[str, Any]]:
    """Return what would change without some examples, one row per sample for a table."""
    records = {record.id: record for record in project.samples()}
    return [{"Changes": change_picture(project.read_sample(one.sample_id), one.difference),
             "Sample": records[one.sample_id].name, "Would change": share_changed(one), "What": moves(project, one.difference),
             "They decide now": one.decided} for one in reach.samples[:LISTED] if one.sample_id in records]


def share_changed(one: SampleReach) -> float:
    return one.difference.changed / one.difference.total


def moves(project: Project, difference: Difference) -> str:
    """Return which classes become which, the largest parts first, or how far values move."""
    if difference.shift is not None:
        return f"by {difference.shift:.3g} {project.task.unit}".strip() + " on average"
    parts = [f"{label_name(project, was)} to {label_name(project, now)} {100 * count / difference.total:.2g}%"
             for was, now, count in difference.moves[:3]]
    return ", ".join(parts) + (" and others" if len(difference.moves) > 3 else "") if parts else "nothing"


def summary(reach: Reach) -> str:
    """Return in one or two sentences what removing would do."""
    touched = [one for one in reach.samples if one.difference.changed]
    many = _examples(reach.entries)
    if not touched:
        text = f"Without {many} no answer changes in any of {len(reach.samples):,} samples."
    else:
        mean = sum(share_changed(one) for one in reach.samples) / len(reach.samples)
        text = (f"Without {many} the answer changes on {_percent(mean)} of all samples together; "
                f"{len(touched):,} of {len(reach.samples):,} samples change at all.")
    text += f" {_examples(reach.returning)} painted over by them would come back." if reach.returning else ""
    return text + (" The metric would be fitted anew; that is counted in." if reach.refitted else "")


def change_picture(sample: Sample, difference: Difference) -> str:
    """Return a sample as a data URL, red where the answer would change; of a volume the slice that changes most."""
    share = difference.map
    if share.ndim == 1:
        ground = Image.new("RGB", (HEIGHT * 3 // 2, STRIP), (235, 238, 242))
        share = np.broadcast_to(share, (1, len(share)))
    else:
        plane = ()
        if share.ndim == 3:
            most = int(np.where(share == 1, 1.0, 0.0).sum((1, 2)).argmax() if difference.changed else share.sum((1, 2)).argmax())
            plane, share = (0, min(most * -(-sample.spatial_shape[0] // len(share)), sample.spatial_shape[0] - 1)), share[most]
        ground = Image.fromarray(render.to_rgb(sample, *plane))
        ground.thumbnail((HEIGHT * 3 // 2, HEIGHT))
    mask = Image.fromarray(np.rint(np.where(share == 1, 0.75, share) * 255).astype(np.uint8)).resize(ground.size, Image.Resampling.BOX)
    ground.paste(CHANGED, mask=mask)
    buffer = io.BytesIO()
    ground.save(buffer, "WEBP", quality=86, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def worst_of(audit: Audit, ids: np.ndarray) -> np.ndarray:
    """Return the contradicted examples among `ids`, the worst first."""
    return audit.contradicted[np.isin(audit.contradicted, ids)]


def _examples(count: int) -> str:
    return f"{count:,} example{'s' if count != 1 else ''}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%" if share >= 0.001 else "less than 0.1%"
