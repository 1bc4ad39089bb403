"""A hippocampus in a scan: strokes in three slices label the volume, slices in between too."""

import numpy as np

from tests.browser.task import Task


def test_a_volume_from_strokes_in_three_slices(surface, home):
    task = Task(surface, home, "hippocampus", "hippocampus_mri")
    there = np.flatnonzero((task.truth > 0).any(axis=(1, 2)))
    for share in (0.3, 0.5, 0.7):
        index = int(there[int(share * (len(there) - 1))])
        surface.page.get_by_role("slider", name="Slice across z").fill(str(index))
        surface.wait(lambda facts, index=index: facts.get("shown", "").split()[:1] == [str(index)])
        task.paint(task.strokes(index))
    ours, constant = task.scores()
    assert ours > constant
