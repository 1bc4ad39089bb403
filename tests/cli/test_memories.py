"""tag, branch, merge, sources and switch from the command line."""

import re

import pytest

from parmesan_engine.cli.main import main
from parmesan_engine.project import Project
from parmesan_engine.search import ApproximateIndex
from parmesan_engine.search.codes import entry_bytes
from parmesan_engine.search.tuning import SKETCH
from tests.cli.runner import good, refused
from tests.helpers import make_dataset


@pytest.fixture
def labs(tmp_path, capsys):
    """Return two projects that learned different samples, as folders."""
    data = make_dataset(tmp_path / "data", train=3)
    for name, seed in (("one", 0), ("two", 1)):
        good(capsys, "learn", tmp_path / name, data, "--samples", 1, "--per-class", 9, "--seed", seed, "--by", name, "--source", name)
    return tmp_path / "one", tmp_path / "two"


def test_tag_names_a_version_and_history_shows_it(labs, capsys):
    one, _ = labs
    version = good(capsys, "history", one)["versions"][-1]["version"]
    assert good(capsys, "tag", one, version[:8], "for the paper") == {"version": version, "label": "for the paper"}
    assert good(capsys, "history", one)["versions"][-1]["note"] == "for the paper"
    assert good(capsys, "tag", one, version, "")["label"] == ""
    assert "does not exist" in refused(capsys, "tag", one, "00000000", "x")


def test_branch_and_merge_back(labs, capsys, tmp_path):
    one, two = labs
    version = good(capsys, "merge", one, two, "--by", "ann")["version"]
    merged = good(capsys, "merge", two, one, "--by", "ben")
    assert merged["version"] == version and merged["sources"] == {"one": "one", "two": "two"} and merged["entries_added"] > 0
    first = good(capsys, "history", one)["versions"][1]["version"]
    made = good(capsys, "branch", one, first, tmp_path / "early")
    assert made["version"] == first and made["entries_total"] < merged["entries_total"] and made["samples"] == 2
    assert good(capsys, "merge", one, tmp_path / "early")["entries_added"] == 0
    assert good(capsys, "verify", tmp_path / "early")["ok"] and good(capsys, "verify", one)["ok"]
    assert "there already" in refused(capsys, "branch", one, first, two)
    assert "the project itself" in refused(capsys, "merge", one, one)


def test_switch_turns_a_source_off_and_on(labs, capsys):
    one, two = labs
    good(capsys, "merge", one, two)
    before = good(capsys, "sources", one)
    off = good(capsys, "switch", one, "two", "off", "--by", "ann")
    assert off["entries_on"] < off["entries_total"]
    assert [(s["name"], s["on"]) for s in good(capsys, "sources", one)["sources"]] == [("one", True), ("two", False)]
    assert good(capsys, "switch", one, "two", "on")["version"] == before["version"]
    assert "source of this project" in refused(capsys, "switch", one, "three", "off")
    with Project.open(one) as project:
        assert [record.verb for record in project.history()] == ["create", "add", "merge", "switch", "switch"]


def test_consolidate_measures_first_and_keeps_to_the_budget(labs, capsys):
    one, two = labs
    good(capsys, "merge", one, two)
    before = good(capsys, "history", one)
    said = good(capsys, "consolidate", one, "--entries", 12, "--dry-run")
    assert said["version"] == said["before"] == before["versions"][-1]["version"] and said["dry_run"] and said["left_out"] == "sample"
    assert said["entries_after"] <= 12 < said["entries_before"] and said["index_bytes_after"] < said["index_bytes_before"]
    assert [row["after"] for row in said["classes"]] == [4, 4, 4] and set(said["miou"]) == {"before", "after"}
    done = good(capsys, "consolidate", one, "--entries", 12, "--by", "ann")
    assert {name: done[name] for name in said if name not in ("version", "dry_run", "files_bytes")} == \
        {name: said[name] for name in said if name not in ("version", "dry_run", "files_bytes")}
    last = good(capsys, "history", one)["versions"][-1]
    assert (last["verb"], last["author"], last["version"]) == ("consolidate", "ann", done["version"])
    assert last["removed"] == done["entries_removed"]
    assert good(capsys, "consolidate", one, "--bytes", 10**9)["entries_removed"] == 0
    assert "one of each class" in refused(capsys, "consolidate", one, "--bytes", 10)
    assert good(capsys, "undo", one)["version"] == done["before"] and good(capsys, "verify", one)["ok"]
    assert "one of each class" in refused(capsys, "consolidate", one, "--entries", 2)
    assert "--entries" in refused(capsys, "consolidate", one) and "not allowed" in refused(capsys, "consolidate", one, "--entries", 9,
                                                                                        "--bytes", 9)


