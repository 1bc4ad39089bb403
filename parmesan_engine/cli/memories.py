"""The verbs on versions and whole memories: tag, branch, merge, and sources on and off."""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from parmesan_engine.project import Project
from parmesan_engine.project.branching import branch as make_branch
from parmesan_engine.project.branching import tag as label
from parmesan_engine.project.merging import merge as run_merge
from parmesan_engine.project.sources import contradictions
from parmesan_engine.project.sources import sources as list_sources
from parmesan_engine.project.sources import switch as run_switch


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
