"""Memory of the host that was freed and not yet given back."""

from __future__ import annotations

import ctypes


def release_freed_memory() -> None:
    """Gives the pages of freed blocks back to the system.

    glibc keeps them where a block in use lies behind, and activations of ever new sizes leave
    gigabytes of such gaps. Other C libraries have no such call, and nothing happens there.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
