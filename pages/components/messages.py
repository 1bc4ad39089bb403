"""What the browser sends, checked. Nothing in here trusts a type, a length or a number that it did not look at itself.

Both components send one cumulative log: {client, ops: [{seq, id, project, kind, ...}]}. Streamlit merges rerun requests and keeps
only the newest value, so every op stays in the log until it is acknowledged, and is carried out once.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_OPS = 200
MAX_CLIENTS = 64
NAME = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


@dataclass(frozen=True)
class Log:
    """A checked log. have: blob name -> id of what the canvas holds; layer: which layer it shows."""

    client: str
    ops: tuple[dict[str, Any], ...]
    have: dict[str, str]
    layer: str


@dataclass
class Ledger:
    """Which ops of which client were carried out already."""

    handled: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def new_ops(self, log: Log) -> Iterator[dict[str, Any]]:
        """Yield the ops that were not yielded before, in order. Each counts as handled just before it is yielded: what an
        unexpected error cuts off is carried out when the log comes again."""
        last = self.handled.pop(log.client, 0)
        self.handled[log.client] = last
        while len(self.handled) > MAX_CLIENTS:
            self.handled.popitem(last=False)
        for op in log.ops:
            if op["seq"] > last:
                last = self.handled[log.client] = op["seq"]
                yield op


def parse_log(value: Any) -> Log | None:
    """Return the log, without malformed ops; None when it is none at all."""
    if not isinstance(value, dict) or not is_name(value.get("client")) or not isinstance(value.get("ops"), list):
        return None
    ops = [op for op in value["ops"][:MAX_OPS] if isinstance(op, dict) and is_count(op.get("seq")) and isinstance(op.get("kind"), str)]
    have = value.get("have")
    have = {k: v for k, v in have.items() if is_name(k) and is_name(v)} if isinstance(have, dict) and len(have) <= 16 else {}
    layer = value.get("layer")
    return Log(value["client"], tuple(ops), have, layer if is_name(layer) else "prediction")


def is_name(value: Any) -> bool:
    """A short plain word, such as every id that we make ourselves."""
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
