"""The Memory page without a browser."""

import threading

import numpy as np
import pytest

from pages import _explorer, _figures, _ledger, _sources, _state
from pages._desk import predict
from pages._maps import map_states
from parmesan_engine import render
from parmesan_engine.gestures import Stroke
from parmesan_engine.project import Project, searching
from parmesan_engine.project.mapping import map_entries
from parmesan_engine.project.sources import switch
from parmesan_engine.search import ApproximateIndex, approximate
from parmesan_engine.types import Prediction, Sample, TaskSpec


@pytest.fixture
def memory_page(page):
    return page.switch_page("memory.py").run()


def texts(at):
    return " ".join(element.proto.body for element in at.get("html"))


def press(at, label):
    return next(button for button in at.button if button.label == label).click().run()


def test_it_shows_numbers_tables_and_pictures(memory_page, picture):
    assert not memory_page.exception
    numbers = {metric.label: metric.value for metric in memory_page.metric}
    assert numbers["Examples"] == str(len(picture[1])) and numbers["Strokes"] == "2" and numbers["Version"] == picture[1].version[:8]
    assert texts(memory_page).count("<img") == min(len(picture[1].memory.select(gesture="first-1")), _ledger.GALLERY)


@pytest.mark.parametrize("group", _ledger.GROUPS)
def test_groups_add_up_and_give_what_forget_needs(picture, group):
    overview = picture[1].memory.columns()
    rows = _ledger.rows_of(overview, group, picture[1])
    assert sum(row.count for row in rows) == len(picture[1])
    for row in rows:
        arguments = _ledger.forget_arguments(overview, group, row)
        ids = arguments["ids"] if "ids" in arguments else picture[1].memory.select(**arguments)
        assert len(ids) == row.count


def test_remove_can_be_undone(memory_page, picture):
    before, size = picture[1].version, len(picture[1])
    press(memory_page, "Remove")
    assert not memory_page.exception and len(picture[1]) < size
    assert "Undo brings them back" in texts(memory_page)
    press(memory_page, "Undo")
    assert picture[1].version == before


def test_unlearn_asks_first_and_shows_the_receipt(memory_page, picture):
    size = len(picture[1])
    press(memory_page, "Unlearn…")
    assert len(picture[1]) == size
    press(memory_page, "Unlearn")
    assert not memory_page.exception and len(picture[1]) < size
    assert "Nothing of them is left" in texts(memory_page) and "Digest of what went" in texts(memory_page)
    press(memory_page, "Undo")
    assert not memory_page.exception
    assert 'role="alert"' in texts(memory_page)


def test_sizes_are_for_people():
    assert [_ledger.size(n) for n in (12, 1500, 2_500_000, 3e9)] == ["12 bytes", "1.5 kB", "2.5 MB", "3.0 GB"]


@pytest.mark.parametrize("labels", [["Remove"], ["Unlearn…", "Unlearn"]], ids=["remove", "unlearn"])
def test_a_button_takes_what_was_shown_though_others_painted_since(memory_page, picture, labels):
    """Regression: the buttons acted on the newest stroke of the moment when they were pressed."""
    project = picture[1]
    stroke = Stroke("brush", ((3, 3), (9, 3)), radius=1, label=0)
    project.annotate(project.samples()[0].id, [stroke], gesture_id="another", author="bob")
    for label in labels:
        press(memory_page, label)
    assert len(project.memory.select(gesture="another")) and not len(project.memory.select(gesture="first-1"))


@pytest.mark.parametrize("group", _ledger.GROUPS)
def test_what_a_button_takes_does_not_grow_after_it_was_drawn(picture, group):
    project = picture[1]
    overview = project.memory.columns()
    row = _ledger.rows_of(overview, group, project)[0]
    shown = _ledger.shown_ids(project, overview, group, row, purge=False)
    assert len(shown) == row.count
    stroke = Stroke("brush", ((3, 3), (9, 3)), radius=1, label=0)
    later = project.annotate(project.samples()[0].id, [stroke], gesture_id="later").delta.added
    project.forget(ids=shown, purge=False)
    assert project.memory.is_stored(later).all()


def section(at, name):
    at.segmented_control(key="section").set_value(name).run()
    assert not at.exception and 'role="alert"' not in texts(at), texts(at)
    return at


def switch_of(at, label):
    return next(toggle for toggle in at.toggle if toggle.label == label)


