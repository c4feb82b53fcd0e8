"""One program a run directory: a second one would cut off the metrics of the first."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import TextIO

from megatron_urpo.run_files import LOCK_FILE
from megatron_urpo.types import RunError

# What file systems without flock answer: Lustre without -o flock, NFS without a lock manager.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


class RunDirectoryBusyError(RunError):
    """Another program writes into the run directory."""


def lock_run_directory(directory: Path) -> TextIO:
    """Locks a run directory, made if absent, for as long as the returned file is open.

    The system drops the lock when the program ends, however it ends. It is advisory, and holds
    between machines where their shared file system supports flock; where it does not, a warning
    says that nothing is locked.

    Raises:
        RunDirectoryBusyError: another program holds it; the message names its process.
    """
    directory.mkdir(parents=True, exist_ok=True)
    stream = (directory / LOCK_FILE).open("a+")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        stream.seek(0)
        holder = stream.read().strip() or "unknown"
        stream.close()
        raise RunDirectoryBusyError(
            f"{directory} is in use by another run (process {holder}): wait for it, stop it, or "
            "choose another run.directory"
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        print(
            f"WARNING: {directory} cannot be locked ({error.strerror}): start one run at a time in "
            "it",
            flush=True,
        )
    stream.truncate(0)
    stream.write(f"{os.getpid()} on {os.uname().nodename}\n")
    stream.flush()
    return stream
