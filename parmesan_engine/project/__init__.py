"""A project: one folder with samples, a memory, an encoder and a metric. The one thing that pages and commands talk to."""

from parmesan_engine.project.project import GestureResult, Project
from parmesan_engine.project.samples import SampleRecord

__all__ = ["GestureResult", "Project", "SampleRecord"]