def test_a_source_is_switched_off_and_on_with_the_prediction_beside_it(memory_page, picture):
    project, before = picture[1], picture[1].version
    project.annotate(picture[2], [Stroke("brush", [(10, 25), (30, 25)], radius=2, label=1)], author="bob", source="bobs")
    both = project.version
    section(memory_page, "Sources")
    assert [toggle.label for toggle in memory_page.toggle] == ["bobs", "strokes"] and 'class="effect"' in texts(memory_page)
    switch_of(memory_page, "bobs").set_value(False).run()
    assert {origin.source for origin in project.memory.provenance(project.memory.ids)} == {"strokes"}
    assert project.version not in (before, both) and not switch_of(memory_page, "bobs").value
    switch_of(memory_page, "strokes").set_value(False).run()
    assert "nothing is predicted" in " ".join(caption.value for caption in memory_page.caption)
    switch_of(memory_page, "strokes").set_value(True).run()
    switch_of(memory_page, "bobs").set_value(True).run()
    assert project.version == both


def test_a_switch_that_has_left_the_page_switches_nothing(memory_page, picture):
    """Regression: Streamlit calls back a switch that is gone, with the value it had."""
    section(memory_page, "Sources")
    count = len(picture[1].history())
    for name in ("Map", "Versions", "Examples", "Sources", "Receipts"):
        section(memory_page, name)
    assert len(picture[1].history()) == count


@pytest.mark.parametrize("by", _figures.COLORINGS)
def test_the_map_has_each_example_once_in_its_colour(picture, by):
    project = picture[1]
    found, overview = map_entries(project), project.memory.columns()
    groups = _figures.groups_of(project, overview, by)
    assert (np.sum([group.mask for group in groups], axis=0) == 1).all() and len({group.color for group in groups}) == len(groups)
    none = np.zeros(len(found.ids), bool)
    figure = _figures.entry_chart(project, found, overview, by, none, none, dark=False)
    assert sorted(i for trace in figure.data for i in trace.customdata) == found.ids.tolist()


def test_points_show_their_pictures_and_rows_ring_their_stroke(memory_page, picture):
    project = picture[1]
    section(memory_page, "Map")
    ids = project.memory.select(gesture="first-1")
    press(memory_page, f"bright ({len(ids)})")
    assert f"<b>{len(ids)} chosen</b>" in texts(memory_page) and len(memory_page.dataframe[0].value) == min(len(ids), _explorer.PICTURES)
    assert set(memory_page.dataframe[0].value["Label"]) == {"bright"}
    press(memory_page, "Remove")
    assert not memory_page.exception and not len(project.memory.select(gesture="first-1"))


def test_many_strokes_share_the_colour_of_the_others(picture):
    project = picture[1]
    for n in range(12):
        project.annotate(picture[2], [Stroke("point", [(2 + 3 * n, 2)], label=0)], gesture_id=f"dot-{n}")
    groups = _figures.groups_of(project, project.memory.columns(), "Stroke")
    assert len(groups) == _figures.MOST_GROUPS + 1 and groups[-1].name.endswith("others") and groups[-1].mask.sum() > 1


@pytest.mark.parametrize(("event", "ids"), [
    (None, []), ({"selection": {"points": []}}, []),
    ({"selection": {"points": [{"customdata": 7}, {"customdata": [3]}, {"customdata": 7}, {}]}}, [3, 7]),
    ({"selection": {"points": [{"customdata": "x"}, {"customdata": [1.5]}, {"customdata": None}]}}, [])])
def test_a_selection_from_the_browser_is_checked(event, ids):
    assert _explorer.entry_ids(event) == ids


def test_a_version_is_labelled_restored_and_made_a_project(memory_page, picture):
    name, project, _ = picture
    first, last = project.history()[-2:]
    section(memory_page, "Versions")
    memory_page.session_state["version-chosen"] = (name, first.seq)
    memory_page.run()
    next(box for box in memory_page.text_input if box.label == "Label").set_value("first draft")
    press(memory_page, "Save")
    assert [record.note for record in project.history()][-2:] == ["first draft", ""]
    press(memory_page, "Restore")
    assert project.version == first.version
    press(memory_page, "Undo")
    assert project.version == last.version
    press(memory_page, "Make the project")
    branched = _state.shelf().project(f"{name}-{first.version[:6]}")
    assert not memory_page.exception and branched.version == first.version and branched.history()[-1].note == "first draft"
    assert memory_page.session_state["desk"].project == branched.path.name


