"""Questions about a project: the answer about a removal equals the removal, refit included, and asking changes nothing."""

import numpy as np
import pytest

from parmesan_engine import insight
from parmesan_engine.errors import EmptyMemoryError, FormatError, UnknownNameError
from parmesan_engine.project import asking
from parmesan_engine.project.sources import switch
from tests.helpers import same
from tests.project.painter import line


def changes_of(project, ids):
    """Return what a real removal changes in each sample, node by node; the project is as before afterwards."""
    before = {record.id: project.overview(record.id) for record in project.samples()}
    project.forget(ids=ids, purge=False)
    after = {sample: project.overview(sample) if len(project) else None for sample in before}
    project.undo()
    return {sample: insight.difference(before[sample], after[sample]) for sample in before}


def assert_same_changes(found, expected):
    assert {one.sample_id for one in found.samples} == set(expected)
    for one in found.samples:
        wanted = expected[one.sample_id]
        assert one.difference.moves == wanted.moves and one.difference.changed == wanted.changed
        assert np.array_equal(one.difference.map, wanted.map)


@pytest.mark.parametrize("refit", [True, False])
def test_what_a_removal_would_change_is_what_it_changes(project, refit):
    project.refit()  # it has seen all that is there: removing any of it fits anew
    if not refit:
        project.annotate(project.first, [line(30, 2, 12, 2)], gesture_id="late")  # the fit has not seen this one
    ids = asking.choose(project, gesture="late" if not refit else f"{project.first}-blob")
    version, told = project.version, []
    found = asking.reach(project, ids, progress=told.append)
    assert (project.version, found.version, found.entries) == (version, version, len(ids))
    assert told == sorted(told) and told[-1] == 1 and found.refitted == refit
    assert_same_changes(found, changes_of(project, ids))
    shares = [one.difference.changed for one in found.samples]
    assert shares == sorted(shares, reverse=True) and shares[0] > 0


def test_what_was_painted_over_is_counted_and_comes_back(project):
    project.refit()
    project.annotate(project.first, [line(4, 3, 30, 2)], gesture_id="over")
    ids = asking.choose(project, gesture="over")
    found = asking.reach(project, ids)
    assert found.returning > 0
    assert_same_changes(found, changes_of(project, ids))


def test_without_everything_all_becomes_unknown(project):
    known = {sample: int((project.overview(sample).labels >= 0).sum()) for sample in (project.first, project.second)}
    found = asking.reach(project, project.memory.ids)
    assert all(one.difference.changed == known[one.sample_id] > 0 for one in found.samples)
    assert all(one.share == pytest.approx(1, abs=1e-5) for one in found.samples)
    assert all(one.decided == 1 for one in found.samples)


def test_examples_are_chosen_by_exact_names(project):
    assert len(asking.choose(project, source="strokes")) == len(project)
    one = project.memory.ids[:1]
    assert np.array_equal(asking.choose(project, ids=one), one)
    with pytest.raises(UnknownNameError):
        asking.choose(project, source="stroke")
    with pytest.raises(FormatError):
        asking.choose(project)


def test_progress_may_cancel(project):
    def cancel(_):
        raise KeyboardInterrupt

    for ask in (asking.next_places, asking.audit, lambda p, progress: asking.reach(p, p.memory.ids, progress=progress)):
        with pytest.raises(KeyboardInterrupt):
            ask(project, progress=cancel)


def test_next_places_are_spread_over_samples_and_skip_what_was_passed(project):
    found = asking.next_places(project, count=4)
    assert len(found) == 4 and {one.sample_id for one in found} == {project.first, project.second}
    assert found[0].worth == max(one.worth for one in found)
    painted = project.painted(found[0].sample_id)
    assert painted[found[0].at] == -1
    again = asking.next_places(project, count=4, passed={found[0].sample_id: [found[0].at]})
    assert (found[0].sample_id, found[0].at) not in {(one.sample_id, one.at) for one in again}
    (only,) = asking.next_places(project, count=1, samples=[project.second])
    assert only.sample_id == project.second


def test_a_stroke_of_the_wrong_class_is_found(project):
    for y in (8, 28, 36):
        project.annotate(project.first, [line(y, 3, 30 if y == 8 else 10, 0)], gesture_id=f"ground-{y}")
    project.annotate(project.first, [line(32, 3, 10, 1)], gesture_id="wrong")  # ground, called blob
    found = asking.audit(project)
    assert found.strokes[0].gesture == "wrong" and found.strokes[0].label == 1 and found.strokes[0].says == 0
    assert found.version == project.version and found.entries == len(project)


def test_the_reach_map_is_a_share_of_every_place(project):
    parts = [asking.reach_map(project, project.second, asking.choose(project, gesture=f"{project.first}-{name}"))
             for name in ("ground", "blob", "edge")]
    assert parts[0].shape == (48, 44) and np.allclose(sum(parts), 1, atol=1e-4)
    box = ((3, 9), (10, 30))
    some = asking.reach_map(project, project.second, project.memory.ids, box=box)
    assert some.shape == (6, 20) and np.allclose(some, 1, atol=1e-4)


def test_the_last_change_is_between_the_last_two_versions(project):
    before = project.version
    project.annotate(project.first, [line(30, 2, 40, 2, radius=3)], gesture_id="new")
    found = asking.last_change(project, project.first)
    old, new = project.predict(project.first, version=before), project.predict(project.first)
    assert old.metric == new.metric
    assert np.array_equal(found.map, insight.difference(old, new).map) and found.changed > 0
    box = ((20, 40), (0, 44))
    assert np.array_equal(asking.last_change(project, project.first, box=box).map, found.map[20:40])
    first = next(record for record in project.history() if record.entries)
    known = (project.predict(project.first, version=first.version).labels >= 0).sum()
    assert asking.last_change(project, project.first, seq=first.seq).changed == known > 0  # from nothing
    with pytest.raises(EmptyMemoryError):
        asking.last_change(project, project.first, seq=project.history()[0].seq)


def test_the_last_change_from_or_to_a_version_with_all_sources_off(project):
    on = project.predict(project.first)
    switch(project, "strokes", False)
    off = asking.last_change(project, project.first)
    switch(project, "strokes", True)
    back = asking.last_change(project, project.first)
    assert off.changed == back.changed == (on.labels >= 0).sum() > 0


def test_the_past_imagined_from_a_held_sample_equals_the_past_made_anew(project, monkeypatch):
    versions = [record.version for record in project.history() if record.entries]
    project.annotate(project.first, [line(4, 3, 30, 2)], gesture_id="over")
    project.predict(project.first)
    for version in versions:
        held = project.predict(project.first, version=version)
        assert same(held, project.snapshot(version).predict(project.first))
    monkeypatch.setattr(project.live, "_new", lambda *_: pytest.fail("a whole new predictor"))
    for version in (*versions[::-1], *versions):  # from one to the next, also of a sample that is not held
        for sample_id in (project.first, project.second):
            assert same(project.predict(sample_id, version=version), project.snapshot(version).predict(sample_id))
    other = project.predict(project.second, version=versions[0])
    assert same(other, project.snapshot(versions[0]).predict(project.second))
