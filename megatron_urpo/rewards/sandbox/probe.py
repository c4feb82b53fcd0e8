"""A program that tries what a sandbox forbids; run in a box as an answer would be.

Reads a JSON object: "home", "directory" and "interpreter" are paths outside, "memory_bytes" and
"scratch_bytes" the limits. Writes the JSON list of what it could do, and of what it could not
although a program must be able to.
"""

import contextlib
import ctypes
import functools
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_ENVIRONMENT = {"HOME", "LANG", "PATH", "PWD", "PYTHONHASHSEED", "TMPDIR", "LC_CTYPE"}
_PR_CAPBSET_READ, _CAP_SYS_ADMIN, _CLONE_NEWUSER = 23, 21, 0x10000000


def main() -> None:
    """Try everything."""
    given = json.load(sys.stdin)
    holes: list[str] = []
    libc = ctypes.CDLL(None, use_errno=True)

    def forbidden(what: str, action: Callable[[], object]) -> None:
        try:
            action()
        except (OSError, MemoryError):
            return
        holes.append(f"could {what}")

    def must_not(what: str, found: bool) -> None:
        if found:
            holes.append(f"could {what}")

    # Where no program may write.
    outside = {"/", "/usr", "/etc", "/dev", "/opt", "/proc", given["home"], given["directory"]}
    for name in sorted(outside - {os.environ["TMPDIR"]}):
        forbidden(f"write into {name}", functools.partial(_write, Path(name) / "urpo-probe", 1))
    forbidden(
        f"write more than {given['scratch_bytes']} bytes",
        lambda: _write(Path("large"), given["scratch_bytes"] + (1 << 20)),
    )
    forbidden(
        f"take more than {given['memory_bytes']} bytes of memory",
        lambda: bytearray(given["memory_bytes"]),
    )

    # What no program may see.
    must_not(f"read {given['home']}", _entries(given["home"], given["interpreter"]) > 0)
    must_not(f"read {given['directory']}", _entries(given["directory"], given["interpreter"]) > 0)
    forbidden("read /etc/passwd", Path("/etc/passwd").read_bytes)
    must_not("see processes in /proc", any(name.isdecimal() for name in os.listdir("/proc")))
    must_not("see the process ids of the machine", os.getpid() > 9)
    must_not("see environment variables", not set(os.environ) <= _ENVIRONMENT)

    # What no program may do.
    forbidden("open a network socket", lambda: socket.socket(socket.AF_INET))
    must_not("be root", os.getuid() == 0)
    forbidden("become root", lambda: os.setuid(0))
    must_not("keep privileges", libc.prctl(_PR_CAPBSET_READ, _CAP_SYS_ADMIN, 0, 0, 0) != 0)
    must_not("make namespaces", libc.unshare(_CLONE_NEWUSER) == 0)
    must_not("mount", libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0)
    must_not("make files in memory", libc.memfd_create(b"probe", 0) >= 0)
    with contextlib.suppress(PermissionError):
        os.kill(os.getppid(), signal.SIGKILL)  # ends this program too if it has an effect

    # What a program must be able to do.
    try:
        _write(Path("small"), 1)
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
    except (OSError, RuntimeError) as error:
        holes.append(f"could not write a file or start a thread ({error})")
    print(json.dumps(holes))


def _write(path: Path, size: int) -> None:
    try:
        path.write_bytes(bytes(size))
    finally:
        path.unlink(missing_ok=True)


def _entries(directory: str, interpreter: str) -> int:
    """Entries of a directory other than the way to the interpreter, which may lie in it."""
    try:
        entries = [Path(directory) / name for name in os.listdir(directory)]
    except OSError:
        return 0
    return sum(not Path(interpreter).is_relative_to(entry) for entry in entries)


if __name__ == "__main__":
    main()