def test_another_project_is_merged_beside_the_page(memory_page, picture):
    name, project, sample = picture
    other = _state.shelf().branch(name, project.version, f"{name}-other")
    added = _state.shelf().project(other).annotate(sample, [Stroke("brush", [(30, 25), (40, 25)], radius=2, label=0)], author="bob")
    section(memory_page, "Versions")
    memory_page.selectbox(key="merge-other").set_value(other).run()
    press(memory_page, "Merge")
    _state.jobs().get(f"merge {name}").wait(60)
    memory_page.run()
    assert f"Merged {added.entries_added} examples" in memory_page.success[0].value
    assert project.version == _state.shelf().project(other).version and project.history()[-1].verb == "merge"


def test_receipts_are_listed(memory_page, picture):
    section(memory_page, "Receipts")
    assert "Nothing has been unlearned" in " ".join(caption.value for caption in memory_page.caption)
    picture[1].forget(gesture="first-1", by="ann")
    memory_page.run()
    assert list(memory_page.dataframe[0].value["By"]) == ["ann"] and "Digest of what went" in texts(memory_page)


@pytest.mark.parametrize(("shape", "kind"), [((400,), "segmentation"), ((8, 20, 24), "segmentation"), ((20, 24), "regression")])
def test_the_effect_is_drawn_for_every_kind_of_sample(shape, kind):
    """A volume by the one slice that is looked at."""
    task = TaskSpec(kind, ("a", "b"), ((10, 20, 200), (200, 20, 10))) if kind == "segmentation" else TaskSpec(kind, unit="m")
    one = Sample(np.linspace(0, 255, int(np.prod(shape))).astype(np.uint8).reshape(1, *shape), "ramp")
    at = shape[1:] if len(shape) == 3 else shape
    labels, values = (np.zeros(shape, np.int16), None) if kind == "segmentation" else (None, np.zeros(shape, np.float32))
    depth = 5 if len(shape) == 3 else None
    if depth:
        labels = labels[:1]
    blank = np.zeros(shape, np.float32)
    answer = Prediction(task, labels, None, values, blank, blank, "v", "m", {}, 1, 0.0)
    drawn = _sources.overlay(one, answer, depth)
    assert drawn.dtype == np.uint8 and drawn.shape == ((*at, 3) if len(shape) > 1 else (_sources.SIGNAL_HEIGHT, 400, 3))
    plain = render.to_rgb(one, 0, depth, height=_sources.SIGNAL_HEIGHT).astype(int)
    assert (drawn.astype(int) != plain).any() and np.abs(drawn - plain).max() <= 128


def test_values_are_coloured_by_their_size(tmp_path):
    with Project.create(tmp_path / "p", name="depth", task=TaskSpec("regression", unit="m")) as project:
        array = np.random.default_rng(0).integers(0, 255, (1, 24, 24)).astype(np.uint8)
        sample = project.add_sample(Sample(array, "one"))
        for y, value in ((3, 2.5), (20, 7)):
            project.annotate(sample.id, [Stroke("brush", [(3, y), (20, y)], radius=1, value=value)])
        found, overview = map_entries(project), project.memory.columns()
        none = np.zeros(len(found.ids), bool)
        figure = _figures.entry_chart(project, found, overview, "Class", ~none, none, dark=True)
        assert len(figure.data) == 1 and sorted(set(figure.data[0].marker.color)) == [2.5, 7]
        assert len(_figures.groups_of(project, overview, "Class")) == 1


def test_switching_on_says_what_was_painted_over_the_source_meanwhile(memory_page, picture):
    name, project, sample = picture
    switch(project, "strokes", False)
    project.annotate(sample, [Stroke("brush", [(10.5, 8), (10.5, 20)], radius=2, label=1)], source="other")
    for on, toasts in ((True, 1), (False, 0)):
        memory_page.session_state["asked"] = ("switch", name, ("strokes", on))
        memory_page.run()
        assert not memory_page.exception and len(memory_page.toast) == toasts


def test_a_budget_is_measured_beside_the_page_and_kept_to_on_request(memory_page, picture):
    name, project, _ = picture
    before, count = project.version, len(project)
    section(memory_page, "Size")
    assert "single precision" in memory_page.caption[0].value
    memory_page.number_input(key=f"budget-{name}").set_value(10).run()
    press(memory_page, "Measure the cost")
    _state.jobs().get(f"budget {name}").wait(60)
    memory_page.run()
    table = memory_page.dataframe[0].value.set_index("")
    assert list(table.loc["Examples"]) == [str(count), "10"] and {"mean IoU", "accuracy"} <= set(table.index)
    assert list(memory_page.dataframe[1].value["Examples of each class"]) == ["dark", "bright"]
    assert not any("equal share" in caption.value for caption in memory_page.caption)
    assert project.version == before
    press(memory_page, "Keep these 10")
    assert not memory_page.exception and len(project) == 10 and "undo brings them back" in memory_page.toast[0].value
    assert not memory_page.dataframe  # what was measured is done with
    section(memory_page, "Examples")
    press(memory_page, "Undo")
    assert project.version == before and len(project) == count


