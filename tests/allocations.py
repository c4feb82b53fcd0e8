"""What a piece of code allocates on the CPU, by the account of torch's allocator."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile


class Allocations(NamedTuple):
    peak: int  # bytes above the start at the worst moment
    net: int  # bytes still there at the end
    result: Any


def measure(function: Callable[[], Any], runs: int = 1) -> Allocations:
    """Runs a function and adds up every allocation and release of the CPU allocator.

    With several runs the least peak: gloo's threads let their buffers go at times of their own.
    """
    return min((_measure_once(function) for _ in range(runs)), key=lambda found: found.peak)


def _measure_once(function: Callable[[], Any]) -> Allocations:
    gc.collect()  # what earlier code left over must not be released meanwhile
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = function()
    current = peak = 0
    assert profiler.profiler is not None
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        current += event.nbytes()
        peak = max(peak, current)
    return Allocations(peak, current, result)


def saved_by_autograd(function: Callable[[], Any], apart_from: list[torch.Tensor]) -> int:
    """Bytes of the storages that autograd keeps for backward passes, each counted once."""
    known = {tensor.untyped_storage().data_ptr() for tensor in apart_from}
    kept: dict[int, torch.UntypedStorage] = {}  # held, so that no address is used twice

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        function()
    return sum(storage.nbytes() for storage in kept.values())
