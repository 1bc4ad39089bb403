"""Memory: labelled features with provenance, in a durable store whose every version can be read, restored or forgotten."""

from parmesan_engine.memory.memory import Memory
from parmesan_engine.memory.reading import Checkout, Overview
from parmesan_engine.memory.records import Receipt, VersionRecord

__all__ = ["Checkout", "Memory", "Overview", "Receipt", "VersionRecord"]
