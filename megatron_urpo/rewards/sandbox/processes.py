"""What the processes of a box use, all together, read from /proc."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a process and all its descendants."""

    processes: int  # threads counted
    cpu_seconds: float  # of the living, and of the dead they waited for
    resident_bytes: int  # an upper bound: shared pages count in every process
    runnable: bool  # a thread runs or wants to run
    blocked: bool  # a thread waits in the kernel, and not for a child: for a disk


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    state: str
    threads: int
    cpu_seconds: float
    resident_bytes: int


def kill_descendants(root: int) -> None:
    """Kill all that was started below a process, however fast it multiplies.

    For where no pid namespace ends them: process groups are killed as wholes, which nothing in them
    can run away from.
    """
    own_group = os.getpgid(root)
    while left := descendants([root]):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                group = os.getpgid(pid)
                if group == own_group:
                    os.kill(pid, signal.SIGKILL)
                else:
                    os.killpg(group, signal.SIGKILL)


def descendants(roots: list[int]) -> list[int]:
    """The living processes below the roots, which are not among them."""
    children = defaultdict(list)
    for pid, process in _processes():
        if process.state != "Z":
            children[process.parent].append(pid)
    found, queue = [], list(roots)
    while queue:
        mine = children[queue.pop()]
        found += mine
        queue += mine
    return found


def usage(roots: list[int]) -> Usage:
    """What the roots and all their descendants use."""
    table = dict(_processes())
    children = defaultdict(list)
    for pid, process in table.items():
        children[process.parent].append(pid)
    threads, cpu, resident, runnable, blocked = 0, 0.0, 0, False, False
    queue = [pid for pid in roots if pid in table]
    while queue:
        pid = queue.pop()
        process = table[pid]
        threads += process.threads
        cpu += process.cpu_seconds
        resident += process.resident_bytes
        if not runnable:
            states = _thread_states(pid) if process.threads > 1 else process.state
            runnable = "R" in states
            # A parent is in the same state while a child of its vfork() keeps it waiting.
            is_parent = any(table[child].state != "Z" for child in children[pid])
            blocked = blocked or ("D" in states and not is_parent)
        queue += children[pid]
    return Usage(threads, cpu, resident, runnable, blocked)


def own_memory(roots: list[int], baseline_bytes: int) -> int:
    """Bytes the descendants of the roots take, but for what each shares with its forefather.

    Memory that processes share by mapping counts in each of them.

    Args:
        baseline_bytes: anonymous memory that every process has from the one it was forked from.
    """
    total = 0
    for pid in descendants(roots):
        try:
            anonymous, shared = memory(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += max(0, anonymous - baseline_bytes) + shared
    return total


def memory(pid: int) -> tuple[int, int]:
    """Bytes of anonymous and of shared-memory pages of a process.

    Raises FileNotFoundError or ProcessLookupError when it is gone.
    """
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        fields = dict(line.split(":", 1) for line in file)
    # A zombie has none.
    anonymous, shared = (
        int(fields.get(name, "0 kB").split()[0]) * 1024 for name in ("RssAnon", "RssShmem")
    )
    return anonymous, shared


def _thread_states(pid: int) -> str:
    """One letter for each thread of a process: its own line tells of the first one only."""
    states = ""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                states += _fields(f"/proc/{pid}/task/{thread}/stat")[0].decode()
    return states


def _fields(path: str) -> list[bytes]:
    """The fields of a stat file from the third on, the state."""
    with open(path, "rb") as file:
        # The command's name may hold anything, parentheses too.
        return file.read().rpartition(b")")[2].split()


def _processes() -> Iterator[tuple[int, _Process]]:
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            fields = _fields(f"/proc/{name}/stat")
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield (
            int(name),
            _Process(
                parent=int(fields[1]),
                state=fields[0].decode(),
                threads=int(fields[17]),
                cpu_seconds=sum(map(int, fields[11:15])) / _TICKS,
                resident_bytes=int(fields[21]) * _PAGE,
            ),
        )
