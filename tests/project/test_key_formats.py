"""Projects in half precision: learning, painting, forgetting, branching; and merging with those in full precision."""

import numpy as np
import pytest

from parmesan_engine.io import open_dataset
from parmesan_engine.project import Project
from parmesan_engine.project.branching import branch
from parmesan_engine.project.learning import learn, project_for
from parmesan_engine.project.merging import merge
from tests.helpers import TASK, make_dataset, same
from tests.project.painter import BLOB, EDGE, GROUND, line, picture


def made(path, seed: int, keys: str) -> Project:
    """Return a project with one sample of its own, painted."""
    project = Project.create(path, name=path.name, task=TASK, keys=keys)
    record = project.add_sample(picture(seed))
    project.annotate(record.id, [EDGE, GROUND, line(30, 5 + seed, 12 + seed, 1)], author=path.name, source=path.name)
    return project


@pytest.mark.parametrize(("here", "there"), [("float32", "float16"), ("float16", "float32"), ("float16", "float16")])
def test_merging_is_idempotent_whatever_the_formats(tmp_path, here, there):
    with made(tmp_path / "one", 0, here) as one, made(tmp_path / "two", 1, there) as two:
        added = merge(one, two)["entries_added"]
        assert added == two.memory.stored and one.memory.key_format == here
        assert merge(one, two)["entries_added"] == 0 == merge(one, two)["entries_added"]
        back = merge(two, one)
        assert back["entries_added"] == one.memory.stored - added and merge(two, one)["entries_added"] == 0
        assert merge(one, two)["entries_added"] == 0  # what came back is what had been given
        assert one.verify() == two.verify() == [] and (one.version == two.version) == (here == there)


def test_forgetting_in_half_precision_is_never_having_learned(tmp_path):
    data = make_dataset(tmp_path / "data", train=3)
    versions = []
    for name, sources in (("both", ("a", "b")), ("alone", ("b",))):
        with project_for(tmp_path / name, open_dataset(data), keys="float16") as project:
            for source in sources:
                learn(project, data, per_class=9, source=source, seed=len(source) + ord(source))
            if "a" in sources:
                project.forget(source="a")
            versions.append((project.version, project.verify(), project.memory.key_format))
    assert versions[0] == versions[1] and versions[0][1:] == ([], "float16")


def test_a_branch_keeps_the_format_and_strokes_go_on(tmp_path):
    with made(tmp_path / "one", 0, "float16") as one:
        sample = one.samples()[0].id
        before = one.predict(sample)
        with Project.open(branch(one, one.version, tmp_path / "two")) as two:
            assert two.memory.key_format == "float16" and same(two.predict(sample), before)
            two.annotate(sample, [BLOB], author="ann", source="more")
            two.undo()
            assert same(two.predict(sample), before) and two.verify() == []
        keys = one.memory.keys(one.memory.ids)
        assert np.array_equal(keys, keys.astype(np.float16).astype(np.float32))
