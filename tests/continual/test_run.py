"""Several seeds in one outcome, and a folder from which a run goes on after whatever stopped it."""

import pytest

from parmesan_engine.continual.describing import digest
from parmesan_engine.continual.procedural import procedural
from parmesan_engine.continual.run import run_seeds
from parmesan_engine.errors import FormatError
from tests.continual.scripted import scripted  # noqa: F401 (a fixture)


def make(seed):
    return procedural("class", 1, samples=2, tests=1, per_class=3, seed=seed)


def test_each_seed_has_its_own_stream_and_all_are_in_the_mean(scripted):  # noqa: F811
    outcome = run_seeds(make, ["scripted"], seeds=(0, 1, 1))
    assert [m.seed for m in scripted.made] == [0, 1] and outcome.run["seeds"] == [0, 1]
    assert outcome.summary()["scripted"]["seeds"] == 2 and len(outcome.records) == 8
    assert digest(make(0)) == digest(make(0)) != digest(make(1))


def test_unlearn_takes_a_number_too(scripted):  # noqa: F811
    assert run_seeds(make, ["scripted"], unlearn=1).records[-1].name == "without P wave"


@pytest.mark.parametrize("last", range(1, 10))
def test_a_run_that_was_stopped_anywhere_goes_on_and_ends_the_same(scripted, tmp_path, last):  # noqa: F811
    methods, left = ["scripted", "scripted:gain=2"], iter(range(last))

    def stop(record):
        if next(left, None) == last - 1:
            raise KeyboardInterrupt

    if last <= 8:
        with pytest.raises(KeyboardInterrupt):
            run_seeds(make, methods, out=tmp_path, watch=stop)
    done = len(scripted.made)
    told = []
    outcome = run_seeds(make, methods, out=tmp_path, watch=told.append)
    through = max(0, last // 4) if last <= 8 else 0
    assert len(scripted.made) - done == 2 - through and len(told) == 4 * (2 - through)
    whole = run_seeds(make, methods)
    assert [(r.method, r.step, r.scores) for r in outcome.records] == [(r.method, r.step, r.scores) for r in whole.records]


def test_a_line_that_was_not_written_whole_does_not_count(scripted, tmp_path):  # noqa: F811
    run_seeds(make, ["scripted"], out=tmp_path)
    path = tmp_path / "seed-0.jsonl"
    text = path.read_text()
    path.write_text(text[:-40])
    assert run_seeds(make, ["scripted"], out=tmp_path).matrix("scripted")[3, 3] > 0
    assert len(scripted.made) == 2 and path.read_text().count("\n") == 1 + 3 + 4
    path.write_text(text[:30])  # stopped within the first line
    run_seeds(make, ["scripted"], out=tmp_path)
    assert path.read_text().startswith(text[: text.index("\n")])


@pytest.mark.parametrize("change", [{"encoder": "filter_bank:coordinates=false"}, {"budget": 5}, {"unlearn": "P wave"}, {"make": "other"}])
def test_a_folder_of_another_run_is_refused(scripted, tmp_path, change):  # noqa: F811
    run_seeds(make, ["scripted"], out=tmp_path)
    maker = (lambda seed: procedural("class", 1, samples=2, tests=2, per_class=3, seed=seed)) if change.pop("make", None) else make
    with pytest.raises(FormatError, match="another folder"):
        run_seeds(maker, ["scripted"], out=tmp_path, **change)


@pytest.mark.parametrize("damage", [lambda text: b"\xff" + text, lambda text: text.replace(b'"packed": "', b'"packed": "AAAA')])
def test_a_damaged_file_is_refused_and_stays(scripted, tmp_path, damage):  # noqa: F811
    run_seeds(make, ["scripted"], out=tmp_path)
    path = tmp_path / "seed-0.jsonl"
    path.write_bytes(damaged := damage(path.read_bytes()))
    with pytest.raises(FormatError, match="another folder"):
        run_seeds(make, ["scripted"], out=tmp_path)
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("line", ["not json\n", "[]\n", '{"a": 1}\n[1]\n', '{"a": 1}\n{"method": "knn"}\n'])
def test_a_file_of_something_else_is_refused(scripted, tmp_path, line):  # noqa: F811
    (tmp_path / "seed-0.jsonl").write_text(line)
    with pytest.raises(FormatError, match="another folder"):
        run_seeds(make, ["scripted"], out=tmp_path)
    assert (tmp_path / "seed-0.jsonl").read_text() == line
