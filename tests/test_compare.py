"""Methods on equal labels: each learns the same entries once, and what it costs is reported."""


import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from parmesan_engine.compare import compare
from parmesan_engine.compare.chart import write_chart
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import EmptyMemoryError, FormatError, ShapeError, UnknownNameError
from parmesan_engine.io import open_dataset
from parmesan_engine.methods.labelled import encode_labelled, read_labelled
from tests.helpers import SIDES, TinyEncoder, make_dataset, sample, truth
from tests.methods.lessons import nodes


def test_compare_runs_what_was_asked_for_and_stores_nothing(tmp_path):
    data, seen = make_dataset(tmp_path / "data", train=3, test=2), []
    files = sorted(p for p in tmp_path.rglob("*"))
    result = compare(data, samples=2, per_class=8, methods=("knn", "parmesan"), encoders=("tiny",), seeds=(0, 3), progress=seen.append)
    rows = result["results"]
    assert [(r["method"], r["seed"], r["samples"], r["encoder"]) for r in rows] == [("knn", 0, 2, "tiny"), ("parmesan", 0, 2, "tiny"),
                                                                                      ("knn", 3, 2, "tiny"), ("parmesan", 3, 2, "tiny")]
    assert rows[0]["entries"] == rows[1]["entries"] == 2 * 3 * 8 and seen == sorted(seen) and seen[-1] == 1.0
    assert rows[0]["encode_seconds"] == rows[1]["encode_seconds"] and sorted(p for p in tmp_path.rglob("*")) == files


def test_samples_are_encoded_once_for_all_methods_labels_and_shares(tmp_path, monkeypatch):
    encoded, encode = [], TinyEncoder.encode
    monkeypatch.setattr(TinyEncoder, "encode", lambda self, given, **more: encoded.append(given.name) or encode(self, given, **more))
    result = compare(make_dataset(tmp_path / "data", train=3, test=2), samples=3, per_class=(2, None), methods=("knn",),
                     encoders=("tiny", "tiny:gain=0.5"), shares=(0.1, 1.0))
    assert len(encoded) == 2 * (3 + 2)
    rows = result["results"]
    assert [(r["encoder"], r["per_class"], r["share"]) for r in rows] == [
        (e, c, s) for e in ("tiny", "tiny:gain=0.5") for c in (2, "all") for s in (0.1, 1.0)]
    known = 3 * (SIDES[2][0] * SIDES[2][1] - 1)  # one pixel of each is not labelled
    assert [r["entries"] for r in rows[:4]] == [2, 18, round(known / 10), known]
    assert all(r["bytes_per_entry"] == r["bytes"] / r["entries"] for r in rows)


def test_every_labelled_pixel_counts_in_half_precision_at_the_nodes_that_are_predicted(tmp_path):
    data = open_dataset(make_dataset(tmp_path / "data", train=2))
    large = data.items("train")[0]
    for path, array in ((large.image_path, sample(shape=(300, 280)).array[0]), (large.label_path, truth(2, 0, (300, 280)))):
        Image.fromarray(array.astype(np.uint8)).save(path)
    nodes, _ = encode_labelled(ENCODERS.build({"name": "filter_bank"}), read_labelled(data, "train", None, [None, 3], 0, 1), "s")
    assert [len(batch.keys) for batch in nodes[None].batches] == [150 * 140, SIDES[2][0] * SIDES[2][1] - 1]
    assert nodes[None].key_format == "float16" and nodes[None].keys.dtype == np.float32 and nodes[3].key_format == "float32"
    assert set(np.unique(nodes[None].batches[0].labels)) == {0, 0.25, 0.5, 0.75, 1} and len(nodes[3]) == 18


def test_a_smaller_share_is_part_of_a_larger_one_and_keeps_rows_together():
    whole = nodes(range(3))
    parts = [whole.share(share, seed=4) for share in (0.02, 0.5)]
    assert [len(p) for p in parts] == [round(0.02 * len(whole)), len(whole) // 2] and whole.share(1.0, 4) is whole
    rows = [{(k.tobytes(), r.tobytes()) for k, r in zip(p.keys, p.labels, strict=True)} for p in (*parts, whole)]
    assert rows[0] < rows[1] < rows[2]
    assert {k.tobytes() for k in whole.share(0.5, seed=5).keys} != {k.tobytes() for k in parts[1].keys}


def test_several_datasets_and_the_means_over_seeds(tmp_path):
    folders = [make_dataset(tmp_path / "one"), make_dataset(tmp_path / "values", kind="regression")]
    result = compare(folders, per_class=8, methods=("knn",), encoders=("tiny",), seeds=(0, 1))
    rows, (classes, values) = result["results"], result["summary"]
    assert classes["seeds"] == 2 and classes["miou"] == pytest.approx(np.mean([r["miou"] for r in rows[:2]]))
    assert values["rmse_std"] == pytest.approx(np.std([r["rmse"] for r in rows[2:]])) and "miou" not in values
    with pytest.raises(FormatError, match="one dataset"):
        compare(folders, folders[0], methods=("knn",), encoders=("tiny",))


def test_the_chart_shows_every_line_and_needs_no_network(tmp_path):
    result = compare(make_dataset(tmp_path / "data"), per_class=(2, 8), methods=("knn", "random_forest"), encoders=("tiny",),
                     shares=(0.5, 1.0))
    write_chart(result["summary"], tmp_path / "chart.html")
    text = (tmp_path / "chart.html").read_text(encoding="utf-8")
    assert all(name in text for name in ("knn, tiny", "random_forest, tiny", "entries in the memory", "labelled pixels per class"))
    assert "<script src=" not in text


def test_the_chart_names_a_line_where_it_is_first_drawn_and_keeps_levels_beside_an_empty_panel(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(go.Figure, "write_html", lambda self, *args, **more: figures.append(self))
    same = {"data": "d", "per_class": "all", "miou_std": 0.0}
    rows = [{**same, "method": "knn", "encoder": "tiny", "share": share, "entries": 900 * share, "miou": share} for share in (0.1, 1.0)]
    write_chart([*rows, {**same, "method": "unet", "encoder": "pixels", "share": 1.0, "entries": 900, "miou": 0.8}], tmp_path / "x.html")
    (line,), levels = figures[0].data, [shape.y0 for shape in figures[0].layout.shapes]
    assert line.showlegend and line.xaxis == "x2" and list(line.x) == [90, 900]
    assert sorted(levels) == [0.8, 0.8, 1.0]  # both against labelled pixels, the U-Net against entries


def test_compare_refuses_what_cannot_be_compared(tmp_path):
    data, values = make_dataset(tmp_path / "data"), make_dataset(tmp_path / "values", kind="regression")
    with pytest.raises(ShapeError, match="same task"):
        compare(data, values, encoders=("tiny",))
    with pytest.raises(UnknownNameError, match="knn, .*parmesan, random_forest"):
        compare(data, methods=("oracle",), encoders=("tiny",))
    for label in (data / "train" / "labels").iterdir():  # nothing labelled at all
        Image.fromarray(np.full(SIDES[2], 255, np.uint8)).save(label)
    with pytest.raises(EmptyMemoryError, match="choose more samples"):
        compare(data, methods=("knn",), encoders=("tiny",))
