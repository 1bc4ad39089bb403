"""Two experiments of papers on points of a plane, which show in a second what their methods promise. Pure: numbers and points come back.

Eight Gaussian classes are learned in four steps of two (Traeuble et al. 2023, after the authors' notebook [code]). A linear probe,
trained on one step after the other, forgets all but the last.
"""

from typing import Any

import numpy as np
import torch

from parmesan_engine.methods.dkvb_keys import fetch, fit_keys, learn_values, nearest
from parmesan_engine.methods.mbpa_reading import adapted, kernel_weights, train_head, with_constant

CLASSES = ((0, 4), (1, 5), (2, 6), (3, 7))  # of each step
MEANS = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.5), (0.5, 0.75), (0.25, 0.5), (0.5, 0.25))
DEVIATION = 0.035
PAIRS, UNLABELLED, ROUNDS = 400, 2000, 10  # pairs of the one codebook, points that place its keys, and how often
RATE, STEPS = 10.0, 100  # of the values, on a step's points
SIDE = 60  # places of a map along each axis of the unit square
NEIGHBOURS, GRADIENT_STEPS = (1, 2, 4, 8, 16, 32), (0, 1, 2, 5, 10, 20, 50)
ADAPTATION = 0.7  # rate of it
HEAD = torch.zeros(len(MEANS), 3)

Steps = list[tuple[torch.Tensor, torch.Tensor]]  # points and classes of each


def bottleneck_toy(seed: int = 0, points: int = 100) -> dict[str, Any]:
    """A discrete key-value bottleneck of one codebook (400 pairs, keys in the plane itself) keeps four steps; a linear probe does not.

    Returns points: four (n, 2) arrays in the unit square; classes: four (n,); keys: (400, 2); used: (400,) bool; and for each of "dkvb" and
    "linear probe" a dict of accuracy: (4, 4), after step i on new points of j, and maps: (4, SIDE, SIDE) classes of the square after
    each step (rows: second coordinate).
    """
    lessons, tests = _steps(seed, points), _steps(seed + 1000, points)
    places = _places(tests)
    unlabelled = torch.rand(1, UNLABELLED, 2, generator=torch.Generator().manual_seed(seed))
    keys = fit_keys(unlabelled, PAIRS, rounds=ROUNDS, seed=seed)
    values, used, head = torch.zeros(1, PAIRS, len(MEANS)), torch.zeros(1, PAIRS, dtype=torch.bool), HEAD
    scored = {"dkvb": [], "linear probe": []}
    for at, classes in lessons:
        found, labels = nearest(at[None], keys), torch.eye(len(MEANS))[classes]
        learn_values(values, found, labels, classify=True, rate=RATE, steps=STEPS, seed=seed)
        used.scatter_(1, found, True)
        head = train_head(head, _features(at), labels, classify=True)
        scored["dkvb"].append(_scored(fetch(values, nearest(places[None], keys, used)), tests))
        scored["linear probe"].append(_scored(_features(places) @ head.T, tests))
    kept = {name: {"accuracy": np.array([a for a, _ in steps]), "maps": np.array([m for _, m in steps])} for name, steps in scored.items()}
    return {**_drawn(lessons), "keys": keys[0].numpy(), "used": used[0].numpy(), **kept}


def adaptation_toy(seed: int = 0, points: int = 100) -> dict[str, Any]:
    """A linear head that forgot all but the last of four steps answers them once adapted to a few neighbours (Sprechmann et al. 2018).

    Returns points, classes: as `bottleneck_toy`; learned: accuracy on the first step just after it; neighbours, steps: the numbers
    that were tried, K and T of them; first, last: (K, T) accuracy on new points of the first and of the last step, after all four; maps:
    "head" and "adapted" (to 8 neighbours by 20 steps), (SIDE, SIDE) classes.
    """
    lessons, tests = _steps(seed, points), _steps(seed + 1000, points)
    places, head, learned = _features(_places(tests)), HEAD, None
    for at, classes in lessons:
        head = train_head(head, _features(at), torch.eye(len(MEANS))[classes], classify=True)
        learned = _scored(places @ head.T, tests)[0][0] if learned is None else learned
    memory = _features(torch.cat([at for at, _ in lessons]))
    labels = torch.eye(len(MEANS))[torch.cat([classes for _, classes in lessons])]

    def answers(at: torch.Tensor, neighbours: int, steps: int) -> torch.Tensor:
        distances, near = torch.cdist(at, memory).topk(neighbours, largest=False)
        return adapted(at[:, None], memory[near], labels[near], kernel_weights(distances.square()), head, classify=True, steps=steps,
                       rate=ADAPTATION, beta=0.0)[:, 0]

    sides = [[[_accuracy(answers(_features(at), k, t), classes) for t in GRADIENT_STEPS] for k in NEIGHBOURS] for at, classes in tests[::3]]
    maps = {name: _scored(answers(places, 8, steps), tests)[1] for name, steps in (("head", 0), ("adapted", 20))}
    return {**_drawn(lessons), "learned": learned, "neighbours": NEIGHBOURS, "steps": GRADIENT_STEPS, "first": np.array(sides[0]),
            "last": np.array(sides[1]), "maps": maps}


def _steps(seed: int, points: int) -> Steps:
    """Return for each step (n, 2) points and their (n,) classes."""
    random, found = torch.Generator().manual_seed(seed), []
    for pair in CLASSES:
        classes = torch.tensor(pair)[torch.arange(points) % 2]
        found.append((torch.tensor(MEANS)[classes] + DEVIATION * torch.randn(points, 2, generator=random), classes))
    return found


def _drawn(steps: Steps) -> dict[str, Any]:
    return {"points": [at.numpy() for at, _ in steps], "classes": [classes.numpy() for _, classes in steps]}


def _features(at: torch.Tensor) -> torch.Tensor:
    """Return (n, 3): points about the middle, of length about 1, and a constant."""
    return with_constant(4 * (at - 0.5))


def _places(tests: Steps) -> torch.Tensor:
    """Return (n, 2) points that are asked: those of all tests, then the map's."""
    line = (torch.arange(SIDE) + 0.5) / SIDE
    return torch.cat([*(at for at, _ in tests), torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).reshape(-1, 2)])


def _scored(answers: torch.Tensor, tests: Steps) -> tuple[list[float], np.ndarray]:
    """Return the accuracy on each test and the map, from (n, 8) answers at `_places`."""
    *own, square = answers.split([*(len(classes) for _, classes in tests), SIDE * SIDE])
    accuracy = [_accuracy(mine, classes) for mine, (_, classes) in zip(own, tests, strict=True)]
    return accuracy, square.argmax(1).reshape(SIDE, SIDE).numpy()


def _accuracy(answers: torch.Tensor, classes: torch.Tensor) -> float:
    return float((answers.argmax(1) == classes).float().mean())
