"""The verb that trains an encoder: options, progress in a terminal, and an interrupt that leaves a checkpoint."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parmesan_engine.cli.measuring import positive
from parmesan_engine.cli.verbs import show_progress
from parmesan_engine.encoders.conv_pyramid import ConvPyramid
from parmesan_engine.errors import FormatError
from parmesan_engine.io import open_dataset
from parmesan_engine.pretrain import checkpoint
from parmesan_engine.pretrain.run import pretrain as run_pretrain
from parmesan_engine.pretrain.scoring import knn_score
from parmesan_engine.pretrain.training import Moment

DEFAULT_MINUTES = 30.0
SHOW_EVERY = 2.0  # seconds


def pretrain_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `pretrain`."""
    command.add_argument("--images", type=Path, metavar="DIR", help="learn from unlabelled files in this folder and below")
    command.add_argument("--categories", action="store_true", help="file names carry categories, NAME_0001.jpg: learn these")
    command.add_argument("--procedural", action="store_true", help="learn from generated scenes; with --images from both in turn")
    command.add_argument("--perspective", action="store_true",
                         help="learn what is where in generated streets and rooms, how it lies and how far it is")
    command.add_argument("--dims", type=int, choices=(1, 2, 3), default=2, help="signals, images or volumes (default: %(default)s)")
    command.add_argument("--widths", type=_numbers, metavar="A,B,...", help="channels of each stage of the network")
    command.add_argument("--depths", type=_numbers, metavar="A,B,...", help="blocks of each stage")
    command.add_argument("--replacement", type=positive, metavar="K", help="every K-th block inside a stage blends its neighbours' weights")
    command.add_argument("--share-gradient", action="store_true", help="these neighbours learn through the blend too")
    length = command.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=_minutes, metavar="M", help=f"default: {DEFAULT_MINUTES:g}")
    length.add_argument("--steps", type=positive, metavar="N")
    command.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    command.add_argument("--score", nargs="+", type=Path, default=[], metavar="DATA",
                         help="k-NN score on these datasets' train splits, afterwards")
    command.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")
    command.add_argument("--resume", action="store_true", help="go on where an interrupted run with the same options stopped")


def pretrain(options: argparse.Namespace) -> dict[str, Any]:
    """Train an encoder and write its weights."""
    minutes = DEFAULT_MINUTES if options.minutes is None and options.steps is None else options.minutes
    if options.share_gradient and not options.replacement:
        raise FormatError("--share-gradient with --replacement", "no --replacement", "give both or none")
    for data in options.score:
        if (axes := open_dataset(data).spatial_dims) != options.dims:  # now, not after the training
            raise FormatError(f"datasets of {options.dims} axes to score on", f"{axes} in {data}", "correct --score or --dims")
    with _interrupts() as interrupted:
        try:
            result = run_pretrain(
                options.out, images=options.images, categories=options.categories, procedural=options.procedural,
                perspective=options.perspective, dims=options.dims,
                widths=options.widths, depths=options.depths, every=options.replacement, share_gradient=options.share_gradient,
                steps=options.steps, minutes=minutes, seed=options.seed, resume=options.resume, device=options.device,
                reading=_reading(interrupted), progress=_shown(interrupted))
        except Stopped as stop:
            saved = checkpoint.path_beside(options.out)
            raise FormatError("a run to its end", f"an interrupt after {stop.step} steps", f"--resume goes on from {saved}") from None
    encoder = ConvPyramid(weights=str(options.out), filters=False, coordinates=False, device=options.device)
    return result | {"scores": [knn_score(encoder, data, progress=show_progress(f"scoring {data.name}")) for data in options.score]}


class Stopped(Exception):  # noqa: N818 (a request, no error)
    """An interrupt that waited until a step was done."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Collect interrupts while training, so that none falls into the middle of a step; a second one is not held back."""
    came: list[int] = []

    def note(number: int, frame: object) -> None:
        came.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)


def _reading(interrupted: list[int]) -> Callable[[float], None]:
    """Return a callback that stops reading once it was interrupted: there is nothing to keep yet."""
    show = show_progress("reading") or (lambda fraction: None)

    def told(fraction: float) -> None:
        if interrupted:
            raise KeyboardInterrupt
        show(fraction)

    return told


def _shown(interrupted: list[int]) -> Callable[[Moment], None]:
    """Return a callback that draws progress on a terminal and stops the run once it was interrupted."""
    last = [0.0]

    def show(moment: Moment) -> None:
        if interrupted:
            raise Stopped(moment.step)
        if sys.stderr.isatty() and (time.monotonic() - last[0] > SHOW_EVERY or moment.fraction >= 1):
            last[0] = time.monotonic()
            left = moment.seconds * (1 / max(moment.fraction, 1e-6) - 1) / 60
            print(f"\rtraining {moment.fraction:4.0%}  step {moment.step}  loss {moment.loss:.3f}  {left:.0f} min left ",
                  end="\n" if moment.fraction >= 1 else "", file=sys.stderr, flush=True)

    return show


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(positive(part) for part in text.split(","))


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"minutes above 0 are needed, not {text!r}")
    return value
