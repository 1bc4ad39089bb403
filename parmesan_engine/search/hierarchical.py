"""Coarse-to-fine search: first the most similar coarse nodes of the memory, then only their children.

    G(i) = top-K_g coarse nodes of the memory by cosine with the query's coarse node
    N(i) = top-k of the children of G(parent(i))                                    (PARMESAN, arXiv 2403.11743)

When K_g is all, every entry is a child of some candidate and the result equals the flat search.
"""

import torch

from parmesan_engine.errors import LimitError, ShapeError
from parmesan_engine.search.exact import ExactIndex
from parmesan_engine.search.ranking import LAST
from parmesan_engine.types import Neighbors


def hierarchical_search(queries: torch.Tensor, query_parents: torch.Tensor, coarse_queries: torch.Tensor, *,
                        ids: torch.Tensor, keys: torch.Tensor, ties: torch.Tensor, parents: torch.Tensor,
                        coarse_keys: torch.Tensor, k: int, k_coarse: int) -> Neighbors:
    """Return the k nearest children of the `k_coarse` nearest coarse nodes.

    queries: (Q, D); query_parents: (Q,) rows of coarse_queries (P, D). The memory: ids, ties, parents (N,), keys (N, D),
    coarse_keys (M, D), parents being rows of coarse_keys. All keys of unit length. Raises ShapeError, LimitError.
    """
    if len(parents) != len(ids) or (len(parents) and int(parents.max()) >= len(coarse_keys)):
        raise ShapeError(f"{len(ids)} parents below {len(coarse_keys)}", f"{len(parents)}", "give each entry its coarse node")
    if k_coarse < 1:
        raise LimitError("k_coarse >= 1", f"{k_coarse}", "use 4 to 32, or the number of coarse nodes for flat search")
    if k < 1:
        raise LimitError("k >= 1", f"{k}", "ask for at least one neighbour")
    content = torch.full((len(coarse_keys),), LAST, device=parents.device).scatter_reduce(0, parents, ties, "amin")
    nearest = _coarse(coarse_queries, coarse_keys, content, k_coarse)  # (P, K_g)
    order = torch.argsort(parents, stable=True)
    starts = torch.searchsorted(parents[order], torch.arange(len(coarse_keys) + 1, device=parents.device))
    distances = torch.full((len(queries), k), torch.inf, device=queries.device)
    found = torch.full((len(queries), k), -1, dtype=torch.int64, device=queries.device)
    by_parent = torch.argsort(query_parents, stable=True)
    query_starts = torch.searchsorted(query_parents[by_parent], torch.arange(len(coarse_queries) + 1, device=parents.device))
    for node in range(len(coarse_queries)):
        rows = by_parent[query_starts[node] : query_starts[node + 1]]
        if len(rows) == 0 or len(ids) == 0:
            continue
        children = torch.cat([order[starts[g] : starts[g + 1]] for g in nearest[node].tolist() if g >= 0])
        index = ExactIndex(channels=queries.shape[1], device=str(queries.device))
        index.add(ids[children], keys[children], ties[children])
        neighbors = index.search(queries[rows], k)
        distances[rows], found[rows] = neighbors.distances, neighbors.ids
    return Neighbors(distances, found)


def _coarse(coarse_queries: torch.Tensor, coarse_keys: torch.Tensor, content: torch.Tensor, k_coarse: int) -> torch.Tensor:
    """Return the (P, K_g) rows of the nearest coarse keys, equal ones by (M,) `content`; -1 where there are fewer."""
    index = ExactIndex(channels=coarse_keys.shape[1], device=str(coarse_keys.device))
    index.add(torch.arange(len(coarse_keys), device=coarse_keys.device), coarse_keys, content)
    return index.search(coarse_queries, min(k_coarse, max(len(coarse_keys), 1))).ids
