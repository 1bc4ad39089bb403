"""What one session has asked about: examples whose reach is shown as a layer, and places that were offered for labelling."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parmesan_engine.insight import Audit
from parmesan_engine.project.precompute import Survey


@dataclass(frozen=True)
class Chosen:
    """Examples whose reach is shown. key: names them; title: says what they are; entry, scope: the example that was pointed at, and
    whether it alone, its "gesture" or its "source" is meant."""

    project: str
    key: str
    title: str
    ids: np.ndarray = field(compare=False)
    entry: int
    scope: str


@dataclass
class Asked:
    """chosen: None until somebody asks; shown: how often examples were chosen, so that the canvas shows each once; leave: the Review
    page is wanted; counted: (what of, (share of the vote, share decided)); passed: (project, sample id) ->
    pixels that "label next" has offered, newest last; audits: project -> its newest audit; right: (gesture, sample id) of strokes
    that were called right; survey: what is known of the samples of the open project, None before it is opened."""

    chosen: Chosen | None = None
    shown: int = 0
    leave: bool = False
    counted: tuple[Any, tuple[float, float]] | None = None
    passed: dict[tuple[str, str], list[tuple[int, ...]]] = field(default_factory=dict)
    audits: dict[str, Audit] = field(default_factory=dict)
    survey: Survey | None = None
    right: set[tuple[str, str]] = field(default_factory=set)
