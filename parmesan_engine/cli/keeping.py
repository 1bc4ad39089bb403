"""The verbs that keep a project safe: backup and its way back, and repair."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parmesan_engine.errors import FormatError
from parmesan_engine.project import Project
from parmesan_engine.project.backup import backup as write_backup
from parmesan_engine.project.backup import restore as read_backup
from parmesan_engine.project.repair import repair as run_repair


def options(verb: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the verbs to the command line. verb: as `main.parser` makes one."""
    command = verb("backup", backup, "write the project to one zip, while others go on; or make a project from such a zip")
    command.add_argument("file", nargs="?", type=Path, metavar="FILE.zip", help="to write; replaces an older one")
    command.add_argument("--restore", type=Path, metavar="FILE.zip", help="make PROJECT, a new folder, from this backup")
    verb("repair", repair, "make a damaged project open again with all that can be read; what is damaged moves aside")


def backup(options: argparse.Namespace) -> dict[str, Any]:
    """Write a backup, or go back to one; exit status 1 when `verify` finds something wrong in it."""
    if (options.file is None) == (options.restore is None):
        raise FormatError("FILE.zip to write, or --restore FILE.zip", "both" if options.file else "neither", "give one of them")
    if options.restore:
        result = read_backup(options.restore, options.project)
    else:
        with Project.open(options.project) as project:
            result = write_backup(project, options.file)
    return {**result, "failed": bool(result["problems"])}


def repair(options: argparse.Namespace) -> dict[str, Any]:
    """Repair a project and say what was done; exit status 1 when `verify` finds something wrong even then."""
    result = run_repair(options.project)
    return {"did": result.pop("did") or ["nothing: all is well"], **result, "failed": bool(result["problems"])}
