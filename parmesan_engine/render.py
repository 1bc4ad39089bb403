"""Arrays to RGB pictures, as uint8 (h, w, 3): samples, values, thumbnails.

A volume is cut across one of its axes (0 = z, 1 = y, 2 = x), the other two stay in order. A signal becomes a plot: the
pixel in column x shows the samples from x * x_step up to (x + 1) * x_step; rows say nothing.
"""

import numpy as np
from PIL import Image, ImageDraw

from parmesan_engine.errors import ShapeError
from parmesan_engine.types import Sample

_PERCENTILES = (0.5, 99.5)  # of the intensities, shown as black and white
_FULL_RANGE = 128  # 8-bit pictures that span this much are shown as they are
_WINDOW_SAMPLES = 2**16  # values that are enough to know percentiles
_PAPER, _GRID, _ZERO, _INK = (250, 250, 248), (234, 235, 236), (200, 204, 208), (30, 60, 110)
_HALF_LINE = 0.85  # pixels, half the thickness of a trace
_UNKNOWN = (110, 110, 110)
# Samples of matplotlib's "viridis" (CC0), at equal steps; in between is linear.
_VIRIDIS = (
    (68, 1, 84),
    (71, 44, 122),
    (59, 81, 139),
    (44, 113, 142),
    (33, 144, 141),
    (39, 173, 129),
    (92, 200, 99),
    (170, 220, 50),
    (253, 231, 37),
)


def values_rgb(values: np.ndarray, value_range: tuple[float, float] | None = None) -> np.ndarray:
    """Return values as colours, violet (low) over green to yellow (high), NaN grey. Default range: the values' own."""
    known = values[np.isfinite(values)]
    low, high = value_range or ((float(known.min()), float(known.max())) if known.size else (0.0, 1.0))
    map01 = (values - low) / (high - low if high > low else 1.0)
    positions = np.linspace(0, 1, len(_VIRIDIS))
    table = np.stack(
        [np.interp(np.linspace(0, 1, 256), positions, channel) for channel in zip(*_VIRIDIS, strict=True)], 1
    )
    table = np.vstack([np.rint(table), [_UNKNOWN]]).astype(np.uint8)
    unknown = ~np.isfinite(map01)
    codes = (np.clip(np.where(unknown, 0, map01), 0, 1) * 255 + 0.5).astype(np.int16)
    codes[unknown] = 256
    return table[codes]


