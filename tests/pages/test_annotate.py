"""The Annotate page without a browser: what the components send, and what they are given."""

import json

import numpy as np
import pytest

from parmesan_engine.project.class_view import set_class_view
from parmesan_engine.types import Sample
from tests.pages.choosing import choose
from tests.pages.component import codes, component, log, packet, send

STROKE = {"kind": "brush", "points": [[20.5, 25.5], [22.5, 28.5]], "radius": 1.5, "label": 1}


def stroke_op(picture, **changes):
    return {"kind": "stroke", "project": picture[0], "sample": picture[2], "stroke": {**STROKE, **changes}}


def view(picture, n, **changes):
    return {"client": "tester", "n": n, "sample": picture[2], "axis": None, "index": None, "version": None, **changes}


def shown(at):
    """The text of the error box, empty without one."""
    return " ".join(e.proto.body for e in at.get("html") if 'role="alert"' in e.proto.body)


@pytest.mark.parametrize(("name", "dims"), [("demo-2d", 2), ("demo-3d", 3), ("demo-1d", 1)])
def test_each_demo_is_ready(at, name, dims):
    at.run()
    choose(at, name)
    at.run()
    assert not at.exception and not shown(at)
    header, blobs = packet(at)
    assert header["project"] == name and header["dims"] == dims and (header["volume"] is not None) == (dims == 3)
    if dims == 3:
        assert not blobs and all(part["address"] for part in (header["image"], *header["maps"].values())), "slices are fetched"
    else:
        assert len(codes(blobs["prediction"])) == header["width"] * header["height"] == len(codes(blobs["painted"]))
    assert len(header["task"]["classes"]) >= 3 and header["undo"]


def test_a_stroke_becomes_examples_and_a_new_prediction_once(page, picture):
    before, painted = packet(page)[0], codes(packet(page)[1]["painted"])
    operations = {"log": log(stroke_op(picture))}
    send(page, "canvas", **operations)
    assert not page.exception and not shown(page)
    header, blobs = packet(page)
    assert header["version"] != before["version"] and header["acked"] == 1 and header["client"] == "tester"
    changed = codes(blobs["painted"]).reshape(32, 48)
    assert changed[27, 21] == 1 and painted.reshape(32, 48)[27, 21] == 255
    send(page, "canvas", **operations)
    assert packet(page)[0]["version"] == header["version"] and len(picture[1].history()) == 4


def test_undo_and_redo_from_the_canvas(page, picture):
    before = packet(page)[0]["version"]
    send(page, "canvas", log=log(stroke_op(picture)))
    after = packet(page)[0]["version"]
    undo, redo = ({"kind": kind, "project": picture[0], "sample": picture[2]} for kind in ("undo", "redo"))
    send(page, "canvas", log=log(stroke_op(picture), undo))
    assert packet(page)[0]["version"] == before and packet(page)[0]["redo"]
    send(page, "canvas", log=log(stroke_op(picture), undo, redo))
    assert packet(page)[0]["version"] == after


@pytest.mark.parametrize("changes", [
    {"label": 2}, {"label": -1}, {"label": "0"}, {"label": None}, {"kind": "spray"}, {"points": []}, {"points": [[1, None]]},
    {"points": [[0, 0]] * 30_000}, {"radius": 1e9}, {"radius": "3"}, {"axis": 0, "index": 0}, {"kind": "interval"},
])  # fmt: skip
def test_a_bad_stroke_is_refused_with_a_message_and_the_page_goes_on(page, picture, changes):
    before = packet(page)[0]["version"]
    send(page, "canvas", log=log(stroke_op(picture, **changes)))
    assert not page.exception
    assert "Expected" in shown(page) and packet(page)[0]["version"] == before
    assert packet(page)[0]["acked"] == 1
    send(page, "canvas", log=log(stroke_op(picture, **changes), stroke_op(picture)))
    assert not shown(page) and packet(page)[0]["version"] != before


@pytest.mark.parametrize("value", [7, None, {"client": "x", "ops": 3}, {"client": "x", "ops": [{"seq": 1, "kind": "drop table"}]},
                                   {"client": "x", "ops": [{"seq": 1, "kind": "stroke", "sample": ["x"], "project": {}}]}])  # fmt: skip
def test_hostile_logs_and_views_change_nothing(page, picture, value):
    send(page, "canvas", log=value, view=value)
    send(page, "why", acts=value)
    assert not page.exception and len(picture[1].history()) == 3


def test_a_stroke_for_another_project_is_refused(page, picture):
    send(page, "canvas", log=log({**stroke_op(picture), "project": "demo-2d"}))
    assert "another project" in shown(page) and len(picture[1].history()) == 3


