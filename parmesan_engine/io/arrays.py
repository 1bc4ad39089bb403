"""numpy arrays (.npy) and tables of signals (.csv, .tsv, .txt).

Which axes an .npy has, without a hint:
(t) signal; (c, t) signal when c <= 16 and t >= 32 c, else (y, x); (y, x, c) when c <= 4; (c, y, x) when c <= 4;
(z, y, x) otherwise; four axes are (z, y, x, c) when c <= 4, else (c, z, y, x). A hint `spatial_dims` decides:
with one axis more, the channels are the last axis when it is at most 4 and the first is larger, else the first.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from parmesan_engine.errors import FormatError, LimitError, ShapeError
from parmesan_engine.io.files import GIB, check_limit, decoding, plain_numbers
from parmesan_engine.types import Sample

_COLOURS = 4
_LEADS = 16
_LEAD_LENGTH = 32
_SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "milliseconds": 1e-3,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "min": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
}
_TIME = re.compile(r"^(?:time(?:stamp)?|t|seconds|secs?|msec|ms)?[\s_\[\(]*([a-z\u00b5]*)[\]\)]*$")
_COUNTERS = {"", "index", "sample", "samples", "sample #", "n", "unnamed: 0"}
_BLOCK = _LONGEST_LINE = 2**20  # characters
_STEP_TOLERANCE = 0.01  # of the median time step; loggers round their clocks


def axes_of(shape: tuple[int, ...], spatial_dims: int | None, name: str) -> tuple[int, int | None]:
    """Return (spatial axes, position of the channel axis or None) by the rules at the top. Raises ShapeError."""
    dims = len(shape)
    if dims == 0 or dims > 4 or min(shape) < 1 or (spatial_dims and dims not in (spatial_dims, spatial_dims + 1)):
        wanted = (
            f"{spatial_dims} spatial axes, and perhaps one of channels" if spatial_dims else "1 to 4 axes, none empty"
        )
        raise ShapeError(wanted, f"shape {shape} in {name}", "save one signal, picture or volume")
    if spatial_dims == dims:
        return dims, None
    last = shape[-1] <= _COLOURS < shape[0]
    if spatial_dims is not None:
        return spatial_dims, (dims - 1 if last else 0)
    if dims == 2:
        return (1, 0) if shape[0] <= _LEADS and shape[1] >= _LEAD_LENGTH * shape[0] else (2, None)
    if dims == 3:
        if shape[-1] <= _COLOURS:
            return 2, 2
        return (2, 0) if shape[0] <= _COLOURS else (3, None)
    return (3, dims - 1 if last else 0) if dims == 4 else (1, None)


def read_npy(path: Path, *, max_bytes: int, spatial_dims: int | None = None) -> Sample:
    """Return an .npy as (channels, *spatial), with a note when the axes had to be guessed."""
    shape = _check_header(path, max_bytes)
    dims, channel = axes_of(shape, spatial_dims, path.name)
    with decoding(path, "npy"):
        array = plain_numbers(np.load(path, allow_pickle=False), path.name)
    array = array[None] if channel is None else np.moveaxis(array, channel, 0)
    names = {1: ["t"], 2: ["y", "x"], 3: ["z", "y", "x"]}[dims]
    if channel is not None:
        names.insert(channel, "c")
    notes = () if spatial_dims or len(shape) == 1 else (f"axes read as ({', '.join(names)})",)
    return Sample(np.ascontiguousarray(array), path.name, notes=notes)


def npy_shape(path: Path, spatial_dims: int | None) -> tuple[int, ...]:
    """Return the spatial shape as read_npy would, from the header alone."""
    shape = _check_header(path, None)
    _, channel = axes_of(shape, spatial_dims, path.name)
    return tuple(n for i, n in enumerate(shape) if i != channel)


def read_npy_labels(path: Path, *, max_bytes: int) -> np.ndarray:
    """Return the array as stored, NaN allowed (it means unlabelled in values)."""
    _check_header(path, max_bytes)
    with decoding(path, "npy"):
        return np.load(path, allow_pickle=False)


def _check_header(path: Path, max_bytes: int | None) -> tuple[int, ...]:
    """Return the shape after refusing pickles, other dtypes than real numbers, too large and cut-off arrays."""
    with decoding(path, "npy"), open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        start = file.tell()
    if dtype.hasobject:
        raise FormatError(
            "an array of numbers",
            f"Python objects (a pickle) in {path.name}",
            "save numbers with numpy.save(..., allow_pickle=False); pickles are never opened, they can run code",
        )
    if dtype.kind not in "biuf":
        raise FormatError("real numbers", f"{dtype} in {path.name}", "save magnitude or real part as float32")
    if max_bytes is not None:
        check_limit(shape, max_bytes, path.name)
    missing = start + math.prod(shape) * dtype.itemsize - path.stat().st_size
    if missing > 0:
        raise FormatError(
            f"an array of shape {shape}",
            f"{path.name}, {missing:,} bytes short",
            "copy or save it again; it was cut off",
        )
    return shape


def read_csv(path: Path, *, max_bytes: int) -> Sample:
    """Return a table as (columns, rows) float32. A first column of times gives the spacing in s.

    The file is read twice, a block of lines at a time: once to count its rows, once to fill the array.
    """
    if 2 * path.stat().st_size > max_bytes:  # a value takes at least two characters, and four bytes as float32
        raise LimitError(
            f"a table of at most {max_bytes / 2 / GIB:.1f} GiB",
            f"{path.stat().st_size / GIB:.1f} GiB in {path.name}",
            "split it or save it as .npy",
        )
    with decoding(path, "CSV"):
        first, last, lines = None, "", 0
        for block in _blocks(path):
            first, last, lines = block[0] if first is None else first, block[-1], lines + len(block)
        if first is None:
            raise FormatError("rows of numbers", f"no row in {path.name}", "export the table again")
        separator = next((s for s in (";", "\t", ",") if s in first or s in last), None)
        header = _cells(first, separator)
        names = None if all(_is_number(cell) for cell in header) else header
        array, start = _table(path, separator, lines, names is not None, max_bytes)
    array = plain_numbers(array.T, path.name).T
    spacing, dropped, notes = _clock(start, names)
    if dropped:
        array = array[1:]
    return Sample(array, path.name, spacing, "s" if spacing else "px", notes=notes)


def _blocks(path: Path) -> Iterator[list[str]]:
    """Yield the lines that say something, about a MiB of text at a time. Raises LimitError for an endless line."""
    with open(path, encoding="utf-8-sig") as file:
        rest, seen, more = "", 0, True
        while more:
            text = file.read(_BLOCK)
            more = bool(text)
            lines = (rest + text).split("\n")
            for number, line in enumerate(lines, seen + 1):
                if len(line) > _LONGEST_LINE:
                    raise LimitError(
                        f"lines of at most {_LONGEST_LINE:,} characters",
                        f"a longer one, line {number:,} in {path.name}",
                        "write one row per time step, or save it as .npy",
                    )
            if more:
                rest = lines.pop()
            seen += len(lines)
            block = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
            if block:
                yield block


def _cells(line: str, separator: str | None) -> list[str]:
    cells = [cell.strip().strip('"') for cell in line.split(separator)]
    return (
        [cell.replace(",", ".") for cell in cells] if separator == ";" else cells
    )  # decimal commas come with semicolons


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _table(
    path: Path, separator: str | None, lines: int, headed: bool, max_bytes: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return ((columns, rows) float32, the first of several columns as float64). Raises FormatError naming the row."""
    rows, done, lead, array, start = lines - headed, 0, [], None, None
    if not rows:
        raise FormatError("rows of numbers", f"only a header in {path.name}", "export the table again")
    for number, block in enumerate(_blocks(path)):
        block = block[1:] if headed and number == 0 else block
        if not block:
            continue
        if separator == ";":
            block = [row.replace(",", ".") for row in block]
        part = _numbers(lead + block, separator, done - len(lead), path)[len(lead) :]
        if array is None:
            check_limit((part.shape[1], rows), max_bytes, path.name)
            array = np.empty((part.shape[1], rows), np.float32)
            start = np.empty(rows) if part.shape[1] > 1 else None  # float32 is too coarse for times
            lead = block[:1]  # goes before each further block, for the same number of columns
        if done + len(part) > rows:
            break
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused with its place
            array[:, done : done + len(part)] = part.T
        if start is not None:
            start[done : done + len(part)] = part[:, 0]
        done += len(part)
    if done != rows:
        raise FormatError("a table that nobody writes to", f"{path.name}, which changed while it was read", "try again")
    return array, start


