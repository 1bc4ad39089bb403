"""From labelled pixels of an encoded sample to entries on their way into a memory. Pure."""

import numpy as np
import torch

from parmesan_engine.types import EntryBatch, FeaturePyramid


def nodes_of(pyramid: FeaturePyramid, coordinates: np.ndarray) -> np.ndarray:
    """Return the distinct (m,) nodes of level 0 that (n, spatial_dims) pixels lie in, ascending."""
    return np.unique(pyramid.levels[0].nodes_of(coordinates))


def pixels_of(pyramid: FeaturePyramid, nodes: np.ndarray) -> np.ndarray:
    """Return the (m, spatial_dims) first pixel of each node: where its features were taken."""
    fine = pyramid.levels[0]
    return np.stack(np.unravel_index(nodes, fine.grid), 1) * np.asarray(fine.stride)


def node_labels(pyramid: FeaturePyramid, coordinates: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (nodes, node labels): the mean of the (n, L) label rows of the pixels in each node.

    For classes the mean of one-hot rows is the class histogram of the labelled pixels that the node covers.
    """
    nodes, inverse, counts = np.unique(pyramid.levels[0].nodes_of(coordinates), return_inverse=True, return_counts=True)
    sums = np.zeros((len(nodes), labels.shape[1]))
    np.add.at(sums, inverse, labels)
    return nodes, (sums / counts[:, None]).astype(np.float32)


def make_batch(pyramid: FeaturePyramid, nodes: np.ndarray, labels: np.ndarray, *, sample_id: str, sample_hash: str, gesture: str,
               author: str, source: str, time: float) -> EntryBatch:
    """Return the entries of some nodes: their features, their coarse nodes, their (m, L) labels and where they come from."""
    top = len(pyramid.levels) - 1
    coarse, parents = np.unique(pyramid.parents(top)[nodes], return_inverse=True)
    return EntryBatch(
        keys=pyramid.levels[0].keys[torch.from_numpy(nodes)].numpy(force=True),
        labels=np.ascontiguousarray(labels, np.float32),
        coordinates=pixels_of(pyramid, nodes),
        coarse_keys=pyramid.levels[top].keys[torch.from_numpy(coarse)].numpy(force=True),
        parents=parents,
        sample_id=sample_id,
        sample_hash=sample_hash,
        gesture=gesture,
        author=author,
        source=source,
        time=time,
    )


def one_hot(classes: np.ndarray, count: int) -> np.ndarray:
    """Return (n, count) float32 rows with a 1 at each class id."""
    return np.eye(count, dtype=np.float32)[classes]
