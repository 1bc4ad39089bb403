"""What comes from the browser is checked, and carried out once."""

import pytest

from pages.components.canvas import Courier, Part, Scene
from pages.components.messages import MAX_OPS, Ledger, parse_log
from tests.pages.component import log, unpack


@pytest.mark.parametrize("value", [None, 7, "log", [], {}, {"client": "x"}, {"client": "x", "ops": "y"}, {"client": 5, "ops": []},
                                   {"client": "../../etc", "ops": []}, {"client": "x" * 100, "ops": []}])  # fmt: skip
def test_what_is_no_log_is_dropped(value):
    assert parse_log(value) is None


@pytest.mark.parametrize("op", [None, 3, {}, {"seq": "1", "kind": "stroke"}, {"seq": True, "kind": "stroke"}, {"seq": -1, "kind": "stroke"},
                                {"seq": 1}, {"seq": 1, "kind": ["stroke"]}, {"seq": 2**60, "kind": "stroke"}])  # fmt: skip
def test_malformed_operations_are_dropped_one_by_one(op):
    good = {"seq": 9, "kind": "undo"}
    assert parse_log({"client": "x", "ops": [op, good]}).ops == (good,)


def test_a_log_is_bounded():
    ops = [{"seq": i, "kind": "undo"} for i in range(1, 10_000)]
    assert len(parse_log({"client": "x", "ops": ops}).ops) == MAX_OPS
    assert parse_log({"client": "x", "ops": [], "have": {str(i): "a" for i in range(99)}}).have == {}


def test_each_operation_comes_out_once_however_often_the_log_arrives():
    ledger, first = Ledger(), parse_log(log({"kind": "a"}, {"kind": "b"}))
    assert [op["kind"] for op in ledger.new_ops(first)] == ["a", "b"]
    assert list(ledger.new_ops(first)) == []
    assert [op["kind"] for op in ledger.new_ops(parse_log(log({"kind": "a"}, {"kind": "b"}, {"kind": "c"})))] == ["c"]
    assert [op["kind"] for op in ledger.new_ops(parse_log(log({"kind": "a"}, client="another")))] == ["a"]


def scene(labels: str = "v1", acked: int = 0) -> Scene:
    return Scene({"acked": acked}, Part("picture", lambda: b"IMAGE", {"mime": "image/png"}), {"prediction": Part(labels, labels.encode)})


def test_blobs_that_the_browser_holds_are_left_out():
    courier = Courier()
    header, blobs = unpack(courier.pack(scene()))
    assert blobs == {"image": b"IMAGE", "prediction": b"v1"} and header["image"]["mime"] == "image/png"
    courier.hear({"image": "picture", "prediction": "v1"})
    assert unpack(courier.pack(scene("v2", 1)))[1] == {"prediction": b"v2"}


def test_the_same_scene_is_the_same_bytes():
    courier = Courier()
    first = courier.pack(scene())
    assert courier.pack(scene()) is first
    courier.hear({"image": "picture", "prediction": "v1"})
    assert courier.pack(scene()) is first


def test_what_was_sent_is_not_believed_to_have_arrived():
    courier = Courier()
    courier.pack(scene())
    assert set(unpack(courier.pack(scene("v2")))[1]) == {"image", "prediction"}


def test_a_new_canvas_gets_everything_again():
    courier = Courier()
    courier.pack(scene())
    courier.hear({"image": "picture", "prediction": "v1"})
    small = courier.pack(scene("v2"))
    courier.hear({})  # mounted again: it holds nothing
    again = courier.pack(scene("v2"))
    assert set(unpack(again)[1]) == {"image", "prediction"} and again != small
    assert unpack(again)[0]["rev"] > unpack(small)[0]["rev"]
