"""The error classes of the engine. Each also inherits the matching built-in, so `except ValueError` works as expected.

A message always has three parts: what was expected, what was got, and what to do about it.
"""

MEND = "run `python -m parmesan_engine repair PROJECT`, or go back to a backup"  # what to do about damaged files of a project


class ParmesanError(Exception):
    """Base of every error that a user of the engine can cause and mend.

    >>> print(LimitError("at most 4 GiB", "36 GiB (shape 100000 x 100000)", "crop or downsample the image"))
    expected at most 4 GiB; got 36 GiB (shape 100000 x 100000); crop or downsample the image
    """

    def __init__(self, expected: str, got: str, todo: str) -> None:
        self.expected, self.got, self.todo = expected, got, todo
        super().__init__(f"expected {expected}; got {got}; {todo}")

    def __str__(self) -> str:  # KeyError would print the repr of its argument
        return str(self.args[0])

    def __reduce__(self):  # three constructor arguments, one stored in args: rebuild from the three
        return type(self), (self.expected, self.got, self.todo)


class ShapeError(ParmesanError, ValueError):
    """An array has the wrong number of dimensions or sizes that do not fit together."""


class FormatError(ParmesanError, ValueError):
    """A file or message cannot be read as what it claims to be."""


class UnknownNameError(ParmesanError, KeyError):
    """A name, id or class was asked for that does not exist."""


class EmptyMemoryError(ParmesanError, LookupError):
    """A prediction or a fit was asked of a memory without entries."""


class VersionError(ParmesanError, LookupError):
    """A version does not exist, was purged, or was written by a newer program."""


class LimitError(ParmesanError, ValueError):
    """A size is beyond what is allowed; raised before anything of that size is allocated."""


class StoreError(ParmesanError, OSError):
    """The durable store cannot be written or is damaged."""
