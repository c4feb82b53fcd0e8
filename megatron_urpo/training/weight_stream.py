"""The whole model as a stream of Hugging Face tensors, gathered from all ranks in buckets.

consumes   the parameters of this rank
produces   (HF name, full tensor), the same on every rank and in the same order
waits for  every rank of the model copy, bucket by bucket

A bucket is a run of consecutive parameters of one pipeline stage. Its slices are gathered over the
tensor-parallel ranks, put together, and broadcast to the other stages, each in one collective. So
beside the model a rank holds at most three times the larger of a bucket and the largest parameter:
the gathered slices, the tensors made of them, and those of the bucket before, which the receiver
may not have let go yet. Buffers of the communication library come on top: gloo copies what it
gathers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from torch import Tensor

from megatron_urpo.model_shape import ModelShape
from megatron_urpo.training.fp8_parameters import plain
from megatron_urpo.training.hf_weights import (
    from_shards,
    named_parameters,
    parameter_of,
)
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.weight_map import Cut, StageEntry, hf_names_of, hf_shapes, stage_buckets


def stream_hf_weights(
    chunks: Sequence[torch.nn.Module], shape: ModelShape, parallel: Parallel, bucket_bytes: int
) -> Iterator[tuple[str, Tensor]]:
    """All weights as (HF name, full tensor).

    A collective: every rank must exhaust it. Tensors may share memory with the parameters, so use
    them before the next update.

    Args:
        bucket_bytes: of the full tensors of a bucket; a larger parameter makes one of its own.
    """
    parameters = named_parameters(chunks, shape, parallel)
    dtype = next(iter(parameters.values())).dtype
    for bucket in stage_buckets(shape, parallel.layout, dtype.itemsize, bucket_bytes):
        names = [name for entry in bucket for name in hf_names_of(entry.rule, entry.layer)]
        tensors: list[Tensor] | None = None
        if bucket[0].stage == parallel.pipeline_parallel_rank:
            mine = [
                plain(parameter_of(entry.rule, entry.layer, parameters).detach())
                for entry in bucket
            ]
            tensors = _gather(bucket, mine, shape, parallel)
        if parallel.pipeline_parallel_size > 1:
            tensors = _broadcast(bucket, tensors, shape, dtype, parallel)
        assert tensors is not None
        yield from zip(names, tensors, strict=True)


def _gather(
    bucket: Sequence[StageEntry], mine: Sequence[Tensor], shape: ModelShape, parallel: Parallel
) -> list[Tensor]:
    """The HF tensors of a bucket, on all tensor-parallel ranks of its stage."""
    size = parallel.tensor_parallel_size
    cut = [size > 1 and entry.rule.cut is not Cut.WHOLE for entry in bucket]
    slices = [tensor for tensor, is_cut in zip(mine, cut, strict=True) if is_cut]
    shards_of: list[list[Tensor]] = []
    if slices:
        flat = torch.cat([tensor.reshape(-1) for tensor in slices])
        gathered = flat.new_empty((size, len(flat)))
        dist.all_gather_into_tensor(
            gathered.view(-1), flat, group=parallel_state.get_tensor_model_parallel_group()
        )
        del flat
        shards_of = [list(parts.unbind()) for parts in _split(gathered, slices)]
    tensors: list[Tensor] = []
    for entry, tensor, is_cut in zip(bucket, mine, cut, strict=True):
        shards = shards_of.pop(0) if is_cut else [tensor]
        tensors += from_shards(shards, entry.rule.cut, shape)
    return tensors


def _split(gathered: Tensor, slices: Sequence[Tensor]) -> list[Tensor]:
    """(ranks, elements) cut into one (ranks, *shape) for each slice."""
    columns = gathered.split([tensor.numel() for tensor in slices], dim=1)
    return [part.unflatten(1, tensor.shape) for part, tensor in zip(columns, slices, strict=True)]


def _broadcast(
    bucket: Sequence[StageEntry],
    tensors: Sequence[Tensor] | None,
    shape: ModelShape,
    dtype: torch.dtype,
    parallel: Parallel,
) -> list[Tensor]:
    """The HF tensors of a bucket on all pipeline stages."""
    shapes = [dims for entry in bucket for dims in hf_shapes(entry.rule, shape)]
    sizes = [math.prod(dims) for dims in shapes]
    if tensors is None:
        flat = torch.empty(sum(sizes), dtype=dtype, device=parallel.device)
    else:
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    group = parallel_state.get_pipeline_model_parallel_group()
    dist.broadcast(flat, src=dist.get_process_group_ranks(group)[bucket[0].stage], group=group)
    return [part.view(dims) for part, dims in zip(flat.split(sizes), shapes, strict=True)]
