"""Which tokens of a micro-batch each context-parallel rank computes.

Every piece of the row is cut into 2 * CP equal parts, and rank r takes parts r and 2 * CP - 1 - r:
late tokens attend to more than early ones, and so each rank has as much to do. The local attention
takes the whole row as one piece, Transformer Engine's takes every segment as one (Megatron-LM's
order of packed sequences).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from megatron_urpo.types import Int64Array, MicroBatch

TokenRange = tuple[int, int]  # start, end


@dataclass(frozen=True, slots=True)
class ContextShard:
    """One rank's part of a micro-batch."""

    # Its tokens and loss columns alone, loss_positions counted in them. The segments stay those of
    # the whole micro-batch: attention looks beyond the shard.
    batch: MicroBatch
    loss_indices: Int64Array | None  # (l,) its loss columns among the L of all; None: all of them


def context_ranges(boundaries: Sequence[int], rank: int, size: int) -> list[TokenRange]:
    """The tokens of one rank, as ranges in ascending order.

    Args:
        boundaries: of the pieces: piece k is boundaries[k] .. boundaries[k + 1] - 1.

    Raises:
        ValueError: a piece does not divide into 2 * size parts.
    """
    ranges = []
    for start, end in itertools.pairwise(boundaries):
        part, rest = divmod(end - start, 2 * size)
        if rest:
            raise ValueError(
                f"a piece of {end - start} tokens does not divide into 2 * {size} parts: pad it"
            )
        for number in (rank, 2 * size - 1 - rank):
            ranges.append((start + number * part, start + (number + 1) * part))
    return ranges


def context_tokens(boundaries: Sequence[int], rank: int, size: int) -> Int64Array:
    """(T / size,) the tokens of one rank."""
    ranges = context_ranges(boundaries, rank, size)
    return np.concatenate([np.arange(*part) for part in ranges])


def shard_micro_batch(batch: MicroBatch, tokens: Int64Array | None) -> ContextShard:
    """The part of a micro-batch that computes `tokens`; None: all of it."""
    if tokens is None:
        return ContextShard(batch, None)
    local = np.full(len(batch.token_ids), -1)
    local[tokens] = np.arange(len(tokens))
    positions = local[batch.loss_positions]
    mine = np.flatnonzero(positions >= 0)
    part = replace(
        batch,
        token_ids=batch.token_ids[tokens],
        position_ids=batch.position_ids[tokens],
        loss_positions=positions[mine],
        target_ids=batch.target_ids[mine],
        loss_weights=batch.loss_weights[mine],
        advantages=batch.advantages[mine],
        rollout_logprobs=batch.rollout_logprobs[mine],
        kind_codes=batch.kind_codes[mine],
        group_indices=batch.group_indices[mine],
        branch_indices=batch.branch_indices[mine],
    )
    return ContextShard(part, mine)
