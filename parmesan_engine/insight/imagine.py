"""A predictor at another version of its memory, past or imagined, beside the one that is in use: only what differs is searched.

The copy follows the difference of the two versions as a predictor follows a gesture, so it equals, bit for bit, one that was
made from that version under the same metric.
"""

from copy import copy
from dataclasses import replace

from parmesan_engine.memory.reading import Reader
from parmesan_engine.predictor import Predictor


def imagine(predictor: Predictor, version: Reader, names: list[str]) -> Predictor:
    """Return a predictor of another version of the same memory that holds the samples `names`, which `predictor` holds too.

    The metric stays. `predictor` is only read, but must not change meanwhile. A version without examples is allowed; then
    `predict` of what is returned raises EmptyMemoryError.
    """
    other = copy(predictor)
    other.index, other.tables = predictor.index.copy(), predictor.tables.copy()
    other.states = {
        name: replace(state, live=state.live.copy(other.index), answers=state.answers.clone(), conflict=state.conflict.clone(),
                      nearest=state.nearest.clone())
        for name, state in ((name, predictor.states[name]) for name in names)
    }
    other.switch(version)
    return other
