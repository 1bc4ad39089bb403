"""The cache of features changes nothing but the time: bit-identical from disk, whole or absent, bounded, gone when forgotten."""

import threading

import pytest
import torch

from parmesan_engine.errors import UnknownNameError
from parmesan_engine.project import Project
from parmesan_engine.project.features import FeatureCache
from tests.project.painter import picture, teach


class Counting:
    """An encoder that counts what it is asked for."""

    def __init__(self, encoder):
        self.inner, self.calls, self.device = encoder, 0, "cpu"
        self.gate = threading.Event()
        self.gate.set()

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def encode(self, *args, **keywords):
        self.calls += 1
        self.gate.wait(20)
        return self.inner.encode(*args, **keywords)


@pytest.fixture
def project(fresh):
    return fresh


def cache(project, **bounds):
    made = FeatureCache(project.path / "cache", project.encoder, project.store, 1, **bounds)
    made.encoder = Counting(project.encoder)
    return made


def test_features_from_disk_are_the_same_bit_for_bit_and_not_encoded_again(project):
    first, second = cache(project), cache(project)
    fresh, stored = first.get(project.first), second.get(project.first)
    assert (first.encoder.calls, second.encoder.calls) == (1, 0) and second.ready(project.first)
    assert fresh.spatial_shape == stored.spatial_shape and fresh.groups == stored.groups
    for a, b in zip(fresh.levels, stored.levels, strict=True):
        assert torch.equal(a.keys, b.keys) and (a.grid, a.stride) == (b.grid, b.stride)


@pytest.mark.parametrize("damage", ["flip", "truncate", "note"])
def test_damaged_features_are_made_again(project, damage, caplog):
    good = cache(project).get(project.first)
    (place,) = (project.path / "cache").glob(f"{project.first}-*")
    file = place / ("level.json" if damage == "note" else "level0.npy")
    data = bytearray(file.read_bytes())
    if damage == "flip":
        data[-5] ^= 255
    file.write_bytes(data[: len(data) // 2] if damage == "truncate" else b"{" if damage == "note" else data)
    again = cache(project)
    assert torch.equal(again.get(project.first).levels[0].keys, good.levels[0].keys)
    assert again.encoder.calls == 1 and "damaged" in caplog.text
    assert cache(project).get(project.first) and not list((project.path / "cache").glob("part-*"))


def test_another_recipe_does_not_see_these_features(project):
    cache(project).get(project.first)
    other = FeatureCache(project.path / "cache", type(project.encoder)(scales=(1.0, 2.0)), project.store, 1)
    assert not other.ready(project.first)


def test_the_disk_stays_within_its_bound_and_the_least_used_goes(project):
    size = sum(level.keys.nbytes for level in cache(project).get(project.first).levels)
    small = cache(project, disk=int(2.5 * size), ram=1)
    third = project.add_sample(picture(3)).id
    small.get(project.second)
    small.get(project.first)  # used again: the second is now the oldest
    small.get(third)
    fresh = cache(project)
    assert (fresh.ready(project.first), fresh.ready(project.second), fresh.ready(third)) == (True, False, True)


def test_two_threads_encode_once(project):
    shared = cache(project)
    shared.encoder.gate.clear()
    got = []
    threads = [threading.Thread(target=lambda: got.append(shared.get(project.first))) for _ in range(2)]
    for thread in threads:
        thread.start()
    shared.encoder.gate.set()
    for thread in threads:
        thread.join()
    assert shared.encoder.calls == 1 and got[0] is got[1]


@pytest.mark.parametrize("removed", [True, False])
def test_what_is_forgotten_while_it_is_encoded_is_not_kept(project, removed):
    teach(project, project.first)
    project.features.drop(project.first)
    own = project.features.encoder = Counting(project.encoder)
    own.gate.clear()
    thread = threading.Thread(target=project.features.get, args=(project.first,))
    thread.start()
    while not own.calls:
        thread.join(0.01)
    if removed:
        project.remove_sample(project.first)  # would hang if it waited for the encoding
    else:
        project.forget(gesture=f"{project.first}-blob")
    own.gate.set()
    thread.join()
    assert not project.features.ready(project.first) and not list((project.path / "cache").glob("*"))
    if not removed:
        project.features.get(project.first)
        assert project.features.ready(project.first), "the next look keeps them again"


def test_what_another_process_removes_while_it_is_encoded_is_not_kept_on_disk(project):
    own = cache(project)  # does not hear of the removal
    own.encoder.gate.clear()
    thread = threading.Thread(target=own.get, args=(project.first,))
    thread.start()
    while not own.encoder.calls:
        thread.join(0.01)
    project.remove_sample(project.first)
    own.encoder.gate.set()
    thread.join()
    assert not list((project.path / "cache").glob("*"))


def test_a_cancelled_encoding_leaves_nothing(project):
    class StopError(Exception):
        pass

    def stop(fraction):
        raise StopError

    own = cache(project)
    with pytest.raises(StopError):
        own.get(project.first, stop)
    assert not own.ready(project.first) and not list((project.path / "cache").glob("*"))
    with pytest.raises(UnknownNameError):
        own.get("0" * 16)


def test_forgetting_for_good_and_removing_a_sample_leave_no_features_on_disk(project):
    teach(project, project.first)
    assert list((project.path / "cache").glob(f"{project.first}-*"))
    project.forget(sample=project.first, purge=False)
    assert list((project.path / "cache").glob("*")), "what can be undone keeps its features"
    project.undo()
    project.forget(sample=project.first)
    assert not list((project.path / "cache").glob("*"))
    project.features.get(project.second)
    project.remove_sample(project.second)
    assert not list((project.path / "cache").glob(f"{project.second}-*"))


def test_a_reopened_project_predicts_the_same_without_encoding(project, tmp_path):
    teach(project, project.first)
    before = project.predict(project.first)
    with Project.open(project.path) as again:
        again.features.encoder = Counting(again.encoder)
        after = again.predict(project.first)
        assert again.features.encoder.calls == 0
    assert (before.probabilities == after.probabilities).all()

