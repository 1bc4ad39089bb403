"""Streams: what is labelled, what is held back, how several datasets become one task, and that a seed decides all of it."""

import json

import numpy as np
import pytest
from PIL import Image

from parmesan_engine.continual.describing import describe, digest
from parmesan_engine.continual.grouping import grouped, split_groups, united
from parmesan_engine.continual.procedural import DOMAINS, procedural
from parmesan_engine.continual.reading import cut, read_pairs, shrunk
from parmesan_engine.continual.steps import KINDS, class_steps_of, mixed, one_step
from parmesan_engine.continual.streams import class_steps, domain_steps, task_steps
from parmesan_engine.errors import EmptyMemoryError, FormatError, LimitError, ShapeError, UnknownNameError
from parmesan_engine.io import open_dataset
from parmesan_engine.types import Sample, TaskSpec
from tests.helpers import TASK, make_dataset, sample, truth


def written(folder, names, classes, *, dims=2, split="train"):
    """Add samples of the given names to a dataset folder whose classes have these names."""
    make_dataset(folder, dims, train=0, test=0)
    about = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(about | {"name": folder.name, "classes": classes}))
    for seed, name in enumerate(names):
        Image.fromarray(sample(2, seed).array[0]).save(folder / split / "images" / f"{name}.png")
        Image.fromarray(truth(2, seed).astype(np.uint8)).save(folder / split / "labels" / f"{name}.png")
    return folder


