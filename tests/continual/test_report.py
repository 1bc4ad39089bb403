"""Figures and report say what the outcome says, name every method, and need no network."""

import re
from dataclasses import replace

import numpy as np
import pytest

from parmesan_engine.continual import figures
from parmesan_engine.continual.report import report, rows, write_report
from parmesan_engine.continual.strips import strip
from tests.continual.stub import METHODS, outcome

MANY = (*METHODS, "linear:strategy=finetune", "linear:strategy=ewc", "knn:k=1", *"abcdefgh")


def named(figure):
    return {re.sub("<[^>]+>", "", note.text).split(" ", 1)[1] for note in figure.layout.annotations}


def test_a_curve_is_the_mean_over_the_steps_learned_so_far_and_over_seeds():
    run = outcome()
    lines = {trace.name: trace for trace in figures.curves(run).data}
    assert set(lines) == {figures.label(method) for method in METHODS} == named(figures.curves(run))
    for method in METHODS:
        cells = [run.matrix(method, seed) for seed in (0, 1)]
        expected = [[np.nanmean(one[step, : step + 1]) for step in range(3)] for one in cells]
        assert lines[figures.label(method)].y == pytest.approx(np.mean(expected, 0))
        assert lines[figures.label(method)].error_y.array == pytest.approx(np.std(expected, 0))


def test_the_curve_of_one_step_begins_when_it_is_learned():
    line = figures.curves(outcome(), 1).data[0]
    assert list(line.x) == [1, 2] and line.y == pytest.approx(outcome().matrix("parmesan")[1:, 1])


def test_what_was_unlearned_is_a_step_more_and_no_longer_counts():
    run = outcome(unlearned="city")
    mean, first = figures.curves(run), figures.curves(run, 0)
    last = np.mean([record.scores for record in run.of("parmesan") if record.step == 3], 0)
    assert mean.layout.xaxis.ticktext[-1] == "without city"
    assert mean.data[0].y[-1] == pytest.approx(last[1:].mean()) and first.data[0].y[-1] == pytest.approx(last[0])
    assert list(figures.curves(outcome()).layout.xaxis.ticktext) == ["city", "<country>", "depth"]


@pytest.mark.parametrize("done", [0, 1, 4, 13])
def test_figures_grow_with_the_records(done):
    run = replace(outcome(seeds=(0,), unlearned="city"), records=outcome(seeds=(0,), unlearned="city").records[:done])
    assert sum(len(trace.x) for trace in figures.curves(run).data) == done
    assert len(figures.cost(run, "bytes").data) == len(run.summary()) and figures.matrices(run).layout.height > 0


def test_no_two_lines_look_alike_and_colour_is_not_the_only_difference():
    looks = figures.styles(MANY)
    assert len({(look["color"], look["dash"], look["symbol"]) for look in looks.values()}) == len(MANY)
    assert looks["knn"]["color"] == looks["knn:k=1"]["color"] != looks["parmesan"]["color"]
    assert [method for method in MANY if looks[method]["width"] > 2] == ["parmesan"]
    of_one_kind = [looks[method] for method in MANY if method.startswith("unet")]
    assert len({look["dash"] for look in of_one_kind}) == len({look["symbol"] for look in of_one_kind}) == len(of_one_kind)
    assert figures.styles(["knn", "linear"])["knn"]["color"] == looks["knn"]["color"]  # whatever else is drawn


@pytest.mark.parametrize("values", [[0.5, 0.5, 0.5], [0.0, 0.99, 1.0], list(np.linspace(0.4, 0.5, 9))])
def test_names_stand_apart_in_order_and_stay_where_there_is_room(values):
    places = figures._apart(values, 0.05, 1.0)
    assert (np.diff(places) > 0.05 - 1e-9).all() and max(places) <= 1.0
    assert figures._apart([0.1, 0.5, 0.9], 0.05, 1.0) == [0.1, 0.5, 0.9]


def test_cost_shows_both_seconds_and_names_every_method():
    run = outcome()
    figure = figures.cost(run, "absorb_seconds")
    assert named(figure) == {figures.label(method) for method in METHODS} and figure.layout.xaxis.type == "log"
    row = run.summary()["parmesan"]
    assert figure.data[0].x == pytest.approx([row["absorb_seconds"], row["absorb_seconds_with_encoding"]])
    assert list(figure.data[0].y) == [row["average"]] * 2 and figure.data[0].marker.symbol[1].endswith("-open")


def test_steps_whose_short_names_are_the_same_have_columns_of_their_own():
    names = [f"a street at night, camera {n}" for n in range(3)]
    run = outcome()
    stream = run.stream | {"steps": [step | {"name": name} for step, name in zip(run.stream["steps"], names, strict=True)]}
    (heat, *_) = figures.matrices(replace(run, stream=stream)).data
    assert len(set(heat.x)) == len(set(heat.y)) == 3 and max(map(len, heat.x)) <= figures.LONGEST


def test_heat_maps_have_an_empty_cell_where_nothing_was_scored():
    figure = figures.matrices(outcome(), ["knn"])
    assert np.array_equal(figure.data[0].z, outcome().matrix("knn"), equal_nan=True)
    assert figure.data[0].text[0][2] == "" and figure.data[0].text[2][2] == f"{outcome().matrix('knn')[2, 2]:.2f}"


def test_rows_are_best_first_and_compare_times_with_parmesan():
    table = rows(outcome())
    assert [row["average"] for row in table] == sorted((row["average"] for row in table), reverse=True)
    ours, other = next(row for row in table if row["method"] == "parmesan"), next(row for row in table if row["method"] == "unet ewc")
    assert ours["× parmesan"] == 1 and other["× parmesan"] == pytest.approx(other["absorb, s"] / ours["absorb, s"])
    assert not any(name.startswith("×") for row in rows(outcome(METHODS[1:])) for name in row)
    assert rows(outcome(("parmesan:refit=false", "parmesan", "knn")))[1]["× parmesan refit=false"] > 1


def test_the_strip_has_a_picture_for_every_method_and_step_and_grey_where_unknown():
    run = outcome(unlearned="city")
    text = strip(run, 0)
    assert text.count("<img") == 2 + 4 * len(METHODS) and "without city" in text
    assert text.count(">after ") == 3 and "unknown" in text
    assert strip(replace(run, records=run.records[:2]), 0).count("<img") == 2 + 2


def test_values_are_shown_between_the_ends_of_the_truth():
    assert "800 mm" in strip(outcome(), 1) and "2000 mm" in strip(outcome(), 1)


def test_the_report_stands_alone_and_escapes_names(tmp_path):
    write_report(outcome(), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    own = text[text.index("<body>"):]
    assert not re.findall(r'(?:src|href)\s*=\s*"(?!data:)', own) and "<link" not in own and "@import" not in text[: text.index("<script>")]
    assert "<country>" not in re.sub("<script.*?</script>", "", own, flags=re.S) and "&lt;country&gt;" in own
    assert all(figures.label(method) in own for method in METHODS) and "ignored: 3 % of the pixels" in own
    assert "key-value bottleneck" in own and "parameter adaptation" in own


def test_a_report_of_what_has_just_begun_can_be_written():
    begun = replace(outcome(), records=outcome().records[:1])
    assert "No method has gone through all steps yet" in report(begun)
