"""The optimizer's state of whole parameters, gathered over data parallelism.

Megatron 0.16 gathers flat buffers, holds several copies of them on every rank meanwhile, and then
cuts the parameters out at offsets that count the padding between buckets, which what it gathered
lacks. Here a piece of one kind of state is in flight at a time, so that a rank's device needs no
room for more, and only the first data-parallel rank, whose copy is the one that is written, holds
the result, in host memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from megatron.core.distributed.param_and_grad_buffer import _ParamAndGradBuffer as Buffer
from megatron.core.optimizer.distrib_optimizer import DistributedOptimizer

from megatron_urpo.block_sizes import GATHERED_PIECE_BYTES

_KINDS = ("param", "exp_avg", "exp_avg_sq")


class ParameterStates:
    """One kind of state by parameter, sliced as the flat buffer that Megatron expects here.

    [start:end] is the float32 tensor (end - start,) of the parameter that begins at `start`.
    """

    def __init__(self, by_start: dict[int, torch.Tensor]) -> None:
        self._by_start = by_start

    def __getitem__(self, where: slice) -> torch.Tensor:
        return self._by_start[where.start]


def gathered_state(distributed: DistributedOptimizer) -> dict[Any, Any]:
    """What `get_parameter_state_dp_zero` returns, to be saved. A collective.

    What is whole and on the host already is not copied: updates change it. Ranks other than the
    first of their data-parallel group get tensors of the right shape that have no memory and hold
    nothing.
    """
    state: dict[Any, Any] = {"buckets_coalesced": True}
    for number, buffer in enumerate(distributed.buffers):
        ((dtype, ranges),) = distributed.gbuf_ranges[number].items()
        kinds: dict[str, dict[int, torch.Tensor]] = {kind: {} for kind in _KINDS}
        for index, bucket_range in enumerate(ranges):
            for kind, found in kinds.items():
                found |= _of_bucket(distributed, buffer, index, bucket_range, kind)
        state[number] = {dtype: {kind: ParameterStates(found) for kind, found in kinds.items()}}
    return state


def empty_state(distributed: DistributedOptimizer) -> dict[Any, Any]:
    """The same with memory to load into, on every rank."""
    state: dict[Any, Any] = {"buckets_coalesced": True}
    for number, buffer in enumerate(distributed.buffers):
        (dtype,) = distributed.gbuf_ranges[number]
        places = buffer.param_index_map.values()
        state[number] = {
            dtype: {
                kind: ParameterStates({start: torch.zeros(end - start) for start, end, _ in places})
                for kind in _KINDS
            }
        }
    return state


def _of_bucket(
    distributed: DistributedOptimizer,
    buffer: Buffer,
    index: int,
    bucket_range: dict[str, Any],
    kind: str,
) -> dict[int, torch.Tensor]:
    """One kind of state of a bucket's parameters, by their start in the buffer."""
    group = distributed.data_parallel_group
    own = {
        parameter: distributed._get_main_param_and_optimizer_states(parameter)[kind].detach()
        for parameter in bucket_range["param_map"]
    }
    if group.size() == 1:
        return {
            start: own[parameter].flatten().to("cpu", torch.float32)
            for parameter, start, _ in _places(buffer, index)
        }
    offset, _ = buffer.bucket_indices[index]
    places = sorted((start - offset, end - offset) for _, start, end in _places(buffer, index))
    is_first = group.rank() == 0
    found = {
        start: torch.zeros(end - start) if is_first else torch.zeros(1).expand(end - start)
        for start, end in places
    }
    held = [
        (ranges["gbuf_local"].start, own[parameter].flatten())
        for parameter, ranges in bucket_range["param_map"].items()
    ]
    shard_size = buffer.buckets[index].grad_data.numel() // group.size()
    piece_size = max(GATHERED_PIECE_BYTES // 4 // (group.size() + 1), 1)
    for begin in range(0, shard_size, piece_size):
        piece = torch.zeros(min(piece_size, shard_size - begin), device=buffer.grad_data.device)
        for start, state in held:
            _copy_overlap(start, state, begin, piece)
        for rank, part in enumerate(_gather(piece, group)):
            for start, state in found.items():
                _copy_overlap(rank * shard_size + begin, part, start, state)
    return {offset + start: state for start, state in found.items()}


def _gather(piece: torch.Tensor, group: torch.distributed.ProcessGroup) -> list[torch.Tensor]:
    """The pieces of all ranks on the first of the group, nothing on the others."""
    is_first = group.rank() == 0
    parts = [torch.empty_like(piece) for _ in range(group.size())] if is_first else None
    first = torch.distributed.get_process_group_ranks(group)[0]
    torch.distributed.gather(piece, parts, first, group)
    return parts or []


def _copy_overlap(start: int, source: torch.Tensor, begin: int, target: torch.Tensor) -> None:
    """Copies what two stretches of one axis, which begin at `start` and `begin`, have in common."""
    low = max(start, begin)
    high = min(start + source.numel(), begin + target.numel())
    if low < high:
        target[low - begin : high - begin] = source[low - start : high - start]


def _places(buffer: Buffer, index: int) -> Iterator[tuple[torch.nn.Parameter, int, int]]:
    """The parameters of a bucket and where they lie in the buffer."""
    for parameter, (start, end, bucket) in buffer.param_index_map.items():
        if bucket == index:
            yield parameter, start, end
