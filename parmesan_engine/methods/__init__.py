"""Methods behind one interface, one file each: memories, networks and baselines, which learn one experience after the other."""

from parmesan_engine.methods import class_mean, forest, hummingbird, knn, linear, parmesan, unet  # noqa: F401  # they register themselves
from parmesan_engine.methods.method import METHODS, Experience, Method, learn_at_once

__all__ = ["METHODS", "Experience", "Method", "learn_at_once"]
