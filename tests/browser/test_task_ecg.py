"""An electrocardiogram: waves from a few intervals of the record."""

from tests.browser.task import Task


def test_waves_from_a_few_intervals(surface, home):
    task = Task(surface, home, "ecg", "ludb_ecg")
    assert surface.facts()["dims"] == "1"
    task.paint(task.strokes())
    ours, constant = task.scores()
    assert ours > constant + 0.1
