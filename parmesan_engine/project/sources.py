"""Sources on and off: examples of weight 0 stay in the memory but count for nothing, as if they had been removed."""

from dataclasses import dataclass

import numpy as np

from parmesan_engine.errors import UnknownNameError
from parmesan_engine.memory.reading import Reader
from parmesan_engine.types import MemoryDelta


@dataclass(frozen=True)
class Source:
    """What a memory holds of one source. off: how many of its examples are switched off; last: seconds since 1970."""

    name: str
    examples: int
    off: int
    samples: int
    authors: tuple[str, ...]
    last: float

    @property
    def on(self) -> bool:
        """Whether any of its examples counts."""
        return self.off < self.examples


def sources(memory: Reader) -> list[Source]:
    """Return the sources of a version, by name, those that are switched off too."""
    rows = memory.columns(stored=True)
    found = []
    for code in np.unique(rows.source).tolist():
        mine = rows.source == code
        authors = sorted(rows.names[author] for author in np.unique(rows.author[mine]).tolist())
        found.append(Source(rows.names[code], int(mine.sum()), int((rows.weight[mine] == 0).sum()),
                            len(np.unique(rows.sample[mine])), tuple(authors), float(rows.time[mine].max())))
    return sorted(found, key=lambda source: source.name)


def switch(project, source: str, on: bool, *, author: str = "local") -> MemoryDelta:
    """Switch all examples of a source on or off, as one version that undo takes back. Raises UnknownNameError.

    Off, predictions and metric are those without the source; on again, each example has the weight that it had before.
    """
    with project.lock:
        if project.memory is None or not len(project.memory.select(source=source)):
            raise UnknownNameError("a source of this project", repr(source), "choose one that has examples")
        delta = project.memory.switch(on, source=source, author=author)
        project.live.follow(delta)
        return delta


def contradictions(memory: Reader, source: str) -> int:
    """Return at how many places an example of a source lies together with an example of another answer, both on.

    Painting passes over what is switched off, so such places can come up when a source is switched on again.
    """
    rows = memory.columns()
    mine = np.isin(rows.source, [code for code, name in rows.names.items() if name == source])
    near = np.isin(rows.sample, rows.sample[mine])
    places = np.column_stack([rows.sample[near], memory.coordinates(rows.ids[near])])
    _, place = np.unique(places, axis=0, return_inverse=True)
    mine, answers = mine[near], rows.label[near]
    asked, low, high = np.zeros(len(places), bool), np.full(len(places), np.inf), np.full(len(places), -np.inf)
    asked[place[mine]] = True
    np.minimum.at(low, place, answers)
    np.maximum.at(high, place, answers)
    return int((asked & (low < high)).sum())
