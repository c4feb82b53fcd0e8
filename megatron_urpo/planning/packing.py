"""How a batch of equal texts is packed: the real packer's answer (batching.plan_mini_batch).

A group stays on one data-parallel rank and a sample in one micro-batch, so that tokens divided by
ranks and budget would be too few micro-batches and too little work for the busiest rank.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from megatron_urpo.batching import (
    PackingLayout,
    Part,
    make_mini_batches,
    packing_layout,
    plan_mini_batch,
)
from megatron_urpo.config import Config
from megatron_urpo.fp8 import row_multiple
from megatron_urpo.layout import Layout
from megatron_urpo.planning.tokens import Lengths, whole_prompts
from megatron_urpo.types import TaskKind, TrainingGroup


@dataclass(frozen=True, slots=True)
class MiniBatch:
    """What an optimizer step computes."""

    micro_batches: int  # on every data-parallel rank, fillers included
    tokens: int  # of the data-parallel rank that has most, padding included
    loss_tokens: int  # that this rank predicts
    all_tokens: int  # of all data-parallel ranks


@dataclass(frozen=True, slots=True)
class Packing:
    """What an epoch computes."""

    mini_batches: tuple[MiniBatch, ...]

    @property
    def micro_batches(self) -> int:
        """The most of a mini-batch on a data-parallel rank."""
        return max(part.micro_batches for part in self.mini_batches)

    @property
    def tokens(self) -> int:
        """Of the busiest rank of each mini-batch, which the others wait for."""
        return sum(part.tokens for part in self.mini_batches)

    @property
    def loss_tokens(self) -> int:
        """Predicted by the busiest ranks."""
        return sum(part.loss_tokens for part in self.mini_batches)

    @property
    def all_tokens(self) -> int:
        return sum(part.all_tokens for part in self.mini_batches)


def plan_packing(
    config: Config, phase: int, lengths: Lengths, layout: Layout, implementation: str
) -> Packing:
    """Packs a batch of phase 1 or 2 in which every text has the given length.

    Args:
        implementation: local or transformer_engine.

    Raises:
        ConfigError: the phase has no task, or share_prefix asks for what the kernels cannot do.
    """
    batch = _Batch(
        counts=tuple(whole_prompts(config, phase).items()),
        group_size=config.rollout.group_size,
        prompt=max(round(lengths.prompt), 1),
        response=max(round(lengths.response), 1),
        judgement=max(round(lengths.judgement), 1),
    )
    return _plan(
        batch,
        config.batching.mini_batches,
        config.batching.micro_batch_tokens,
        packing_layout_of(config, layout, implementation),
    )


def packing_layout_of(config: Config, layout: Layout, implementation: str) -> PackingLayout:
    """What training asks of micro-batches in this layout.

    Raises:
        ConfigError: batching.share_prefix asks for what the kernels cannot do.
    """
    return packing_layout(
        config.batching,
        implementation,
        data_parallel_size=layout.data_parallel_size,
        context_parallel_size=layout.context_parallel_size,
        pad_multiple=layout.pad_multiple(row_multiple(layout.training_of(config))),
        micro_batch_multiple=layout.micro_batch_multiple,
    )


@dataclass(frozen=True, slots=True)
class _Batch:
    """What the packing of a batch depends on, in tokens of one text each."""

    counts: tuple[tuple[TaskKind, int], ...]  # prompts of each kind
    group_size: int
    prompt: int
    response: int
    judgement: int

    def groups(self) -> Iterator[TrainingGroup]:
        """Groups of the right lengths that hold no tokens. All have a gradient."""
        index = 0
        for kind, count in self.counts:
            length = self.judgement if kind is TaskKind.PREFERENCE else self.response
            ids = np.broadcast_to(np.int64(0), (length,))
            logprobs = np.broadcast_to(np.float32(0), (length,))
            for _ in range(count):
                yield TrainingGroup(
                    index=index,
                    kind=kind,
                    prompt_ids=np.broadcast_to(np.int64(0), (self.prompt,)),
                    response_ids=(ids,) * self.group_size,
                    rollout_logprobs=(logprobs,) * self.group_size,
                    advantages=np.ones(self.group_size),
                )
                index += 1


# A ranking asks for the same few of these hundreds of times.
@lru_cache(maxsize=1024)
def _plan(batch: _Batch, mini_batches: int, budget: int, layout: PackingLayout) -> Packing:
    # Neither multiple changes which parts travel together.
    plain = replace(layout, pad_multiple=1, micro_batch_multiple=1)
    packed = _pack(batch, mini_batches, budget, plain)
    return Packing(tuple(_measure(ranks, layout) for ranks in packed))


# By rank its micro-batches, each as (tokens, predicted tokens).
_Ranks = tuple[tuple[tuple[int, int], ...], ...]


@lru_cache(maxsize=1024)
def _pack(
    batch: _Batch, mini_batches: int, budget: int, layout: PackingLayout
) -> tuple[_Ranks, ...]:
    return tuple(
        tuple(
            tuple(_count(parts) for parts in rank)
            for rank in plan_mini_batch(groups, budget, layout)
        )
        for groups in make_mini_batches(list(batch.groups()), mini_batches)
    )


def _count(parts: list[Part]) -> tuple[int, int]:
    predicted = sum(len(part.group.response_ids[b]) for part in parts for b in part.branches)
    return sum(part.length for part in parts), predicted


def _measure(ranks: _Ranks, layout: PackingLayout) -> MiniBatch:
    """The busiest rank of a mini-batch, with the padding and the fillers that a layout asks for."""
    multiple = layout.micro_batch_multiple
    count = math.ceil(max(map(len, ranks)) / multiple) * multiple
    loads = []
    for rank in ranks:
        padded = (math.ceil(max(tokens, 1) / layout.pad_multiple) for tokens, _ in rank)
        fillers = count - len(rank)
        total = layout.pad_multiple * (sum(padded) + fillers)
        loads.append((total, sum(predicted for _, predicted in rank)))
    tokens, loss_tokens = max(loads)
    return MiniBatch(count, tokens, loss_tokens, sum(total for total, _ in loads))