def _numbers(rows: list[str], separator: str | None, before: int, path: Path) -> np.ndarray:
    """Return (rows, columns) float64; `before` rows came earlier."""
    try:
        return np.loadtxt(rows, delimiter=separator, ndmin=2, comments=None, quotechar='"')
    except ValueError as error:
        reason = re.sub(r"(?<=at row )\d+", lambda found: str(int(found.group()) + before), str(error))
        raise FormatError(
            "a table of numbers, the same columns in each row",
            f"{path.name}: {reason} (rows count from the first numbers)",
            "mend or remove that row; empty cells are not allowed",
        ) from error


def _clock(start: np.ndarray | None, names: list[str] | None) -> tuple[tuple[float] | None, bool, tuple[str, ...]]:
    """Return (spacing in s or None, whether to leave out the first column, notes). start: that column, if not alone."""
    if start is None or len(start) < 3:
        return None, False, ()
    steps = np.diff(start)
    least, most = float(steps.min()), float(steps.max())
    step = float(np.median(steps, overwrite_input=True))
    even = step > 0 and max(step - least, most - step) <= _STEP_TOLERANCE * step
    name = names[0].lower() if names else None
    match = None if name is None else _TIME.match(name)
    if (name in _COUNTERS and even) or (name is None and even and step == 1.0):
        return None, True, ("first column of row numbers left out",)
    if name is None and even:
        return (step,), True, ("first column read as time in seconds",)
    if not match or match.group(1) not in _SECONDS or step <= 0:
        return None, False, ()
    unit = match.group(1) or (name.strip() if name.strip() in _SECONDS else "")
    if not even:
        return None, True, (f"time column left out, its steps vary ({least:.4g} to {most:.4g})",)
    return (step * _SECONDS[unit],), True, (f"column {names[0]!r} read as time",)
