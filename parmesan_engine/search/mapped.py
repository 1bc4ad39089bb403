"""Arrays in a scratch file, so that an index may be larger than RAM: the system keeps in RAM the pages that are in use.

The file has no name: it is unlinked as soon as it is mapped, so nothing is left behind however the process ends, and its room on
the disk is free again once the array is gone. It is reserved in full beforehand: a disk that fills up later would kill the
process when a page is written.
"""

import math
import os
import tempfile
from pathlib import Path

import torch

from parmesan_engine.errors import StoreError


def mapped_array(shape: tuple[int, ...], dtype: torch.dtype, folder: Path) -> torch.Tensor:
    """Return an array of zeros on the CPU that lies in a file in `folder` (of a real disk: /tmp may be RAM). Raises StoreError."""
    size = math.prod(shape)
    if size == 0:  # nothing can be mapped
        return torch.empty(shape, dtype=dtype)
    try:
        file, name = tempfile.mkstemp(prefix=".index-", dir=folder)
        try:
            os.posix_fallocate(file, 0, size * dtype.itemsize)
            return torch.from_file(name, shared=True, size=size, dtype=dtype).reshape(shape)
        finally:
            Path(name).unlink()
            os.close(file)
    except OSError as error:
        raise StoreError(f"room for {size * dtype.itemsize:,} bytes of search index in {folder}", error.strerror or str(error),
                         "free space, choose another folder, or keep the index in RAM") from error
