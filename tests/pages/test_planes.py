"""Pictures and maps over HTTP: what an address gives, and what it does not."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from pages import _planes, _state
from pages._desk import Desk, predict
from pages._maps import map_states
from parmesan_engine.errors import FormatError
from parmesan_engine.gestures import Stroke


@pytest.fixture
def desk():
    project = _state.shelf().project("demo-3d")
    desk = Desk(author="tester", project="demo-3d")
    desk.choose(project.samples()[0].id)
    _planes.admit(desk)
    return desk


def ask(desk, what, state, axis=0, index=0, **changes):
    place = {"token": desk.secret, "project": desk.project, "sample": desk.sample, "what": what, "state": state, "axis": axis}
    return _planes.answer(_state.shelf().project, **{**place, "index": index, **changes})


def picture(response):
    assert response.status_code == 200 and response.headers["cache-control"].startswith("private")
    return np.asarray(Image.open(io.BytesIO(response.body)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_is_the_cut_of_the_whole(desk, axis):
    project = _state.shelf().project("demo-3d")
    whole, index = project.predict(desk.sample), 7
    states = map_states(desk, project, project.samples()[0])
    for name, array in (("prediction", whole.labels), ("painted", project.painted(desk.sample))):
        expected = array.take(index, axis=axis)
        got = np.frombuffer(zlib.decompress(ask(desk, name, states[name], axis, index).body), np.uint8).astype(int)
        assert np.array_equal(np.where(got == 255, -1, got).reshape(expected.shape), expected)
    assert picture(ask(desk, "picture", "all_auto", axis, index)).shape == expected.shape


def test_the_window_decides_black_and_white(desk):
    values = _state.shelf().project("demo-3d").read_sample(desk.sample).array[0, 5].astype(float)
    low, high = np.percentile(values, [30, 60])
    shown = picture(ask(desk, "picture", f"all_{low}_{high}", 0, 5))
    assert (shown[values <= low] == 0).all() and (shown[values >= high] == 255).all()
    inside = (values > low) & (values < high)
    assert np.abs(shown[inside] - 255 * (values[inside] - low) / (high - low)).max() <= 1


@pytest.mark.parametrize("changes", [{"token": "guess"}, {"project": "nothing"}, {"sample": "0" * 16}, {"axis": 3}, {"index": 9999},
                                     {"state": "7_auto"}, {"state": "all_nan_3"}, {"state": "x"}, {"state": "all_1_2_3"}])  # fmt: skip
def test_what_does_not_exist_is_not_found(desk, changes):
    response = ask(desk, "picture", **{"state": "all_auto", **changes})
    assert response.status_code == 404 and not response.body and response.headers["cache-control"] == "no-store"


def test_a_state_that_has_passed_is_gone(desk):
    project = _state.shelf().project("demo-3d")
    record = project.samples()[0]
    before = map_states(desk, project, record)
    project.annotate(record.id, [Stroke("point", [(3, 3)], radius=2, label=1, axis=0, index=3)])
    try:
        after = map_states(desk, project, record)
        assert after["painted"] != before["painted"] and after["prediction"] != before["prediction"]
        for name in ("painted", "prediction"):
            assert ask(desk, name, before[name]).status_code == 204
            assert ask(desk, name, after[name]).status_code == 200
        assert ask(desk, "novelty", after["prediction"]).status_code == 204, "a layer that nobody looks at"
    finally:
        project.undo()


def test_a_token_dies_with_its_session(desk):
    other = Desk(author="tester", project="demo-3d")
    _planes.admit(other)
    token = other.secret
    del other
    assert ask(desk, "picture", "all_auto", token=token).status_code == 404


def test_a_volume_is_looked_at_through_its_overview(desk):
    project = _state.shelf().project("demo-3d")
    assert predict(desk, project).labels.shape == tuple(-(-n // s) for n, s in zip(project.samples()[0].spatial_shape,
                                                                                  project.stride(desk.sample), strict=True))


@pytest.mark.parametrize(("text", "channel", "window"), [("all_auto", None, None), ("2_auto", 2, None), ("0_-1.5_30", 0, (-1.5, 30.0))])
def test_a_look_is_read(text, channel, window):
    assert _planes.Look.parse(text, 3) == _planes.Look(channel, window)


@pytest.mark.parametrize("text", ["", "all", "3_auto", "-1_auto", "all_1", "all_inf_2", "all_1_2_3", "all_auto_auto"])
def test_a_bad_look_is_refused(text):
    with pytest.raises(FormatError):
        _planes.Look.parse(text, 3)
