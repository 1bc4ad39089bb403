"""The highest memory of the process while something ran, measured by the kernel."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MEANING = ("growth of the process's resident memory (VmHWM, by the Linux kernel) over what it was before, at its highest, while a step was "
           "absorbed. Freed memory is given back first, but what an allocator keeps and uses again is not in it; work beside is")
_PROCESS = Path("/proc/self")


class Peak:
    """bytes: how far resident memory rose above what it was before; None where the system does not say."""

    bytes: int | None = None


@contextmanager
def peak() -> Iterator[Peak]:
    """Measure what runs inside. The kernel's mark is set back first, which needs Linux; anywhere else nothing is measured."""
    found = Peak()
    with suppress(OSError, AttributeError, TypeError):  # not glibc: then what was freed may stay with the process
        ctypes.CDLL(None).malloc_trim(0)
    try:
        (_PROCESS / "clear_refs").write_text("5", encoding="ascii")  # sets VmHWM to what is resident now, see proc(5)
        before = _marked()
    except OSError:
        before = None
    yield found
    if before is not None:
        found.bytes = max(0, _marked() - before)


def _marked() -> int:
    """Return the highest resident memory since the mark was set back, in bytes."""
    lines = (_PROCESS / "status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
