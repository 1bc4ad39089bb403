"""numpy arrays (.npy) and tables of signals (.csv, .tsv, .txt).

Which axes an .npy has, without a hint:
(t) signal; (c, t) signal when c <= 16 and t >= 32 c, else (y, x); (y, x, c) when c <= 4; (c, y, x) when c <= 4;
(z, y, x) otherwise; four axes are (z, y, x, c) when c <= 4, else (c, z, y, x). A hint `spatial_dims` decides:
with one axis more, the channels are the last axis when it is at most 4 and the first is larger, else the first.
"""

import math
import re
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
    """Return a table as (columns, rows) float32. A first column of times gives the spacing in s."""
    if 2 * path.stat().st_size > max_bytes:  # a value takes at least two characters, and four bytes as float32
        raise LimitError(
            f"a table of at most {max_bytes / 2 / GIB:.1f} GiB",
            f"{path.stat().st_size / GIB:.1f} GiB in {path.name}",
            "split it or save it as .npy",
        )
    with decoding(path, "CSV"):
        lines = [
            line
            for line in path.read_text("utf-8-sig").splitlines()
            if line.strip() and not line.lstrip().startswith("#")
        ]
    if not lines:
        raise FormatError("rows of numbers", f"no row in {path.name}", "export the table again")
    separator = next((s for s in (";", "\t", ",") if s in lines[0] or s in lines[-1]), None)
    header = _cells(lines[0], separator)
    names = None if all(_is_number(cell) for cell in header) else header
    rows = lines[1:] if names else lines
    table = plain_numbers(_table(rows, separator, path), path.name)
    spacing, dropped, notes = _clock(table, names)
    columns = [i for i in range(table.shape[1]) if i not in dropped]
    if not columns or not len(table):
        raise FormatError(
            "at least one column of values", f"{len(lines)} rows, {table.shape[1]} columns in {path.name}", "add values"
        )
    array = np.ascontiguousarray(table[:, columns].T.astype(np.float32))
    return Sample(array, path.name, spacing, "s" if spacing else "px", notes=notes)


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


def _table(rows: list[str], separator: str | None, path: Path) -> np.ndarray:
    """Return (rows, columns) float64. Raises FormatError naming the row."""
    if separator == ";":
        rows = [row.replace(",", ".") for row in rows]
    if not rows:
        raise FormatError("rows of numbers", f"only a header in {path.name}", "export the table again")
    try:
        return np.loadtxt(rows, delimiter=separator, ndmin=2, comments=None, quotechar='"')
    except ValueError as error:
        raise FormatError(
            "a table of numbers, the same columns in each row",
            f"{path.name}: {error} (rows count from the first numbers)",
            "mend or remove that row; empty cells are not allowed",
        ) from error


def _clock(table: np.ndarray, names: list[str] | None) -> tuple[tuple[float] | None, set[int], tuple[str, ...]]:
    """Return (spacing in s or None, columns to leave out, notes)."""
    if table.shape[1] < 2 or len(table) < 3:
        return None, set(), ()
    steps = np.diff(table[:, 0])
    step = float(np.median(steps))
    even = step > 0 and bool((np.abs(steps - step) <= _STEP_TOLERANCE * step).all())
    name = names[0].lower() if names else None
    match = None if name is None else _TIME.match(name)
    if (name in _COUNTERS and even) or (name is None and even and step == 1.0):
        return None, {0}, ("first column of row numbers left out",)
    if name is None and even:
        return (step,), {0}, ("first column read as time in seconds",)
    if not match or match.group(1) not in _SECONDS or step <= 0:
        return None, set(), ()
    unit = match.group(1) or (name.strip() if name.strip() in _SECONDS else "")
    if not even:
        return None, {0}, (f"time column left out, its steps vary ({steps.min():.4g} to {steps.max():.4g})",)
    return (step * _SECONDS[unit],), {0}, (f"column {names[0]!r} read as time",)
