"""The truth of samples, where it is known: kept beside them to score predictions against, never learned from.

    NAME/truth/SAMPLE.npy      int16 class ids, -1 = not labelled; or float32 values, NaN = not labelled
"""

from pathlib import Path

import numpy as np

from parmesan_engine.errors import ShapeError, StoreError
from parmesan_engine.io.files import write_beside
from parmesan_engine.project.samples import SampleRecord
from parmesan_engine.types import TaskSpec

FOLDER = "truth"


def keep_truth(folder: Path, record: SampleRecord, labels: np.ndarray) -> None:
    """Store the truth of a sample of the project in `folder`. Raises ShapeError for labels of another shape, StoreError."""
    if labels.shape != record.spatial_shape:
        raise ShapeError(f"labels of shape {record.spatial_shape}, as {record.name}", f"{labels.shape}", "give the labels of this sample")
    kind, path = (np.float32 if labels.dtype.kind == "f" else np.int16), _file(folder, record.id)
    write_beside(path, lambda file: np.save(file, labels.astype(kind, copy=False), allow_pickle=False))


def truth(folder: Path, sample_id: str) -> np.ndarray | None:
    """Return the truth of a sample as it was given, mapped from disk; None where it is not known (see `in_use`).

    Raises StoreError for a damaged file.
    """
    try:
        return np.load(_file(folder, sample_id), mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError("the stored truth of the sample", str(error), "add the labels again") from error



def in_use(given: np.ndarray, task: TaskSpec) -> np.ndarray:
    """Return a truth, or a part of one, in which a class that was merged into another is that other; -1 where that is not known.

    The file stays as it was given, so that undoing the merge brings the old truth back.
    """
    if not task.retired:
        return given
    now = np.array(given)
    for index in task.retired:
        now[given == index] = task.heir(index)
    return now


def has_truth(folder: Path, sample_id: str) -> bool:
    """Return whether the truth of a sample is known."""
    return _file(folder, sample_id).is_file()


def drop_truth(folder: Path, sample_id: str) -> None:
    """Delete the truth of a sample; nothing happens where there is none."""
    _file(folder, sample_id).unlink(missing_ok=True)


def truth_stamp(folder: Path) -> tuple:
    """Return a value that differs once the truth of any sample has changed."""
    return tuple(sorted((path.stem, path.stat().st_mtime_ns, path.stat().st_size) for path in (folder / FOLDER).glob("*.npy")))


def _file(folder: Path, sample_id: str) -> Path:
    return folder / FOLDER / f"{sample_id}.npy"