def test_search_is_shown_chosen_and_measured(labs, capsys, monkeypatch):
    one, _ = labs
    said = good(capsys, "search", one)
    assert said["index"] == "exact" and said["exact"] and said["recall"] is None and said["bytes_per_entry"] > 0
    monkeypatch.setitem(ApproximateIndex.__init__.__kwdefaults__, "exact_below", 10)
    said = good(capsys, "search", one, "--index", "approximate", "--recall", 0.9)
    assert said["keywords"] == {"least_recall": 0.9} and said["recall"] >= 0.9 and not said["exact"] and not said["due"]
    assert good(capsys, "search", one, "--recall", 0.95)["keywords"] == {"least_recall": 0.95}
    assert good(capsys, "search", one, "--budget", 10)["index"] == "exact", "few examples, much room"
    assert "0.01 MB or more; got 0.0001 MB" in refused(capsys, "search", one, "--budget", 0.0001)
    for index in ("exact", "hierarchical"):
        assert "add --index approximate" in refused(capsys, "search", one, "--index", index, "--recall", 0.9)
    assert "add --index approximate" in refused(capsys, "search", one, "--recall", 0.9)
    assert "at most 1; got 1.5" in refused(capsys, "search", one, "--recall", 1.5)
    assert "at most 1; got 1.5" in refused(capsys, "search", one, "--budget", 10, "--recall", 1.5)
    assert "not allowed" in refused(capsys, "search", one, "--index", "exact", "--budget", 9)


def test_search_says_in_words_what_it_does_and_what_it_replaced(labs, capsys):
    """Regression: empty fields, an unexplained "due: False", and nothing of keys that a budget had rounded."""
    one, _ = labs
    said = lambda *more: (main(["search", str(one), *more]), capsys.readouterr().out)[1]  # noqa: E731
    plain = said()
    assert "search: finds every nearest example\n" in plain and "due" not in plain and not re.search(r": *$", plain, re.MULTILINE)
    assert "search: exact among keys rounded to 16 bits; approximate search begins at 100,000 examples" in said("--index", "approximate")
    with Project.open(one) as project:
        few = len(project) * (entry_bytes(project.live.predictor().metric.key_dim, "int8") + SKETCH) / 1e6
    plain = said("--budget", str(few))
    assert "replaced: approximate" in plain and "now: exact in 8 bits" in plain and "search: exact among keys rounded to 8 bits" in plain
    assert "replaced" not in said()


def test_a_budget_that_changes_nothing_or_cannot_be_kept_is_said(labs, capsys, tmp_path):
    one, _ = labs
    assert good(capsys, "consolidate", one, "--entries", 999)["note"] == "nothing to do: 27 examples are within the budget already"
    line = refused(capsys, "consolidate", one, "--bytes", 100)
    least = int(re.search(r"at least ([\d,]+) bytes", line)[1].replace(",", ""))
    refused(capsys, "consolidate", one, "--bytes", least - 1, "--dry-run")
    assert good(capsys, "consolidate", one, "--bytes", least, "--dry-run")["entries_after"] == 3
    good(capsys, "forget", one, "--source", "one")
    assert "nothing to consolidate" in refused(capsys, "consolidate", one, "--entries", 10)


def test_a_project_of_another_kind_is_not_silently_kept(labs, capsys, tmp_path):
    """Regression: --keys, --encoder and --novelty were ignored where there was a project."""
    one, _ = labs
    before = good(capsys, "history", one)
    for option, value, own in (("keys", "float16", "float32"), ("novelty", 0.1, "0.0"), ("encoder", "tiny", "filter_bank"),
                               ("encoder", "filter_bank:tile=9", "filter_bank:tile=None")):
        line = refused(capsys, "learn", one, tmp_path / "data", f"--{option}", value)
        assert f"{option} {own}" in line and "new project" in line
    assert good(capsys, "history", one) == before
    for encoder in ("filter_bank", "filter_bank:coordinates=true"):
        good(capsys, "learn", one, tmp_path / "data", "--keys", "float32", "--encoder", encoder, "--novelty", 0, "--seed", 7)


def test_half_precision_is_said_in_history_and_verify(tmp_path, capsys):
    data = make_dataset(tmp_path / "data", train=1)
    for keys in ("float32", "float16"):
        good(capsys, "learn", tmp_path / keys, data, "--per-class", 9, "--keys", keys)
        for verb in ("history", "verify"):
            said = good(capsys, verb, tmp_path / keys)
            assert said["keys"] == keys and said["bytes_per_entry"] == said["bytes"] / 27
    assert "invalid choice" in refused(capsys, "learn", tmp_path / "x", data, "--keys", "int8")
