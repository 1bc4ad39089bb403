"""What was made of a project and looked at with its samples, kept while the project stays as it is. No Streamlit in here."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from parmesan_engine.project import Project
from parmesan_engine.project.truth import truth_stamp

LOOKS = 4  # samples looked at with one thing

Progress = Callable[[float], None]
Part = Callable[[float, float], Progress]  # the share of the work from start to stop (see `Job.part`)


@dataclass
class Known:
    """A thing (it has the `version` of the project that it was made from), what else it depends on, and the samples looked at with it."""

    thing: Any
    stamp: tuple
    looks: OrderedDict[str, Any] = field(default_factory=OrderedDict)


class Kept:
    """Remembers things by project and recipe, not those of another version, which may hold what was unlearned, or truth. Thread-safe.

    make: gives a thing from a project, a recipe as text and a progress callback; most: things kept, each with its examples in RAM.
    """

    def __init__(self, make: Callable[[Project, str, Progress], Any], most: int) -> None:
        self._make, self._most = make, most
        self._known: OrderedDict[tuple[str, str], Known] = OrderedDict()
        self._lock = Lock()

    def get(self, project: Project, text: str) -> Known | None:
        """Return what is known of a recipe for a project as it is now."""
        key = (str(project.path), text)
        with self._lock:
            known = self._known.get(key)
            if known is not None and (known.thing.version, known.stamp) != (project.version, _stamp(project)):
                known = self._known.pop(key) and None
            return known

    def work(self, project: Project, text: str, sample_id: str, look: Callable[[Any, Progress], Any], part: Part) -> None:
        """Make a thing, where it is not known yet, and look at a sample with it: the work of a job. look: gives what is to be seen."""
        known = self.get(project, text)
        if known is None:
            stamp = _stamp(project)  # before: what is added meanwhile is scored next time
            known = Known(self._make(project, text, part(0.0, 0.9)), stamp)
        shown = look(known.thing, part(0.9, 1.0))
        with self._lock:
            known.looks[sample_id] = shown
            while len(known.looks) > LOOKS:
                known.looks.popitem(last=False)
            self._known[str(project.path), text] = known
            while len(self._known) > self._most:
                self._known.popitem(last=False)


def _stamp(project: Project) -> tuple:
    """Return what things depend on beside the examples: the truth, and which classes there are."""
    return truth_stamp(project.path), project.task.label_dim, project.task.retired
