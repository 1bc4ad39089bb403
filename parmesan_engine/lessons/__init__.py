"""Five lessons about memories, each a small scene of made-up data and what the engine makes of it at one setting of one control.

    strokes    1D  what a memory is             how many strokes it holds
    voting     2D  neighbours and temperature   how sharply near neighbours are preferred
    rounds     3D  message passing              how often places listen to each other
    novelty    2D  novelty and forgetting       how new an example must be to be kept
    steps      --  why networks forget          how many steps have been learned

All but the small network of the last is the engine's own: nothing else is computed here. Scenes follow from their seeds; a control has
few positions, so that answers are kept once made. The page Learn draws these, `assets/lessons.ipynb` shows the calls.
"""

from collections.abc import Callable

from parmesan_engine.lessons import novelty, rounds, steps, strokes, voting


def prepare(progress: Callable[[float], None] | None = None) -> None:
    """Work out every lesson at every position of its control: some seconds once, and no change of a control has to wait."""
    work = [(strokes.after, n) for n in range(strokes.COUNT + 1)]
    work += [(voting.vote, k, tau) for k in voting.KS for tau in voting.TAUS]
    work += [(steps.memory_steps,), (steps.network_steps,)]
    work += [(rounds.after, n, to) for to in rounds.LISTENING for n in rounds.ROUNDS]
    work += [(novelty.story, delta) for delta in novelty.NOVELTIES]
    for done, (function, *position) in enumerate(work):
        if progress:
            progress(done / len(work))
        function(*position)


__all__ = ["novelty", "prepare", "rounds", "steps", "strokes", "voting"]
