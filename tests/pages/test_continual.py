"""The Continual page without a browser: nothing to set up, curves as they come, all views, unlearning, and what goes wrong."""

import threading
from dataclasses import replace

import pytest

from pages import _runs, _state
from pages._runs import RUNS, Run, Runs, Wanted
from parmesan_engine.continual import procedural
from parmesan_engine.errors import FormatError
from parmesan_engine.jobs import StoppedError
from parmesan_engine.methods import METHODS

QUICK = ["knn", "nearest_class_mean"]
SMALL = Wanted("domain", 1, samples=2, tests=1, per_class=5, methods=("knn",))


@pytest.fixture
def page(at):
    """The page with small signals chosen, and a fresh browser."""
    RUNS.__init__()
    _state.jobs.clear()
    at.run()
    at.switch_page("continual.py").run()
    pick(at, "Samples", 1)
    at.number_input(key="continual-1-samples").set_value(2)
    at.number_input(key="continual-1-tests").set_value(1)
    at.multiselect[0].set_value(QUICK).run()
    return at


def pick(at, name, value):
    next(group for group in at.segmented_control if group.label == name).set_value(value).run()


def press(at, label):
    next(button for button in at.button if button.label == label).click().run()
    for job in _state.jobs().active():
        job.wait(60)
    return at.run()


def only_run() -> Run:
    (run,) = RUNS._runs.values()
    return run


def test_it_needs_no_setting_up(at):
    at.run()
    at.switch_page("continual.py").run()
    assert not at.exception and not at.sidebar.children
    assert at.multiselect[0].value[0] == "parmesan" and len(at.multiselect[0].value) >= 4
    assert not next(button for button in at.button if button.label == "Run").disabled


def test_every_view_of_a_run(page):
    press(page, "Run")
    assert not page.exception and len(page.get("plotly_chart")) == 2
    run = only_run()
    assert run.whole and run.outcome.methods == QUICK and len(run.outcome.records) == 2 * 3
    pick(page, "Scored on", "in negative")
    assert not page.exception and len(page.get("plotly_chart")) == 2
    for view, element in (("Result matrices", "plotly_chart"), ("Pictures", "html"), ("Numbers", "dataframe")):
        pick(page, "Show", view)
        assert not page.exception and len(getattr(page, element, None) or page.get(element))
    assert list(page.dataframe[0].value["method"].sort_values()) == sorted(QUICK)
    assert len(page.get("download_button")) == 1


def test_a_step_is_unlearned_by_those_that_can_and_the_others_are_left_alone(page, monkeypatch):
    monkeypatch.setattr(METHODS.get("nearest_class_mean"), "forgets", "")
    press(page, "Run")
    before = only_run().outcome
    page.radio[0].set_value("in negative").run()
    press(page, "Unlearn and watch")
    run = only_run()
    assert not page.exception and run.wanted.unlearn == "in negative"
    last = {record.method: record for record in run.outcome.records if record.step == 3}
    assert set(last) == {"knn"} and all(record.name == "without in negative" for record in last.values())
    assert [r for r in run.outcome.records if r.method == QUICK[1]] == [r for r in before.records if r.method == QUICK[1]]


def test_one_method_more_is_all_that_is_learned_when_the_data_stays(page, monkeypatch):
    press(page, "Run")
    before, taught = only_run().outcome.records, []
    monkeypatch.setattr(Run, "_watch", lambda run, record: taught.append(record.method))
    page.multiselect[0].set_value([*QUICK, "hummingbird"]).run()
    press(page, "Run")
    assert set(taught) == {"hummingbird"} and only_run().outcome.records[: len(before)] == before
    page.number_input(key="continual-1-pixels").set_value(4).run()
    press(page, "Run")
    assert set(taught) == {*QUICK, "hummingbird"}


