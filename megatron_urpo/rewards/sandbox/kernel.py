"""The system calls that Python 3.11 has no function for."""

from __future__ import annotations

import ctypes
import os
import platform

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

_SIGCHLD = 17
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY_FILE = "/proc/sys/kernel/cap_last_cap"
_SYS_CLONE = {"x86_64": 56, "aarch64": 220}

# PyDLL keeps the GIL: the child of a raw clone has no other thread that could give it back.
_libc = ctypes.PyDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def fork_into_namespaces(flags: int) -> int:
    """fork() whose child is in new namespaces; the process id in the parent, 0 in the child.

    Only for a child that soon forks again or ends: the C library knows nothing of this one.
    """
    number = _SYS_CLONE.get(platform.machine())
    if number is None:
        raise OSError(f"{platform.machine()}: the sandbox knows {', '.join(_SYS_CLONE)} only")
    zero = ctypes.c_long(0)
    flag_word = ctypes.c_long(flags | _SIGCHLD)
    return _checked(
        _libc.syscall(ctypes.c_long(number), flag_word, zero, zero, zero, zero), "clone"
    )


def unshare(flags: int) -> None:
    """Move this process into new namespaces."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None) -> None:
    """mount(2)."""
    _checked(
        _libc.mount(
            source.encode(),
            target.encode(),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            options.encode() if options else None,
        ),
        f"mount {target}",
    )


def prctl(option: int, argument: int = 0, pointer: ctypes.c_void_p | None = None) -> None:
    """prctl(2) with at most one number and one pointer."""
    zero = ctypes.c_ulong(0)
    third = pointer if pointer is not None else zero
    _checked(
        _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(argument), third, zero, zero),
        f"prctl {option}",
    )


def drop_bounding_set() -> None:
    """See to it that no program started from now on gains a capability."""
    with open(_LAST_CAPABILITY_FILE, encoding="ascii") as file:
        last = int(file.read())
    for capability in range(last + 1):
        prctl(PR_CAPBSET_DROP, capability)


def clear_capabilities() -> None:
    """Give up all capabilities of this process."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_libc.capset(header, nothing), "capset")


def flush_c_streams() -> None:
    """Write what the C library's streams hold."""
    _libc.fflush(None)
