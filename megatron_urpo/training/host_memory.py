"""Memory of the host: what was freed and not yet given back, and what need not be looked at."""

from __future__ import annotations

import ctypes
import gc


def release_freed_memory() -> None:
    """Gives the pages of freed blocks back to the system.

    glibc keeps them where a block in use lies behind, and activations of ever new sizes leave
    gigabytes of such gaps. Other C libraries have no such call, and nothing happens there.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def exempt_living_objects() -> None:
    """Takes the objects of now out of later garbage collections; once in a process.

    Megatron collects garbage for every checkpoint. Looking at a million objects of modules, models
    and engine, none of which is garbage, takes half a second each time.
    """
    if gc.get_freeze_count() == 0:
        gc.collect()
        gc.freeze()
