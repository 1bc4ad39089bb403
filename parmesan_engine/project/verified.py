"""Which samples a person has checked: a mark per sample, with who, when and at which version of the memory.

    NAME/verified/SAMPLE.json

The mark is the person's word on a prediction, so it stays when the memory moves on; it then says that it is of an older version.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from parmesan_engine.errors import FormatError
from parmesan_engine.io.files import write_beside

FOLDER = "verified"


@dataclass(frozen=True)
class Mark:
    """Who has checked a sample, when (seconds since 1970), at which version of the memory."""

    author: str
    time: float
    version: str


def verify_sample(folder: Path, sample_id: str, *, author: str, version: str) -> Mark:
    """Mark a sample of the project in `folder` as checked, and return the mark. Raises StoreError."""
    mark, path = Mark(author, time.time(), version), _file(folder, sample_id)
    write_beside(path, lambda file: file.write(json.dumps(asdict(mark)).encode()))
    return mark


def unverify_sample(folder: Path, sample_id: str) -> None:
    """Take the mark of a sample away; nothing happens where there is none."""
    _file(folder, sample_id).unlink(missing_ok=True)


def verified(folder: Path) -> dict[str, Mark]:
    """Return the marks of the project in `folder` by sample id, those of other processes too. Raises FormatError for a damaged one."""
    marks = {path.stem: read_mark(path) for path in sorted((folder / FOLDER).glob("*.json"))}
    return {sample_id: mark for sample_id, mark in marks.items() if mark is not None}


def _file(folder: Path, sample_id: str) -> Path:
    return folder / FOLDER / f"{sample_id}.json"


def read_mark(path: Path) -> Mark | None:
    """Return the mark in a file, None where it is gone. Raises FormatError."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return Mark(str(fields["author"]), float(fields["time"]), str(fields["version"]))
    except FileNotFoundError:  # taken away by another process just now
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FormatError(f"a readable {path.name}", str(error), "delete the file and check the sample again") from error