def learned_and_held(stream):
    learned = {s.content_hash for step in stream.steps for s in step.samples}
    return learned, {s.content_hash for step in stream.steps for s, _ in step.tests}


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)*$", "a*a*a*$", 30 * "(a|a)" + "$"])
def test_a_pattern_that_would_search_for_ever_is_refused(pattern):
    with pytest.raises(LimitError, match="a pattern"):
        grouped([100 * "a" + "!"], pattern)
    assert list(grouped(["rec005_V2"], r"^(?P<who>\D+\d{3})_")) == ["rec005"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_procedural_streams_follow_from_the_seed_and_hold_back_what_they_score(kind, dims):
    stream = procedural(kind, dims, samples=3, tests=2, per_class=4, seed=1)
    assert digest(stream) == digest(procedural(kind, dims, samples=3, tests=2, per_class=4, seed=1))
    assert digest(stream) != digest(procedural(kind, dims, samples=3, tests=2, per_class=4, seed=2))
    learned, held = learned_and_held(stream)
    assert not learned & held and len(stream.steps) >= 2
    for step in stream.steps:
        for one, labels in (*zip(step.samples, step.labels, strict=True), *step.tests):
            assert one.spatial_dims == dims and labels.shape == one.spatial_shape
            assert labels.dtype == (np.float32 if step.experience.task.kind == "regression" else np.int16)
    json.dumps(describe(stream), allow_nan=False)


def test_procedural_domains_show_the_same_labels_in_another_way():
    stream = procedural("domain", 2, samples=2, tests=1)
    assert [step.experience.name for step in stream.steps] == list(DOMAINS)
    first, second, third = (step.tests[0] for step in stream.steps)
    assert np.array_equal(first[1], second[1]) and np.array_equal(first[1], third[1])
    total = first[0].array.astype(int) + second[0].array
    assert total.min() == total.max()  # a negative
    assert third[0].array.dtype == np.uint8 and not np.array_equal(third[0].array, first[0].array)


def test_procedural_refuses_what_it_does_not_have():
    with pytest.raises(UnknownNameError, match="domain, class, task"):
        procedural("weather")
    with pytest.raises(ShapeError):
        procedural("domain", 4)
    for wrong in ({"samples": None}, {"tests": None}, {"samples": 0}):
        with pytest.raises(FormatError, match="no end"):
            procedural(**wrong)


def test_a_class_step_labels_its_classes_alone_and_keeps_the_whole_truth_of_tests():
    pairs, tests = [[(sample(2, s), truth(2, s)) for s in seeds] for seeds in ((0, 1), (100,))]
    steps = class_steps_of(TASK, pairs, tests, 2, 4, 0)
    assert [(step.experience.name, step.experience.classes) for step in steps] == [("ground, blob", (0, 1)), ("line", (2,))]
    for step in steps:
        for labels, (_, known) in zip(step.labels, pairs, strict=True):
            told = labels[labels >= 0]
            assert sorted(np.unique(told, return_counts=True)[1].tolist()) == [4] * len(step.experience.classes)
            assert np.array_equal(told, known[labels >= 0]) and set(told) == set(step.experience.classes)
        assert np.array_equal(step.tests[0][1], truth(2, 100))
    whole = class_steps_of(TASK, pairs, tests, 2, None, 0)[1]
    assert whole.whole and np.array_equal(whole.labels[0] == 2, truth(2, 0) == 2) and (whole.labels[0] < 0).any()


def test_a_step_without_anything_to_learn_or_to_score_is_refused():
    bare = [(sample(2, 0), np.zeros((24, 20), np.int16))]
    full = [(sample(2, 1), truth(2, 1))]
    for pairs, tests in ((bare, full), (full, bare)):
        with pytest.raises(EmptyMemoryError, match="step blob"):
            class_steps_of(TASK, pairs, tests, 1, 4, 0)


def test_mixed_steps_keep_their_size_and_learn_nothing_that_is_held_back():
    parts = [[(sample(2, s), truth(2, s)) for s in range(first, first + 4)] for first in (0, 10, 20)]
    steps = [one_step(str(i), TASK, part, [(sample(2, 100 + i), truth(2, 100 + i))], 4, 0) for i, part in enumerate(parts)]
    for share, foreign in ((0.0, 0), (0.25, 1), (0.5, 2), (0.9, 4)):
        found = mixed(steps, share, seed=3)
        for before, after in zip(steps, found, strict=True):
            own = {s.content_hash for s in before.samples}
            assert len(after.samples) == 4 == len({s.content_hash for s in after.samples}) and after.tests == before.tests
            assert sum(s.content_hash not in own for s in after.samples) == foreign
    assert [s.name for s in mixed(steps, 0.5, 3)[0].samples] == [s.name for s in mixed(steps, 0.5, 3)[0].samples]
    for share in (-0.1, 1.0):
        with pytest.raises(FormatError, match="share"):
            mixed(steps, share, 0)


def test_groups_are_scored_on_their_own_split_or_on_their_last_quarter():
    learned = [f"a_{i}" for i in range(4)] + [f"b_{i:02}" for i in range(8)] + ["c_1"]
    parts, notes = split_groups(learned, ["a_9", "d_0"])
    assert parts == {"a": (learned[:4], ["a_9"]), "b": (learned[4:10], learned[10:12])}
    assert any("b has nothing" in n for n in notes) and any("c is left out" in n for n in notes) and any(": d." in n for n in notes)
    with pytest.raises(FormatError, match="regular expression"):
        split_groups(["a_1", "a_2"], ["a_3"])
    with pytest.raises(FormatError, match="24 groups"):
        split_groups([f"{i}_x" for i in range(25)], [f"{i}_y" for i in range(25)])
    parts, notes = split_groups(["a_1", "b_1", "7"], ["a_2", "b_2", "8"])
    assert list(parts) == ["a", "b"] and notes == ["Left out, for no group is found in their names: 2 samples, such as 7."]


def test_groups_of_one_folder_are_steps_and_a_pattern_can_say_which(tmp_path):
    names = ["day_1a", "day_2b", "day_3a", "night_4b", "night_5a", "night_6b", "night_7a", "night_8b"]
    folder = written(tmp_path / "town", names, list(TASK.classes))
    written(folder, ["day_9a"], list(TASK.classes), split="test")
    stream = domain_steps(folder, per_class=3)
    assert [(s.experience.name, len(s.samples), [t.name for t, _ in s.tests]) for s in stream.steps] == [
        ("day", 3, ["day_9a.png"]), ("night", 4, ["night_8b.png"])]
    assert any("night has nothing" in note for note in stream.notes)
    assert [s.experience.name for s in domain_steps(folder, group="[ab]$").steps] == ["a", "b"]
    learned, held = learned_and_held(domain_steps(folder, mix=0.5))
    assert not learned & held


def test_what_is_held_back_is_not_what_was_learned_where_both_have_the_same_names(tmp_path):
    names = ["a_1", "a_2", "b_1", "b_2"]
    folder = written(tmp_path / "numbered", names, list(TASK.classes))
    written(folder, names[::-1], list(TASK.classes), split="test")  # of the same name are others
    for stream in (domain_steps(folder), class_steps(folder)):
        learned, held = ({s.name: s for s in some} for some in ([s for step in stream.steps for s in step.samples],
                                                                [s for step in stream.steps for s, _ in step.tests]))
        assert set(learned) == set(held) == {f"{name}.png" for name in names}
        for seed, name in enumerate(names):
            assert np.array_equal(learned[f"{name}.png"].array, sample(2, seed).array)
            assert np.array_equal(held[f"{name}.png"].array, sample(2, 3 - seed).array)
    with pytest.raises(FormatError, match="train for both"):
        class_steps(folder, eval_split="train")


def test_datasets_are_united_by_the_names_of_their_classes(tmp_path):
    folders = []
    for name, classes in (("one", ["ground", "cell", "line"]), ("two", ["wall", "ground", "cell"])):
        folders.append(written(tmp_path / name, ["x1", "x2"], classes))
        written(folders[-1], ["x9"], classes, split="test")
    stream = domain_steps(folders, per_class=None)
    task = stream.steps[0].experience.task
    assert task.classes == ("ground", "cell", "line", "wall") and len(set(task.colors)) == 4
    assert [s.experience.classes for s in stream.steps] == [(0, 1, 2), (0, 1, 3)]
    given = truth(2, 0)  # of two: 0 is wall, 1 ground, 2 cell
    assert np.array_equal(stream.steps[1].labels[0], np.array([3, 0, 1])[given])
    assert any("ground (one, two); cell (one, two)" in note for note in stream.notes)


def test_united_tasks_keep_colours_that_differ_and_refuse_two_kinds():
    other = TaskSpec("segmentation", ("ground", "new"), ((0, 0, 0), (230, 60, 60)))
    assert united([TASK])[0].colors == TASK.colors
    task, ids = united([TASK, other])
    assert len(set(task.colors)) == 4 and ids[1].tolist() == [0, 3, -1] and ids[1][np.array([-1, 1])].tolist() == [-1, 3]
    for wrong in ((TASK, TaskSpec("regression")), (TaskSpec("regression", unit="mm"), TaskSpec("regression", unit="m"))):
        with pytest.raises(FormatError, match="one kind and unit"):
            united(wrong)


def test_smaller_samples_are_means_and_their_labels_are_not_mixed():
    array = np.arange(2 * 7 * 10, dtype=np.uint8).reshape(2, 7, 10)
    labels = np.arange(70, dtype=np.int16).reshape(7, 10)
    small, kept = shrunk(Sample(array, "s", (1.0, 2.0)), labels, 4)  # by three
    assert small.array.shape == (2, 2, 3) and small.spacing == (3.0, 6.0) and small.array.dtype == np.uint8
    assert small.array[1, 1, 2] == round(float(array[1, 3:6, 6:9].mean()))
    assert kept.tolist() == [[11, 14, 17], [41, 44, 47]]  # the middle of each block
    thin, row = shrunk(Sample(array[:, :1], "thin"), labels[:1], 5)
    assert thin.array.shape == (2, 1, 5) and row.shape == (1, 5)
    same, untouched = shrunk(Sample(array, "s"), labels, 10)
    assert same.array is array and untouched is labels


def test_a_volume_is_cut_into_planes_that_are_spread_evenly():
    volume = Sample(np.arange(8 * 3 * 2, dtype=np.int16).reshape(1, 8, 3, 2), "v", (4.0, 1.0, 2.0), affine=np.eye(4))
    labels = volume.array[0] % 3
    planes = cut(volume, labels, 2)
    assert [p.name for p, _ in planes] == ["v-2", "v-6"] and planes[0][0].spacing == (1.0, 2.0) and planes[0][0].affine is None
    assert np.array_equal(planes[1][0].array, volume.array[:, 6]) and np.array_equal(planes[1][1], labels[6])
    assert len(cut(volume, labels, 50)) == 8


def test_volumes_join_pictures_as_planes_and_only_so(tmp_path):
    flat = make_dataset(tmp_path / "flat", 2, train=2, test=1)
    deep, line = make_dataset(tmp_path / "deep", 3, train=2, test=1), make_dataset(tmp_path / "line", 1)
    stream = domain_steps([flat, deep], slices=2, samples=3)
    assert [s.samples[0].spatial_dims for s in stream.steps] == [2, 2] and len(stream.steps[1].samples) == 4  # of two volumes
    assert domain_steps([deep, deep]).steps[0].samples[0].spatial_dims == 3
    for folders, slices in (([flat, deep], 0), ([flat, line], 2)):
        with pytest.raises(ShapeError, match="axes"):
            domain_steps(folders, slices=slices)


def test_tasks_of_values_alone_are_their_thirds(tmp_path):
    folder = make_dataset(tmp_path / "depth", kind="regression", train=3, test=2)
    stream = task_steps(folder, per_class=None, samples=2)
    first, second = stream.steps
    assert [s.experience.task_name for s in stream.steps] == ["segmentation", "regression"] and first.samples == second.samples
    assert first.experience.task.classes == ("near", "middle", "far") and any("thirds" in note for note in stream.notes)
    for classes, values in zip(first.labels, second.labels, strict=True):
        assert np.array_equal(classes < 0, np.isnan(values))
        order = [values[classes == c].max() for c in np.unique(classes[classes >= 0])]
        assert order == sorted(order)
    with pytest.raises(FormatError, match="values"):
        task_steps(make_dataset(tmp_path / "c"))


def test_all_samples_have_the_channels_of_the_richest(tmp_path):
    grey, colour = make_dataset(tmp_path / "grey"), written(tmp_path / "colour", ["a1"], list(TASK.classes))
    for split in ("train", "test"):
        Image.fromarray(np.zeros((24, 20, 3), np.uint8)).save(colour / split / "images" / "a1.png")
        Image.fromarray(truth(2, 0).astype(np.uint8)).save(colour / split / "labels" / "a1.png")
    stream = domain_steps([grey, colour])
    assert {s.channels for step in stream.steps for s in (*step.samples, *(t for t, _ in step.tests))} == {3}


def test_class_steps_of_a_folder_leave_ignored_pixels_out(tmp_path):
    folder = make_dataset(tmp_path / "d", train=2, test=1)  # one pixel of each is to be ignored
    stream = class_steps(folder, per_step=2, per_class=None)
    assert stream.steps[0].tests[0][1].flat[0] == -1 and all(labels.flat[0] == -1 for labels in stream.steps[0].labels)
    assert any("ignore" in note for note in stream.notes) and any("overlapped" in note for note in stream.notes)


def test_samples_are_bounded_together(tmp_path):
    dataset = open_dataset(make_dataset(tmp_path / "d", train=3, test=1))
    with pytest.raises(LimitError, match="fewer samples"):
        read_pairs(dataset, dataset.items("train"), size=None, slices=0, limit=3000)
