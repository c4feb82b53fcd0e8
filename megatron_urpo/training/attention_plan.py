"""How the attention of a packed micro-batch is cut into tiles; shared prefixes.

The tokens of a micro-batch lie in one row: of each segment the prompt, then its branches. A branch
attends to its prompt and, causally, to itself. A tile computes some rows of that triangle with
holes: n stretches of at most L tokens, side by side, each of which sees

    the tile's prefix, all of it          the prompt, and what precedes the stretch in its sequence
    itself, causally

Branches behind the same prompt share a tile, as do the beginnings of different prompts (their
prefix is empty). Long sequences are cut into stretches, so that the empty half of the triangle is
not computed and scores stay in cache.

Under context parallelism a rank computes the rows of its own tokens, over the keys and values of
all ranks, which lie in the order of the ranks.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from megatron.core.packed_seq_params import PackedSeqParams
from torch import Tensor

from megatron_urpo.block_sizes import MAX_TILE_SCORES, stretch_tokens
from megatron_urpo.training.context_parallel import (
    ContextShard,
    TokenRange,
    context_ranges,
    context_tokens,
    shard_micro_batch,
)
from megatron_urpo.types import MicroBatch, Segment

# Stretches are padded to the longest of their tile while at least this share of the slots is used.
_MIN_FILL = 0.75


@dataclass(frozen=True, slots=True)
class Tile:
    """n stretches of at most L tokens behind a common prefix of P tokens."""

    num_stretches: int  # n
    length: int  # L
    # (n * L,) where the query of each slot lies; the number of queries where a slot is empty.
    rows: Tensor
    # (n * L,) where its key and value lie; the number of keys where a slot is empty. Without
    # context parallelism the same as rows.
    columns: Tensor
    prefix: Tensor  # (P,) where the keys and values of the prefix lie


@dataclass(frozen=True, slots=True)
class AttentionPlan:
    """The tiles of one micro-batch, the same for every layer, forward and backward.

    Tokens in no tile (padding) get zeros and give no gradient.
    """

    tiles: tuple[Tile, ...]


@dataclass
class PackedSegments(PackedSeqParams):
    """What Megatron's layers carry along with the hidden states of a micro-batch.

    For PackedAttention qkv_format stays None: for anything but "thd" Megatron keeps queries as
    (T, 1, heads, dim) and applies the rotary frequencies as given, one row a token, which is what
    the position_ids of shared prefixes need. For Transformer Engine it is "thd", without a plan;
    its rotary kernel counts the rows of the frequencies from 0 in every sequence.
    """

    plan: AttentionPlan | None = None
    loss_positions: Tensor | None = None  # (L,)
    target_ids: Tensor | None = None  # (L,)

    def rotary_positions(self, position_ids: Tensor) -> Tensor:
        """Positions of the rows of the rotary frequencies.

        Args:
            position_ids: (1, T) of the tokens.

        Returns:
            (T,) those of the tokens; for thd 0 to the longest sequence, (longest,).
        """
        if self.qkv_format == "thd":
            return torch.arange(self.max_seqlen_q, device=position_ids.device)
        return position_ids[0]


def plan_attention(
    segments: Sequence[Segment], num_tokens: int, context_rank: int = 0, context_size: int = 1
) -> AttentionPlan:
    """The tiles of segments that lie one after the other from token 0.

    Args:
        num_tokens: T, padding included; of all context-parallel ranks together.
    """
    stretches = _stretches(segments)
    row_of = column_of = torch.arange(num_tokens + 1)
    if context_size > 1:
        cuts = (0, num_tokens)
        mine = context_ranges(cuts, context_rank, context_size)
        stretches = _within(stretches, mine)
        row_of = _places([context_tokens(cuts, context_rank, context_size)], num_tokens)
        column_of = _places(
            [context_tokens(cuts, rank, context_size) for rank in range(context_size)], num_tokens
        )
    behind: dict[tuple[TokenRange, ...], list[TokenRange]] = defaultdict(list)
    for stretch, prefix in stretches:
        behind[prefix].append(stretch)
    tiles = []
    for prefix, members in behind.items():
        prefix_tokens = torch.cat([torch.arange(*part) for part in prefix or [(0, 0)]])
        for group in _group_by_length(members, len(prefix_tokens)):
            slots = _slots(group, num_tokens)
            tiles.append(
                Tile(
                    num_stretches=len(slots),
                    length=slots.shape[1],
                    rows=row_of[slots.flatten()],
                    columns=column_of[slots.flatten()],
                    prefix=column_of[prefix_tokens],
                )
            )
    return AttentionPlan(tuple(tiles))


@dataclass(frozen=True, slots=True)
class PackedShard:
    """This rank's part of a micro-batch, ready for the model."""

    shard: ContextShard
    packing: PackedSegments


def pack_for_local(
    micro_batch: MicroBatch, device: torch.device, context_rank: int = 0, context_size: int = 1
) -> PackedShard:
    """The packing for PackedAttention: any segments. It runs on the CPU."""
    num_tokens = len(micro_batch.token_ids)
    tokens = None
    if context_size > 1:
        tokens = context_tokens((0, num_tokens), context_rank, context_size)
    shard = shard_micro_batch(micro_batch, tokens)
    return PackedShard(
        shard,
        PackedSegments(
            plan=plan_attention(micro_batch.segments, num_tokens, context_rank, context_size),
            loss_positions=torch.from_numpy(shard.batch.loss_positions).to(device),
            target_ids=torch.from_numpy(shard.batch.target_ids).to(device),
        ),
    )


