import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest

from megatron_urpo.run_lock import RunDirectoryBusyError, lock_run_directory


def test_a_second_run_is_refused_and_told_who_has_the_directory(tmp_path):
    lock = lock_run_directory(tmp_path / "run")
    with pytest.raises(RunDirectoryBusyError, match=f"process {os.getpid()} on "):
        lock_run_directory(tmp_path / "run")
    lock.close()
    lock_run_directory(tmp_path / "run").close()


def test_a_killed_run_leaves_no_lock(tmp_path):
    script = (
        "import os, pathlib, signal, sys\n"
        "from megatron_urpo.run_lock import lock_run_directory\n"
        "lock = lock_run_directory(pathlib.Path(sys.argv[1]))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL  # it had the lock by then
    lock_run_directory(tmp_path).close()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch, capsys, number):
    def flock(stream, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    lock_run_directory(tmp_path).close()
    assert (
        f"WARNING: {tmp_path} cannot be locked ({os.strerror(number)})" in capsys.readouterr().out
    )
    assert (tmp_path / ".lock").read_text().startswith(f"{os.getpid()} on ")
