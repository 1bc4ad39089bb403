"""Telling how far a run is: the share of the whole that is done, and what is being done. Whoever is told may raise, to cancel."""

from collections.abc import Callable

Progress = Callable[..., None] | None  # (share) or (share, text)


def part(progress: Progress, start: float, stop: float, text: str = "") -> Progress:
    """Return the callback for a part of the work: its 0 to 1 is [start, stop] of the whole. text: said where the part says nothing.

    >>> part(lambda share, text: print(f"{share:.2f} {text}"), 0.5, 1.0, "second half")(0.5)
    0.75 second half
    """
    return progress and (lambda share, words="": progress(start + (stop - start) * share, words or text))
