"""Files whole or not at all, and errors of writing that name the file and what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Within it an OSError names `path`: the system does so on opening a file, not on writing.

    Raises:
        OSError: the same error, with the remedy where the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        reason = error.strerror or str(error)
        if error.errno == errno.ENOSPC:
            reason += " (free some disk space and start the same command again)"
        raise OSError(error.errno, reason, str(path)) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a name beside `path` to write to; what is there when the block ends becomes `path`.

    Where the block raises, `path` stays as it was.

    Raises:
        OSError: as `naming` has it.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with naming(temporary):
            yield temporary
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