def test_inspect_explains_and_a_stroke_can_be_forgotten(page, picture):
    inspect = {"kind": "inspect", "project": picture[0], "sample": picture[2], "at": [38, 12]}
    before = codes(packet(page)[1]["prediction"]).copy()
    send(page, "canvas", log=log(inspect))
    why = component(page, "why").proto
    data = json.loads(why.json)
    assert data["state"] == "explained" and data["verdict"]["name"] == "bright" and "x 38, y 12" in data["where"]
    top = data["neighbors"][0]
    assert top["name"] == "bright" and top["gesture"] == "first-1" and top["picture"].startswith("data:image/webp;base64,")
    assert np.isclose(sum(one["vote"] for one in data["neighbors"]), 1, atol=0.5) and data["opponents"][0]["name"] == "dark"
    forget = {"seq": 1, "project": picture[0], "kind": "forget", "scope": "gesture", "entry": top["entry"]}
    send(page, "why", acts={"client": "panel", "ops": [forget]})
    assert not page.exception and not shown(page)
    assert len(picture[1].memory.select(gesture="first-1")) == 0
    picture[1].undo()
    page.run()
    blobs = packet(page)[1]
    assert "prediction" in blobs and np.array_equal(codes(blobs["prediction"]), before)


@pytest.mark.parametrize("at_pixel", [[99, 1], [1, 99], ["a", 1], [1], None, [-1, 0], [True, 1]])
def test_inspecting_outside_is_refused(page, picture, at_pixel):
    send(page, "canvas", log=log({"kind": "inspect", "project": picture[0], "sample": picture[2], "at": at_pixel}))
    assert not page.exception and "click inside the picture" in shown(page)


def test_a_past_version_is_read_only_and_can_be_restored(page, picture):
    first = packet(page)[0]["versions"]["list"][1]
    send(page, "canvas", view=view(picture, 1, version=first["id"]))
    header, _ = packet(page)
    assert header["past"] and header["versions"]["position"] == 1
    send(page, "canvas", log=log(stroke_op(picture)), view=view(picture, 1, version=first["id"]))
    assert "read only" in shown(page)
    restore = {"kind": "restore", "project": picture[0], "sample": picture[2], "version": first["id"]}
    send(page, "canvas", log=log(stroke_op(picture), restore), view=view(picture, 1, version=first["id"]))
    assert not shown(page) and packet(page)[0]["past"] is None
    assert picture[1].version == picture[1].history()[1].version and len(picture[1].history()) == 4


def test_the_crosshair_follows_the_canvas_and_nonsense_is_ignored(at):
    at.run()
    choose(at, "demo-3d")
    at.run()
    header, _ = packet(at)
    sizes, start = header["volume"]["sizes"], header["volume"]["at"]
    assert start == [n // 2 for n in sizes]
    wanted = {"client": "tester", "n": 1, "sample": header["sample"], "at": [1, 2, 3], "version": None}
    send(at, "canvas", view=wanted)
    assert packet(at)[0]["volume"]["at"] == [1, 2, 3]
    for n, bad in enumerate(([1, 2], "here", [1, 2, -3], [1, 2, True], None), 2):
        send(at, "canvas", view={**wanted, "n": n, "at": bad})
        assert packet(at)[0]["volume"]["at"] == [1, 2, 3] and not at.exception
    send(at, "canvas", view={**wanted, "n": 9, "at": [10**12, 0, 10**12]})
    assert packet(at)[0]["volume"]["at"] == [sizes[0] - 1, 0, sizes[2] - 1]


def test_only_the_layer_that_is_looked_at_travels(page):
    assert "conflict" not in packet(page)[0]["maps"]
    send(page, "canvas", log=log(layer="conflict"))
    header, blobs = packet(page)
    assert codes(blobs["conflict"]).max() <= 254 and "novelty" not in header["maps"]


def test_classes_can_be_added_renamed_and_recoloured(page, picture):
    def widget(kind, number):
        start = f"{kind}-{picture[0]}-{number}-{page.session_state['desk'].jumps}-"
        return next(one for one in (page.text_input if kind == "name" else page.color_picker) if (one.key or "").startswith(start))

    widget("name", 0).input("shadow").run()
    assert picture[1].task.classes == ("shadow", "bright") and not page.exception
    widget("color", 1).pick("#112233").run()
    assert picture[1].task.colors[1] == (17, 34, 51)
    picture[1].rename_class(1, "sun")  # another session
    page.run()
    assert picture[1].task.classes == ("shadow", "sun"), "a rerun must not put the old name back"
    version = picture[1].version
    widget("name", 0).input("sun").run()
    assert "choose another name" in shown(page) and picture[1].version == version


def test_time_points_share_a_slider_and_the_list_follows(page, picture):
    array = np.random.default_rng(1).integers(0, 255, (3, 32, 48), dtype=np.uint8)
    frames = [picture[1].add_sample(Sample(array + t, f"film {t}", series="film", frame=t)).id for t in range(3)]
    page.session_state["desk"].choose(frames[0])
    page.session_state["desk"].jumps += 1
    page.run()
    assert packet(page)[0]["frames"] == frames and packet(page)[0]["sample"] == frames[0]
    wish = {**view(picture, 1), "sample": frames[0]}
    send(page, "canvas", view={**wish, "frame": frames[2]})
    assert packet(page)[0]["sample"] == frames[2] and not page.exception
    send(page, "canvas", view={**wish, "n": 2, "sample": frames[2], "frame": picture[2]})
    assert packet(page)[0]["sample"] == frames[2], "a sample that is no time point of this recording"


def test_the_palette_follows_the_view_of_the_classes(page, picture):
    set_class_view(picture[1], order=[1, 0], locked=[0], hidden=[1])
    page.run()
    task = packet(page)[0]["task"]
    assert (task["order"], task["locked"], task["hidden"]) == ([1, 0], [0], [1])