def test_fewer_examples_than_asked_for_are_explained(memory_page, picture):
    section(memory_page, "Size")
    memory_page.number_input(key=f"budget-{picture[0]}").set_value(11).run()
    press(memory_page, "Measure the cost")
    _state.jobs().get(f"budget {picture[0]}").wait(60)
    memory_page.run()
    assert any("equal share" in caption.value and "11 examples that makes 10" in caption.value for caption in memory_page.caption)


def test_a_measurement_of_another_version_cannot_be_carried_out(memory_page, picture):
    name, project, sample = picture
    section(memory_page, "Size")
    press(memory_page, "Measure the cost")
    _state.jobs().get(f"budget {name}").wait(60)
    project.annotate(sample, [Stroke("brush", [(3, 3), (9, 3)], radius=1, label=0)])
    memory_page.run()
    assert "Measure again" in " ".join(caption.value for caption in memory_page.caption)
    assert not [button for button in memory_page.button if button.label.startswith("Keep these")]


def test_how_to_search_is_chosen_and_what_was_measured_is_said(memory_page, picture, monkeypatch):
    name, project, _ = picture
    monkeypatch.setitem(ApproximateIndex.__init__.__kwdefaults__, "exact_below", 10)
    captions = lambda: " ".join(caption.value for caption in memory_page.caption)  # noqa: E731
    section(memory_page, "Size")
    assert "Finds every nearest example" in captions()
    memory_page.button_group(key=f"search-{name}").set_value("approximate").run()
    assert "In use: Exact" in captions() and "Approximate would find" in captions()
    assert searching.state(project)["index"] == "exact", "nothing happens before it is asked for"
    press(memory_page, "Use it")
    assert not memory_page.exception and searching.state(project)["index"] == "approximate"
    _state.jobs().get(f"index {name}").wait(60)
    memory_page.run()
    assert f"Finds {searching.state(project)['recall']:.1%} of the nearest examples" in captions() and "bytes per example" in captions()


def test_an_index_whose_making_was_cancelled_can_be_made_later(memory_page, picture, monkeypatch):
    name, project, _ = picture
    started, go, real = threading.Event(), threading.Event(), approximate.Cells

    def slow(*arguments, **settings):
        started.set()
        assert go.wait(60)
        return real(*arguments, **settings)

    monkeypatch.setitem(ApproximateIndex.__init__.__kwdefaults__, "exact_below", 10)
    monkeypatch.setattr(approximate, "Cells", slow)
    captions = lambda: " ".join(caption.value for caption in memory_page.caption)  # noqa: E731
    section(memory_page, "Size")
    memory_page.button_group(key=f"search-{name}").set_value("approximate").run()
    press(memory_page, "Use it")
    assert started.wait(20)
    memory_page.run()
    assert "In use: Exact among keys rounded to 16 bits. The approximate index is being made." in captions()
    press(memory_page, "Cancel")
    go.set()
    _state.jobs().get(f"index {name}").wait(60)
    memory_page.run()
    assert searching.state(project)["exact"] and "Cancelled" in captions()
    press(memory_page, "Make it now")
    _state.jobs().get(f"index {name}").wait(60)
    memory_page.run()
    assert "In use: Approximate. Finds" in captions() and not searching.state(project)["exact"]


def test_what_was_found_in_one_way_is_not_shown_for_another(page, picture):
    """Regression: the picture on the Annotate page stayed that of the search before, and so did what is said of it."""
    _, project, sample = picture
    desk, record = page.session_state["desk"], next(record for record in project.samples() if record.id == sample)
    exact, states = predict(desk, project), map_states(desk, project, record)
    searching.choose(project, "hierarchical")
    assert any("hierarchical" in note for note in predict(desk, project).fallbacks) and not exact.fallbacks
    assert map_states(desk, project, record)["prediction"] != states["prediction"]
    searching.choose(project, "exact")
    assert not predict(desk, project).fallbacks
