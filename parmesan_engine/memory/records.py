"""What the log holds: the change that made a version, the record shown in the history, and the receipt of an unlearn."""

from dataclasses import dataclass, field, replace

import numpy as np

DIGEST_BYTES = 16


def _no_ids() -> np.ndarray:
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class Modified:
    """New labels and weights of entries, with the old ones so that the change knows its inverse.

    ids: (n,) int64 ascending; labels: (n, L) float32; weights: (n,) float32; digests: (n, 16) uint8.
    """

    ids: np.ndarray
    labels_before: np.ndarray
    labels_after: np.ndarray
    weights_before: np.ndarray
    weights_after: np.ndarray
    digests_before: np.ndarray
    digests_after: np.ndarray

    @classmethod
    def nothing(cls) -> "Modified":
        rows, cells, digest = (
            np.empty(0, np.float32),
            np.empty((0, 1), np.float32),
            np.empty((0, DIGEST_BYTES), np.uint8),
        )
        return cls(_no_ids(), cells, cells, rows, rows, digest, digest)

    def inverse(self) -> "Modified":
        return Modified(
            self.ids,
            self.labels_after,
            self.labels_before,
            self.weights_after,
            self.weights_before,
            self.digests_after,
            self.digests_before,
        )

    def only(self, mask: np.ndarray) -> "Modified":
        """Return the part of the change where the (n,) mask is true."""
        return Modified(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Change:
    """What one version changed in the set of stored entries (before novelty pruning). ids are ascending int64."""

    added: np.ndarray = field(default_factory=_no_ids)
    removed: np.ndarray = field(default_factory=_no_ids)
    modified: Modified = field(default_factory=Modified.nothing)
    task_before: dict | None = None  # both None when the task did not change
    task_after: dict | None = None

    @property
    def empty(self) -> bool:
        return not (len(self.added) or len(self.removed) or len(self.modified.ids) or self.task_after)

    def inverse(self) -> "Change":
        return Change(self.removed, self.added, self.modified.inverse(), self.task_after, self.task_before)

    @property
    def touched(self) -> np.ndarray:
        """All ids in it, in no order."""
        return np.concatenate([self.added, self.removed, self.modified.ids])

    def only(self, mask: np.ndarray) -> "Change":
        """Return the part of the change that concerns rows where the (rows,) mask is true."""
        return replace(
            self,
            added=self.added[mask[self.added]],
            removed=self.removed[mask[self.removed]],
            modified=self.modified.only(mask[self.modified.ids]),
        )


@dataclass(frozen=True)
class VersionRecord:
    """One line of the history.

    entries: entries stored after it, before novelty pruning; added, removed: entries that came and went;
    undoes: seq of the version that an undo or redo reverts, else None; time: seconds since 1970; note: its label.
    """

    version: str
    seq: int
    time: float
    verb: str
    author: str
    entries: int
    added: int
    removed: int
    gesture: str
    undoes: int | None
    note: str


@dataclass(frozen=True)
class Receipt:
    """Proof of an unlearn, free of what was unlearned.

    selector: digest of the reason given; removed_digest: digest over the removed entries' content digests, so that who still
    has the entries can show that they were the ones; verified: the raw files were searched and nothing was found.
    """

    time: float
    author: str
    selector: str
    entries_removed: int
    removed_digest: str
    version_before: str
    version_after: str
    verified: bool
