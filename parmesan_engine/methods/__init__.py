"""Methods behind one interface, one file each: memories, networks and baselines, which learn one experience after the other."""

from parmesan_engine.methods import (  # noqa: F401  # they register themselves
    class_mean,
    dkvb,
    forest,
    hummingbird,
    knn,
    linear,
    mbpa,
    parmesan,
    unet,
)
from parmesan_engine.methods.method import METHODS, Experience, Method, learn_at_once

__all__ = ["METHODS", "Experience", "Method", "learn_at_once"]
