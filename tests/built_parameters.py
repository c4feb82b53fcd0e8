"""Parameters of every shard of a layout as Megatron builds them: the oracle of what is planned.

Each rank's model is built on the meta device, so nothing is allocated, in a world whose process
groups know their size and rank but cannot communicate. Which copy of a parameter counts is
Megatron's word too: the one that a distributed checkpoint would write.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.dist_checkpointing.dict_utils import nested_values
from megatron.core.dist_checkpointing.mapping import ShardedTensor, apply_factories, is_main_replica
from torch.testing._internal.distributed.fake_pg import FakeStore

from megatron_urpo.config import Config
from megatron_urpo.layout import Layout
from megatron_urpo.model_shape import ModelShape
from megatron_urpo.training import platform as platforms
from megatron_urpo.training.model import build_model
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.platform import Platform
from megatron_urpo.training.sharded_state import sharded_model_state
from megatron_urpo.weight_map import EMBEDDING_RULE, OUTPUT_RULE

_META = Platform(device=torch.device("meta"), backend="fake")
_VOCABULARY_KEYS = (EMBEDDING_RULE.megatron, OUTPUT_RULE.megatron)


@dataclass(frozen=True, slots=True)
class ShardParameters:
    """What one model-parallel rank holds, in numbers of parameters."""

    tensor_parallel_rank: int
    pipeline_parallel_rank: int
    held: int  # all of them, vocabulary padding and copies of others' parameters included
    own: int  # without padding, and without what another shard counts


def built_parameters(shape: ModelShape, layout: Layout) -> list[ShardParameters]:
    """One entry for each tensor- and pipeline-parallel rank; `own` adds up to the model's size.

    torch.distributed must not be initialised in this process.

    Args:
        layout: of one copy of the model; without context parallelism, which cuts no parameter.
    """
    counts = []
    for rank in range(layout.world_size):
        with _imagined_rank(rank, layout) as parallel, _META.device:
            counts.append(_count(shape, parallel))
    return counts


def _count(shape: ModelShape, parallel: Parallel) -> ShardParameters:
    chunks = build_model(shape, Config(training=parallel.layout.training_of(Config())), parallel)
    state = sharded_model_state(chunks)
    apply_factories(state)
    own = sum(
        _without_padding(tensor, shape)
        for tensor in nested_values(state)
        if isinstance(tensor, ShardedTensor) and is_main_replica(tensor.replica_id)
    )
    return ShardParameters(
        parallel.tensor_parallel_rank,
        parallel.pipeline_parallel_rank,
        held=sum(parameter.numel() for chunk in chunks for parameter in chunk.parameters()),
        own=own,
    )


def _without_padding(tensor: ShardedTensor, shape: ModelShape) -> int:
    """Elements of a shard that are not rows beyond the vocabulary."""
    rows: int = tensor.local_shape[0]
    if tensor.key in _VOCABULARY_KEYS:
        rows = min(rows, max(0, shape.vocab_size - tensor.global_offset[0]))
    return rows * math.prod(tensor.local_shape[1:])


@contextmanager
def _imagined_rank(rank: int, layout: Layout) -> Iterator[Parallel]:
    """Megatron's parallel state as this rank of a world of one model copy would see it."""
    virtual = layout.virtual_pipeline_model_parallel_size
    platforms.install(_META)
    dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=layout.world_size)
    try:
        parallel_state.initialize_model_parallel(
            tensor_model_parallel_size=layout.tensor_model_parallel_size,
            pipeline_model_parallel_size=layout.pipeline_model_parallel_size,
            virtual_pipeline_model_parallel_size=virtual if virtual > 1 else None,
            create_gloo_process_groups=False,
        )
        yield Parallel(
            platform=_META,
            layout=layout,
            rank=rank,
            local_rank=rank,
            data_parallel_rank=0,
            tensor_parallel_rank=parallel_state.get_tensor_model_parallel_rank(),
            pipeline_parallel_rank=parallel_state.get_pipeline_model_parallel_rank(),
            context_parallel_rank=0,
        )
    finally:
        parallel_state.destroy_model_parallel()
        dist.destroy_process_group()