def pack_for_transformer_engine(
    micro_batch: MicroBatch, device: torch.device, context_rank: int = 0, context_size: int = 1
) -> PackedShard:
    """The packing for thd kernels: segments of one branch, padding as a sequence of its own.

    Raises:
        ValueError: a segment has several branches; thd kernels have no shared prefix.
    """
    boundaries, ends = [0], []
    for segment in micro_batch.segments:
        if len(segment.branch_lengths) > 1:
            raise ValueError(
                f"a segment of {len(segment.branch_lengths)} branches cannot be written as thd: "
                "set batching.share_prefix = 'never' for Transformer Engine"
            )
        ends.append(boundaries[-1] + segment.length)
        boundaries.append(ends[-1] + segment.padding)
    if boundaries[-1] < len(micro_batch.token_ids):
        boundaries.append(len(micro_batch.token_ids))
        ends.append(boundaries[-1])
    lengths = [end - start for start, end in zip(boundaries, ends, strict=False)]
    longest = max(end - start for start, end in itertools.pairwise(boundaries))
    cu_seqlens = torch.tensor(np.cumsum([0, *lengths]), dtype=torch.int32, device=device)
    padded = torch.tensor(boundaries, dtype=torch.int32, device=device)
    tokens = None
    if context_size > 1:
        tokens = context_tokens(boundaries, context_rank, context_size)
    shard = shard_micro_batch(micro_batch, tokens)
    return PackedShard(
        shard,
        PackedSegments(
            qkv_format="thd",
            cu_seqlens_q=cu_seqlens,
            cu_seqlens_kv=cu_seqlens,
            cu_seqlens_q_padded=padded,
            cu_seqlens_kv_padded=padded,
            max_seqlen_q=longest,
            max_seqlen_kv=longest,
            loss_positions=torch.from_numpy(shard.batch.loss_positions).to(device),
            target_ids=torch.from_numpy(shard.batch.target_ids).to(device),
        ),
    )


def _stretches(segments: Iterable[Segment]) -> Iterator[tuple[TokenRange, tuple[TokenRange, ...]]]:
    """All stretches, each with the ranges of tokens it sees before itself."""
    start = 0
    for segment in segments:
        prompt = (start, start + segment.prompt_length)
        yield from _cut(prompt, ())
        start = prompt[1]
        for length in segment.branch_lengths:
            yield from _cut((start, start + length), (prompt,))
            start += length
        start += segment.padding


def _cut(
    sequence: TokenRange, prefix: tuple[TokenRange, ...]
) -> Iterator[tuple[TokenRange, tuple[TokenRange, ...]]]:
    """Cuts a sequence into equal stretches; each sees those before it too."""
    start, end = sequence
    if start == end:
        return
    step = stretch_tokens(end - start)
    for cut in range(start, end, step):
        before = (*prefix, (start, cut)) if cut > start else prefix
        yield (cut, min(cut + step, end)), before


def _group_by_length(stretches: Iterable[TokenRange], prefix_length: int) -> list[list[TokenRange]]:
    """Stretches in groups that make a tile each, the longest first."""
    groups: list[list[TokenRange]] = []
    used = 0  # tokens of the last group
    for stretch in sorted(stretches, key=lambda s: (s[0] - s[1], s[0])):
        length = stretch[1] - stretch[0]
        if groups:
            longest = groups[-1][0][1] - groups[-1][0][0]
            slots = (len(groups[-1]) + 1) * longest
            within = slots * (prefix_length + longest) <= MAX_TILE_SCORES
            if within and used + length >= _MIN_FILL * slots:
                groups[-1].append(stretch)
                used += length
                continue
        groups.append([stretch])
        used = length
    return groups


def _slots(stretches: Sequence[TokenRange], num_tokens: int) -> Tensor:
    """(n, L) the token of each slot of a tile, num_tokens where a slot is empty."""
    length = stretches[0][1] - stretches[0][0]
    slots = torch.full((len(stretches), length), num_tokens)
    for row, (start, end) in zip(slots, stretches, strict=True):
        row[: end - start] = torch.arange(start, end)
    return slots


def _within(
    stretches: Iterable[tuple[TokenRange, tuple[TokenRange, ...]]], ranges: Sequence[TokenRange]
) -> Iterator[tuple[TokenRange, tuple[TokenRange, ...]]]:
    """The parts of the stretches that lie in `ranges`, each seeing what its stretch saw before."""
    for (start, end), prefix in stretches:
        for first, last in ranges:
            low, high = max(start, first), min(end, last)
            if low < high:
                yield (low, high), (*prefix, (start, low)) if low > start else prefix


def _places(tokens_of_ranks: Sequence[np.ndarray], num_tokens: int) -> Tensor:
    """(num_tokens + 1,) where each token lies when those of the ranks follow one another.

    The last entry, for empty slots, is the number of places.
    """
    order = np.concatenate(tokens_of_ranks)
    places = np.full(num_tokens + 1, len(order))
    places[order] = np.arange(len(order))
    return torch.from_numpy(places)
