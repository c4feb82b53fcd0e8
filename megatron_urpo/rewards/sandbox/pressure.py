"""How much the machine keeps its processes waiting, as the kernel measures it (/proc/pressure)."""

from __future__ import annotations

import contextlib
import re

_SHARE = re.compile(r"avg\d+=([\d.]+)")
_MUCH = 0.1  # a share of the time


def is_under_pressure(*resources: str) -> bool:
    """Whether something had to wait for one of the resources, a good part of the last while.

    True as well where the kernel does not tell.

    Args:
        resources: cpu, io or memory.
    """
    shares = []
    for resource in resources:
        with contextlib.suppress(OSError), open(f"/proc/pressure/{resource}", "rb") as file:
            # Over 10, 60 and 300 seconds. The line that follows is of those in which all waited.
            shares += [float(each) / 100 for each in _SHARE.findall(file.readline().decode())]
    return not shares or max(shares) >= _MUCH