def test_curves_are_drawn_while_the_work_goes_on(page, monkeypatch):
    going, half = threading.Event(), threading.Event()
    watch = Run._watch

    def slowly(run, record):
        watch(run, record)
        if len(run.outcome.records) == 2:
            half.set()
            assert going.wait(60)

    monkeypatch.setattr(Run, "_watch", slowly)
    next(button for button in page.button if button.label == "Run").click().run()
    assert half.wait(60)
    try:
        page.run()
        assert not page.exception and len(page.get("plotly_chart")) == 1 and not page.get("download_button")
        assert any(button.label == "Cancel" for button in page.button)
    finally:
        going.set()
    (job,) = _state.jobs().active() or (_state.jobs().get(next(iter(RUNS._runs))),)
    job.wait(60)
    assert len(page.run().get("download_button")) == 1


@pytest.mark.parametrize("error", [StoppedError(), FormatError("a", "b", "c")], ids=["cancelled", "failed"])
def test_what_was_there_when_it_ended_early_stays(page, monkeypatch, error):
    watch = Run._watch

    def ends(run, record):
        watch(run, record)
        if len(run.outcome.records) == 2:
            raise error

    monkeypatch.setattr(Run, "_watch", ends)
    press(page, "Run")
    assert not page.exception and len(page.get("plotly_chart")) == 1 and not page.get("download_button")
    for view in ("Result matrices", "Pictures", "Numbers"):
        pick(page, "Show", view)
        assert not page.exception
    monkeypatch.undo()
    press(page, "Run")
    assert only_run().whole


def test_folders_that_do_not_fit_are_told_in_words(page, tmp_path):
    pick(page, "Data", "Folders of data")
    assert next(button for button in page.button if button.label == "Run").disabled
    page.text_area[0].set_value(str(tmp_path / "nowhere")).run()
    press(page, "Run")
    assert not page.exception and any("nowhere" in html.proto.body for html in page.get("html"))


def test_a_method_that_cannot_be_read_is_said_to_be_so_beside_the_others(page):
    page.multiselect[0].set_value(["oracle:x=1", "knn"]).run()
    assert not page.exception and any("oracle" in html.proto.body for html in page.get("html"))
    press(page, "Run")
    assert only_run().outcome.methods == ["knn"]


def test_numbers_beyond_all_bounds_are_refused_beside_the_others(page):
    page.multiselect[0].set_value(["dkvb:codebooks=1000000", "knn"]).run()
    assert not page.exception and any("1000000" in html.proto.body for html in page.get("html"))
    press(page, "Run")
    assert only_run().outcome.methods == ["knn"]


def test_names_of_steps_are_no_markdown(page, monkeypatch):
    name = "_a_ ![x](http://127.0.0.1/x.png)"
    monkeypatch.setattr(procedural, "DOMAINS", {name: procedural.DOMAINS["as it is"], "b": procedural.DOMAINS["in negative"]})
    press(page, "Run")
    pick(page, "Show", "Pictures")
    groups = [option for group in page.segmented_control for option in group.options] + list(page.radio[0].options)
    assert not page.exception and not any("![" in option or option.startswith("_a_") for option in groups)
    assert sum("\\!" in option for option in groups) == 2


def test_seeds_are_joined_and_methods_with_a_budget_get_the_bytes_of_parmesan():
    run = Run(replace(SMALL, seeds=2, equal=True, methods=("knn", "parmesan")))
    job = _state.jobs().start("seeds", run.work).wait(60)
    assert job.error is None and run.whole and run.outcome.run["seeds"] == [0, 1] and run.outcome.methods[0] == "parmesan"
    kept = {r.seed: r.bytes for r in run.outcome.of("parmesan") if r.step == 2}
    assert run.outcome.run["budget"]["bytes"] == {str(seed): count for seed, count in kept.items()}


def test_all_that_is_offered_can_be_built_and_what_is_fast_is_offered():
    texts = _runs.offered()
    assert texts[0] == "parmesan" and set(_runs.fast()) <= set(texts) and len(set(texts)) == len(texts)
    for text in texts:
        assert METHODS.text(METHODS.parse(text)) == text and METHODS.build(METHODS.parse(text))


def test_runs_of_a_few_browsers_are_remembered():
    runs = Runs()
    for number in range(_runs.KEPT + 2):
        runs.begin(f"browser {number}", SMALL)
    assert runs.get("browser 0") is None and runs.get(f"browser {_runs.KEPT + 1}").wanted == SMALL
