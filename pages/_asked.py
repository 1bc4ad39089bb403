"""What one session has asked about: examples whose reach is shown as a layer, and places that were offered for labelling."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Chosen:
    """Examples whose reach is shown. key: names them; title: says what they are."""

    project: str
    key: str
    title: str
    ids: np.ndarray = field(compare=False)


@dataclass
class Asked:
    """chosen: None until somebody asks; passed: (project, sample id) -> pixels that "label next" has offered, the newest last."""

    chosen: Chosen | None = None
    passed: dict[tuple[str, str], list[tuple[int, ...]]] = field(default_factory=dict)