def plane_of(
    array: np.ndarray, axis: int | None = None, index: int | None = None, *, height: int = 256, x_step: int = 1
) -> np.ndarray:
    """Return the (h, w) plane of labels or of a map (*spatial) that lies on `to_rgb` with the same arguments."""
    if array.ndim == 1:
        return np.broadcast_to(array[::x_step], (height, -(-len(array) // x_step)))
    if array.ndim == 2:
        return array
    axis = axis or 0
    return array.take(array.shape[axis] // 2 if index is None else index, axis=axis)


def to_rgb(
    sample: Sample,
    axis: int | None = None,
    index: int | None = None,
    *,
    height: int = 256,
    x_step: int = 1,
    channel: int | None = None,
    limits: list[tuple[float, float]] | None = None,
) -> np.ndarray:
    """Return a sample as a picture (h, w, 3). axis, index: which plane of a volume (default: the middle across z).

    height and x_step are for signals. Intensities are spread between robust limits of the whole sample, so that planes
    of one volume compare; 8-bit pictures that already fill their range stay as they are. channel: only this one, as grey;
    limits: the values shown as black and white of each shown channel (default: `windows`).
    """
    if sample.spatial_dims == 1:
        return signal_rgb(sample.array, height=height, x_step=x_step)
    planes = [plane_of(one, axis, index) for one in _shown(sample, channel)]
    return _to_bytes(np.stack(planes, -1), (limits or windows(sample, channel))[: len(planes)])


def _shown(sample: Sample, channel: int | None = None) -> np.ndarray:
    """Return the 1, 2 or 3 channels that are shown."""
    return sample.array[: min(sample.channels, 3)] if channel is None else sample.array[channel : channel + 1]


def windows(sample: Sample, channel: int | None = None) -> list[tuple[float, float]]:
    """Return the values shown as black and white for each shown channel; three channels share theirs, to keep hues.

    channel: as in `to_rgb`.
    """
    shown = _shown(sample, channel)
    stride = max(1, shown[0].size // _WINDOW_SAMPLES)
    values = shown.reshape(len(shown), -1)[:, :: stride | 1]  # odd steps do not fall into the columns of a picture
    if len(shown) == 3:
        values = np.broadcast_to(values.reshape(1, -1), (3, values.size))[:1]
    limits = []
    for row in values:
        low, high = np.percentile(row, _PERCENTILES)
        if low == high:
            low, high = row.min(), row.max()
        if sample.array.dtype == np.uint8 and (high == low or high - low >= _FULL_RANGE):
            low, high = 0, 255
        limits.append((float(low), float(high)))
    return limits * 3 if len(shown) == 3 else limits


def _to_bytes(plane: np.ndarray, limits: list[tuple[float, float]]) -> np.ndarray:
    """Return (h, w, 1..3) values as RGB; one channel is grey, two are green and magenta."""
    if plane.dtype == np.uint8 and all(limit == (0.0, 255.0) for limit in limits):
        shown = plane
    else:
        low = np.asarray([limit[0] for limit in limits], np.float32)
        span = np.asarray([limit[1] - limit[0] for limit in limits], np.float32)
        scaled = (plane.astype(np.float32) - low) * (255 / np.where(span > 0, span, 1))
        shown = np.where(span > 0, np.clip(scaled + 0.5, 0, 255), 128).astype(np.uint8)
    channels = plane.shape[-1]
    order = {1: [0, 0, 0], 2: [1, 0, 1], 3: [0, 1, 2]}[channels]
    return np.ascontiguousarray(shown if channels == 3 else shown[..., order])


def signal_rgb(array: np.ndarray, *, height: int, x_step: int) -> np.ndarray:
    """Return (channels, t) as a plot (height, ceil(t / x_step), 3), one lane per channel, each in its own range."""
    width = -(-array.shape[1] // x_step)
    lanes = np.linspace(0, height, len(array) + 1).astype(int)
    picture = np.empty((height, width, 3), np.uint8)
    for channel, top, bottom in zip(array, lanes[:-1], lanes[1:], strict=True):
        padded = np.pad(channel.astype(np.float32), (0, width * x_step - len(channel)), mode="edge")
        columns = padded.reshape(width, x_step)
        low, high = columns.min(1), columns.max(1)
        middle = (columns[1:, 0] + columns[:-1, -1]) / 2  # the line between two columns is shared half and half
        low[1:], high[1:] = np.minimum(low[1:], middle), np.maximum(high[1:], middle)
        low[:-1], high[:-1] = np.minimum(low[:-1], middle), np.maximum(high[:-1], middle)
        picture[top:bottom] = _trace(low, high, _signal_range(channel), bottom - top)
    picture[lanes[1:-1]] = _ZERO
    return picture


def _signal_range(channel: np.ndarray) -> tuple[float, float]:
    """Return the values at the lower and upper edge of a lane: all of the trace, with a margin."""
    low, high = float(channel.min()), float(channel.max())
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin


def _trace(low: np.ndarray, high: np.ndarray, limits: tuple[float, float], height: int) -> np.ndarray:
    """Return a plot (height, w, 3) in which column x is inked from low[x] to high[x], with antialiased ends."""
    scale = height / (limits[1] - limits[0])
    top, bottom = (limits[1] - high) * scale - _HALF_LINE, (limits[1] - low) * scale + _HALF_LINE
    rows = np.arange(height, dtype=np.float32)[:, None]
    ink = np.minimum(rows + 1, bottom.astype(np.float32)) - np.maximum(rows, top.astype(np.float32))
    ink = np.clip(ink, 0, 1)[..., None]
    paper = np.empty((height, 1, 3), np.float32)
    paper[:] = _PAPER
    for row in _grid_rows(limits, height):
        paper[row] = _GRID
    if limits[0] < 0 < limits[1]:
        paper[min(height - 1, int(limits[1] * scale))] = _ZERO
    return (paper + (np.asarray(_INK, np.float32) - paper) * ink + 0.5).astype(np.uint8)


def _grid_rows(limits: tuple[float, float], height: int) -> np.ndarray:
    """Return the rows of round values (1, 2 or 5 times a power of ten), about five of them."""
    raw = (limits[1] - limits[0]) / 5
    power = 10.0 ** np.floor(np.log10(raw))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    values = np.arange(np.ceil(limits[0] / step), np.floor(limits[1] / step) + 1) * step
    return np.clip((limits[1] - values) / (limits[1] - limits[0]) * height, 0, height - 1).astype(int)


def miniature(sample: Sample, size: int = 96) -> np.ndarray:
    """Return a sample as a small picture (h, w, 3) with a longer side of about `size`; a volume by its middle plane across z.

    Reads only about as much of the sample as it shows.
    """
    if sample.spatial_dims == 1:
        return signal_rgb(sample.array, height=size, x_step=-(-sample.array.shape[1] // size))
    step = max(1, max(sample.spatial_shape[-2:]) // (2 * size))
    middle = () if sample.spatial_dims == 2 else (sample.spatial_shape[0] // 2,)
    plane = _shown(sample)[(slice(None), *middle, slice(None, None, step), slice(None, None, step))]
    image = Image.fromarray(_to_bytes(np.moveaxis(plane, 0, -1), windows(sample)))
    image.thumbnail((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image)


def thumbnail(sample: Sample, at: tuple[int, ...], size: int = 80) -> tuple[np.ndarray, tuple[tuple[int, int], ...]]:
    """Return ((size, size, 3), box): the surroundings of a coordinate with the place marked.

    box holds (start, stop) along each spatial axis; of a volume the plane across z is shown. Pictures: about a sixth of
    the width, between 32 and 96 pixels, ringed. Signals: 256 samples, the place under an upright line.
    """
    if len(at) != sample.spatial_dims or not all(0 <= a < n for a, n in zip(at, sample.spatial_shape, strict=True)):
        raise ShapeError(
            f"a coordinate inside {sample.spatial_shape}", f"{tuple(at)}", "give one index per spatial axis"
        )
    if sample.spatial_dims == 1:
        return _signal_thumbnail(sample.array, at[0], size)
    shape = sample.spatial_shape[-2:]
    reach = min(max(max(shape) // 6, 32), 96)
    (y0, y1), (x0, x1) = (_around(a, n, reach) for a, n in zip(at[-2:], shape, strict=True))
    plane = _shown(sample) if sample.spatial_dims == 2 else _shown(sample)[:, at[0]]
    crop = Image.fromarray(_to_bytes(np.moveaxis(plane[:, y0:y1, x0:x1], 0, -1), windows(sample)))
    scale = size / max(crop.size)
    shown = crop.resize([max(1, round(n * scale)) for n in crop.size], Image.Resampling.BICUBIC)
    picture = Image.new("RGB", (size, size), _PAPER)
    corner = ((size - shown.width) // 2, (size - shown.height) // 2)
    picture.paste(shown, corner)
    centre = (corner[0] + (at[-1] - x0 + 0.5) * scale, corner[1] + (at[-2] - y0 + 0.5) * scale)
    depth = ((at[0], at[0] + 1),) if sample.spatial_dims == 3 else ()
    return _ring(np.asarray(picture), centre, max(5.0, size / 12, 1.2 * scale)), (*depth, (y0, y1), (x0, x1))


def _around(at: int, length: int, reach: int) -> tuple[int, int]:
    """Return (start, stop) of `reach` steps around `at`, pushed inside [0, length)."""
    start = max(0, min(at - reach // 2, length - reach))
    return start, min(length, start + reach)


def _ring(picture: np.ndarray, centre: tuple[float, float], radius: float) -> np.ndarray:
    """Return the picture with a white ring, edged in black to show on any ground, open where the place itself is."""
    rows, columns = np.indices(picture.shape[:2], dtype=np.float32) + 0.5
    distance = np.abs(np.hypot(columns - centre[0], rows - centre[1]) - radius)
    edge, line = np.clip(2.6 - distance, 0, 1)[..., None], np.clip(1.4 - distance, 0, 1)[..., None]
    dark = picture * (1 - 0.85 * edge)
    return (dark + (255 - dark) * line + 0.5).astype(np.uint8)


def _signal_thumbnail(array: np.ndarray, at: int, size: int) -> tuple[np.ndarray, tuple[tuple[int, int]]]:
    start, stop = _around(at, array.shape[1], 256)
    scale = 2 * size / (stop - start)  # drawn twice as large, then halved, for smooth slopes
    edges = np.linspace(start, stop, 2 * size + 1) - 0.5
    lanes = np.linspace(0, 2 * size, len(array) + 1).astype(int)
    picture = np.empty((2 * size, 2 * size, 3), np.uint8)
    for channel, top, bottom in zip(array, lanes[:-1], lanes[1:], strict=True):
        ends = np.interp(edges, np.arange(start, stop), channel[start:stop].astype(np.float32))
        ordered = np.sort(np.stack([ends[:-1], ends[1:]]), 0)
        picture[top:bottom] = _trace(*ordered, _signal_range(channel[start:stop]), bottom - top)
    image = Image.fromarray(picture)
    x = min(max((at - start + 0.5) * scale, 2), 2 * size - 3)  # all of the line inside
    mark = ImageDraw.Draw(image)
    mark.line([(x, 0), (x, 2 * size)], fill=(214, 60, 30), width=3)
    return np.asarray(image.resize((size, size), Image.Resampling.BOX)), ((start, stop),)
