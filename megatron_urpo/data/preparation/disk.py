"""Writing files that the disk may not hold: the error names the file and the remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from megatron_urpo.data.jsonl import DataError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around what writes a file.

    Raises:
        DataError: the file cannot be written, for want of room or for another reason.
    """
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror or error}): free space in {path.parent}, "
            "or set `directory` to a place with enough; what is finished is taken up again"
        ) from error


def mapped_array(path: Path, shape: tuple[int, int]) -> npt.NDArray[np.uint32]:
    """An array in a file of its own, so that the system may drop what is not in use of it.

    The room is taken at once: writing to a page that a full disk cannot hold ends the process.

    Raises:
        DataError: there is not enough room.
    """
    size = 4 * shape[0] * shape[1]
    with writing(path), path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)
    return np.memmap(path, np.uint32, "r+", shape=shape)
