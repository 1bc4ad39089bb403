"""The verbs on versions and whole memories: tag, branch, merge, sources on and off, and bringing the memory within a budget."""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from parmesan_engine.cli.measuring import positive
from parmesan_engine.cli.verbs import show_progress
from parmesan_engine.project import Project, searching
from parmesan_engine.project.branching import branch as make_branch
from parmesan_engine.project.branching import tag as label
from parmesan_engine.project.consolidating import Proposal, propose
from parmesan_engine.project.consolidating import consolidate as run_consolidate
from parmesan_engine.project.merging import merge as run_merge
from parmesan_engine.project.sources import contradictions
from parmesan_engine.project.sources import sources as list_sources
from parmesan_engine.project.sources import switch as run_switch
from parmesan_engine.search import INDEXES
from parmesan_engine.search.tuning import EXACT_BELOW


def options(verb: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the verbs to the command line. verb: as `main.parser` makes one."""
    command = verb("tag", tag, "give a version a label; an empty text takes it away")
    command.add_argument("version", metavar="VERSION", help="its hash or the first digits of it")
    command.add_argument("text", metavar="TEXT")
    command = verb("branch", branch, "copy the project as it was at a version to a new project")
    command.add_argument("version", metavar="VERSION", help="its hash or the first digits of it")
    command.add_argument("new", type=Path, metavar="NEW", help="folder of the new project")
    command = verb("merge", merge, "take in samples, examples and classes of another project, as one version")
    command.add_argument("other", type=Path, metavar="OTHER", help="folder of the other project, which is only read")
    verb("sources", sources, "list the sources, and which are switched off")
    command = verb("switch", switch, "switch a source on or off: off, its examples stay but count for nothing")
    command.add_argument("source", metavar="SOURCE")
    command.add_argument("state", choices=("on", "off"))
    command = verb("consolidate", consolidate, "keep at most so many examples; says first what it costs in accuracy")
    budget = command.add_mutually_exclusive_group(required=True)
    budget.add_argument("--entries", type=positive, metavar="N", help="examples to keep at most")
    budget.add_argument("--bytes", type=positive, metavar="B", help="bytes that the search index may take")
    command.add_argument("--dry-run", action="store_true", help="measure only, change nothing")
    command = verb("search", search, "show or choose how the memory is searched, and what was measured of it")
    how = command.add_mutually_exclusive_group()
    how.add_argument("--index", choices=INDEXES.names(), default="", help="default: as it is")
    how.add_argument("--budget", type=float, metavar="MB", help="millions of bytes that the search index may take: replaces the index "
                     "by an exact one, with rounded keys where it must, or in a memory of more than a million by an approximate one")
    command.set_defaults(plain=search_in_words)
    command.add_argument("--recall", type=float, metavar="R", help="share of the nearest examples that approximate search is to find")


def tag(options: argparse.Namespace) -> dict[str, Any]:
    """Label a version."""
    with Project.open(options.project) as project:
        record = label(project, options.version, options.text)
        return {"version": record.version, "label": record.note}


def branch(options: argparse.Namespace) -> dict[str, Any]:
    """Make a project of a version."""
    with Project.open(options.project) as project:
        folder = make_branch(project, options.version, options.new)
    with Project.open(folder) as new:
        return {"project": str(folder), "version": new.version, "entries_total": len(new), "samples": len(new.samples())}


def merge(options: argparse.Namespace) -> dict[str, Any]:
    """Merge another project into this one."""
    with Project.open(options.project, device=options.device) as project, Project.open(options.other) as other:
        return run_merge(project, other, author=options.by)


def sources(options: argparse.Namespace) -> dict[str, Any]:
    """List what the memory holds by source."""
    with Project.open(options.project) as project:
        found = list_sources(project.memory) if project.memory is not None else []
        return {"version": project.version, "sources": [{**asdict(source), "on": source.on} for source in found]}


def switch(options: argparse.Namespace) -> dict[str, Any]:
    """Switch a source on or off."""
    with Project.open(options.project, device=options.device) as project:
        delta = run_switch(project, options.source, options.state == "on", author=options.by)
        return {"version": delta.after, "before": delta.before, "entries_on": len(project), "entries_total": project.memory.stored,
                "contradicting_places": contradictions(project.memory, options.source)}


def consolidate(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what a budget costs, and keep to it unless it is a dry run."""
    with Project.open(options.project, device=options.device) as project:
        proposal = propose(project, entries=options.entries, size=options.bytes, progress=show_progress("measuring"))
        if not options.dry_run:
            run_consolidate(project, proposal, author=options.by)
        note = "" if len(proposal.ids) else f"nothing to do: {proposal.before.entries:,} examples are within the budget already"
        return {"version": project.version, "before": proposal.version, "note": note, "dry_run": options.dry_run,
                "entries_removed": len(proposal.ids),
                **_sizes(proposal), "files_bytes": project.memory.bytes, "left_out": proposal.left_out, "probes": proposal.probes,
                **_scores(proposal)}


def search(options: argparse.Namespace) -> dict[str, Any]:
    """Show how the memory is searched; choose it where something is given. An approximate index is made, to measure it."""
    with Project.open(options.project, device=options.device) as project:
        was = searching.named(project)
        if options.index or options.recall is not None or options.budget is not None:
            searching.choose(project, options.index, recall=options.recall, budget=options.budget and options.budget * 1e6)
        searching.build(project)
        now = searching.named(project)
        return {"version": project.version, **searching.state(project), **({"replaced": was, "now": now} if was != now else {})}


def search_in_words(result: dict[str, Any]) -> dict[str, Any]:
    """Return what of `search` is for people: a sentence for the fields that only scripts read."""
    said = result["note"] or ("finds every nearest example" if result["entries"] else "nothing to search yet")
    if result["index"] == "approximate" and result["exact"] and result["entries"]:
        said += f"; approximate search begins at {EXACT_BELOW:,} examples" if result["entries"] < EXACT_BELOW else \
            "; the approximate index could not be made (--verbose shows more)"
    hidden = ("exact", "apart", "due", "note")
    return {name: value for name, value in result.items() if name not in hidden and value not in (None, "", {})} | {"search": said}


def _sizes(proposal: Proposal) -> dict[str, Any]:
    before, after = proposal.before, proposal.after
    classes = [{"class": name, "before": count, "after": after.classes[name]} for name, count in before.classes.items()]
    return {"entries_before": before.entries, "entries_after": after.entries, "index_bytes_before": before.index,
            "index_bytes_after": after.index, "bytes_per_entry": after.bytes_per_entry, "classes": classes}


def _scores(proposal: Proposal) -> dict[str, Any]:
    """Return each overall score as {before, after}; none where nothing could be measured."""
    before, after = (score.result() for score in proposal.score) if proposal.score else ({}, {})
    return {name: {"before": value, "after": after[name]} for name, value in before.items()
            if name in ("miou", "mean_dice", "accuracy", "rmse", "mae", "unknown")}
