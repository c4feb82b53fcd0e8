"""Main memory that this process may use: the machine's, or less where a container limits it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Read = Callable[[Path], str]

_CGROUP = Path("/sys/fs/cgroup")


def _read(path: Path) -> str:
    return path.read_text(encoding="ascii")


def total_memory(read: Read = _read) -> int:
    """Bytes of the machine, or of its container."""
    total, limit = _machine("MemTotal", read), _limit(read)
    return total if limit is None else min(total, limit)


def available_memory(read: Read = _read) -> int:
    """Bytes that this process may still take."""
    available, limit = _machine("MemAvailable", read), _limit(read)
    if limit is None:
        return available
    return min(available, limit - int(read(_CGROUP / "memory.current")))


def _machine(field: str, read: Read) -> int:
    lines = read(Path("/proc/meminfo")).splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields[field].split()[0]) * 1024


def _limit(read: Read) -> int | None:
    try:
        limit = read(_CGROUP / "memory.max").strip()
    except FileNotFoundError:
        return None
    return None if limit == "max" else int(limit)
