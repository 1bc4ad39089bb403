"""From new labels and weights of entries to the change that gives them. The twin of `adding`."""

import numpy as np

from parmesan_engine.memory.entries import Entries
from parmesan_engine.memory.hashing import entry_digests, origin_digest
from parmesan_engine.memory.manifest import Manifest
from parmesan_engine.memory.records import DIGEST_BYTES, Modified


def modified(entries: Entries, features: np.ndarray, ids: np.ndarray, labels: np.ndarray | None, weights: np.ndarray | None) -> Modified:
    """Return the change of ascending ids to checked labels and weights (None: as they are), without those that have them already.

    features: their (n, D) keys; labels: (n, l) with at most as many columns as the entries hold; the entries may be removed ones.
    """
    width = entries.labels.shape[1] if labels is None else labels.shape[1]
    old_labels, old_weights = entries.labels[ids][:, :width], entries.weights[ids]
    new_labels, new_weights = old_labels if labels is None else labels, old_weights if weights is None else weights
    digests = entry_digests(_origins(entries, ids), features, entries.coordinates[ids], new_labels, new_weights)
    change = Modified(ids, old_labels, new_labels, old_weights, new_weights, entries.digests[ids], digests)
    return change.only((digests != change.digests_before).any(axis=1))


def _origins(entries: Entries, ids: np.ndarray) -> np.ndarray:
    """Return the (n, 16) uint8 origin digests of entries."""
    fields = ["sample_hash", "source", "author"]
    codes, inverse = np.unique(entries.chunk_table[entries.chunk_of(ids)][fields], return_inverse=True)
    each = [origin_digest(*(entries.names[int(code)] for code in row)) for row in codes]
    return np.array(each, np.uint8).reshape(-1, DIGEST_BYTES)[inverse]


def weights_when_on(manifest: Manifest, entries: Entries, ids: np.ndarray) -> np.ndarray:
    """Return the (n,) float32 weights of entries, and of those that are switched off the one that they had before."""
    before = np.ones(entries.rows, np.float32)  # of an entry that came switched off
    for _, change in manifest.changes_after(-1):
        off = change.modified.only((change.modified.weights_after == 0) & (change.modified.weights_before > 0))
        before[off.ids] = off.weights_before
    now = entries.weights[ids]
    return np.where(now > 0, now, before[ids])
