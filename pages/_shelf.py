"""The projects in the home folder, each opened at most once per process and shared by all sessions. No Streamlit in here."""

import os
import re
import threading
from pathlib import Path

from parmesan_engine.errors import FormatError, UnknownNameError
from parmesan_engine.project import Project
from parmesan_engine.project.branching import branch
from parmesan_engine.project.demo import open_demo
from parmesan_engine.types import TaskSpec

HOME = "PARMESAN_HOME"


def home() -> Path:
    """Return the folder of the projects: $PARMESAN_HOME, or ~/.parmesan-studio."""
    return Path(os.environ.get(HOME) or Path.home() / ".parmesan-studio").expanduser()


class Shelf:
    """Lists, opens and makes the projects of a folder. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._open: dict[str, Project] = dict(open_demo(folder))

    def names(self) -> list[str]:
        """Return the projects' names: the demos first, then the others by name."""
        with self._lock:
            found = {path.parent.name for path in self.folder.glob("*/project.json")} - set(self._open)
            return [*self._open, *sorted(found)]

    def title(self, name: str) -> str:
        """Return what people call a project: its own title once it is open, its folder before."""
        with self._lock:
            return self._open[name].name if name in self._open else name

    def project(self, name: str) -> Project:
        """Return an open project. Raises UnknownNameError, FormatError, VersionError, StoreError."""
        with self._lock:
            if name not in self._open:
                if name not in self.names():
                    raise UnknownNameError("the name of a project", repr(name), "choose one from the list")
                self._open[name] = Project.open(self.folder / name)
            return self._open[name]

    def create(self, name: str, task: TaskSpec, novelty: float = 0.0) -> str:
        """Make a project and return its name, which is also its folder's. Raises FormatError."""
        name = folder_name(name)
        with self._lock:
            self._open[name] = Project.create(self.folder / name, name=name, task=task, novelty=novelty)
            return name

    def branch(self, project: str, version: str | int, name: str) -> str:
        """Make a project of a version of another one and return its name. Raises FormatError, VersionError, StoreError."""
        name = folder_name(name)
        branch(self.project(project), version, self.folder / name)
        return name

    def close(self) -> None:
        """Close every project; the shelf must not be used afterwards."""
        with self._lock:
            for project in self._open.values():
                project.close()
            self._open.clear()


def folder_name(name: str) -> str:
    """Return the name of a project as one that every file system takes. Raises FormatError."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", name.strip()).strip("-")[:60]
    if not name:
        raise FormatError("a project name with letters or digits", "none", "type a name")
    return name
