"""The figures of the two experiments show what was computed: every step of both methods, every number of neighbours."""

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.io import from_json

from parmesan_engine.continual.toy_figures import TIMES, adaptation, bottleneck, toy_figures
from parmesan_engine.methods.toys import adaptation_toy, bottleneck_toy


def kinds(figure, kind):
    return [trace for trace in figure.data if isinstance(trace, kind)]


def test_each_method_has_a_map_of_each_step_with_the_points_so_far():
    toy = bottleneck_toy()
    figure = bottleneck(toy)
    maps, points = kinds(figure, go.Heatmap), kinds(figure, go.Scatter)
    expected = [toy[name]["maps"][step] for name in ("dkvb", "linear probe") for step in range(4)]
    assert all(np.array_equal(one.z, answers) for one, answers in zip(maps, expected, strict=True))
    assert [len(one.x) for one in points] == [sum(len(p) for p in toy["points"][: step + 1]) for step in range(4)] * 2
    said = [note.text for note in figure.layout.annotations]
    assert said[3] == f"dkvb, step 4: {toy['dkvb']['accuracy'][3].mean():.0%} of all so far" and len(said) == 8


def test_adaptation_has_a_line_for_each_number_of_gradient_steps():
    toy = adaptation_toy()
    lines = [trace for trace in kinds(adaptation(toy), go.Scatter) if trace.mode == "lines+markers"]
    assert [line.name for line in lines] == [f"{times} gradient steps" for times in TIMES]
    for line, times in zip(lines, TIMES, strict=True):
        assert line.y == pytest.approx(toy["first"][:, toy["steps"].index(times)]) and list(line.x) == list(toy["neighbours"])
    assert len({(line.line.dash, line.marker.symbol) for line in lines}) == len(lines)


def test_both_are_figures_with_a_sentence_and_computed_once():
    assert all(len(from_json(figure).data) and text.endswith(".") for text, figure in toy_figures())
    assert toy_figures() is toy_figures()
