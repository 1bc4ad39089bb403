"""Features of a stream, made once and shared by all methods: of the labelled pixels of each step, and of the samples held back."""

import time

from parmesan_engine.continual.progress import Progress, part
from parmesan_engine.continual.steps import Step, Stream
from parmesan_engine.methods.labelled import LabelledNodes, LabelledSamples, encode_samples
from parmesan_engine.types import FeaturePyramid, Sample

ROOM = 2 << 30  # bytes of features of held-back samples that are kept; those beyond are made again for each question


def lesson_of(step: Step) -> LabelledSamples:
    """Return what a step labels, for methods that learn from samples."""
    return LabelledSamples(list(step.samples), list(step.labels), step.experience.task, step.whole)


class Encoding:
    """The features of a stream by one encoder. seconds[i]: of encoding what step i learns; query_ms: of one held-back sample, the mean."""

    def __init__(self, stream: Stream, encoder, *, room: int = ROOM, progress: Progress = None) -> None:
        self._encoder, self._room = encoder, room
        self._kept: dict[str, FeaturePyramid] = {}
        self._times: list[float] = []
        self.lessons: list[LabelledNodes] = []
        self.seconds: list[float] = []
        whole, done = sum(len(step.samples) for step in stream.steps), 0
        for step in stream.steps:
            told = part(progress, done / whole, (done + len(step.samples)) / whole)
            nodes, seconds = encode_samples(encoder, lesson_of(step), step.experience.name, told)
            self.lessons.append(nodes)
            self.seconds.append(seconds)
            done += len(step.samples)

    @property
    def query_ms(self) -> float:
        return 1000 * sum(self._times) / max(len(self._times), 1)

    def pyramid(self, sample: Sample) -> FeaturePyramid:
        """Return the features of a held-back sample."""
        found = self._kept.get(sample.content_hash)
        if found is None:
            start = time.perf_counter()
            found = self._encoder.encode(sample)
            self._times.append(time.perf_counter() - start)
            size = sum(level.keys.nbytes for level in found.levels)
            if size <= self._room:
                self._room -= size
                self._kept[sample.content_hash] = found
        return found

