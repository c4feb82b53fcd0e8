"""How the attention of a packed micro-batch is cut into tiles; shared prefixes.

The tokens of a micro-batch lie in one row: of each segment the prompt, then its branches. A branch
attends to its prompt and, causally, to itself. A tile computes some rows of that triangle with
holes: n stretches of at most L tokens, side by side, each of which sees

    the tile's prefix, all of it          the prompt, and what precedes the stretch in its sequence
    itself, causally

Branches behind the same prompt share a tile, as do the beginnings of different prompts (their
prefix is empty). Long sequences are cut into stretches, so that the empty half of the triangle is
not computed and scores stay in cache.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from megatron.core.packed_seq_params import PackedSeqParams
from torch import Tensor

from megatron_urpo.types import MicroBatch, Segment

# Tokens of a stretch. Shorter ones waste less above the diagonal, longer ones multiply faster.
_MAX_STRETCH = 128
# Scores of a tile and head, n * L * (P + L); a tile has at least one stretch.
_MAX_TILE_SCORES = 1 << 18
# Stretches are padded to the longest of their tile while at least this share of the slots is used.
_MIN_FILL = 0.75

_Range = tuple[int, int]  # of tokens: start, end


@dataclass(frozen=True, slots=True)
class Tile:
    """n stretches of at most L tokens behind a common prefix of P tokens."""

    num_stretches: int  # n
    length: int  # L
    rows: Tensor  # (n * L,) token of each slot; the number of tokens T where a slot is empty
    prefix: Tensor  # (P,) tokens


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


def plan_attention(segments: Sequence[Segment], num_tokens: int) -> AttentionPlan:
    """The tiles of segments that lie one after the other from token 0.

    Args:
        num_tokens: T, padding included.
    """
    behind: dict[tuple[_Range, ...], list[_Range]] = defaultdict(list)
    for stretch, prefix in _stretches(segments):
        behind[prefix].append(stretch)
    tiles = []
    for prefix, stretches in behind.items():
        prefix_tokens = torch.cat([torch.arange(*part) for part in prefix or [(0, 0)]])
        for group in _group_by_length(stretches, len(prefix_tokens)):
            tiles.append(_tile(group, prefix_tokens, num_tokens))
    return AttentionPlan(tuple(tiles))


def pack_for_local(micro_batch: MicroBatch, device: torch.device) -> PackedSegments:
    """The packing for PackedAttention: any segments. It runs on the CPU."""
    return PackedSegments(
        plan=plan_attention(micro_batch.segments, len(micro_batch.token_ids)),
        loss_positions=torch.from_numpy(micro_batch.loss_positions).to(device),
        target_ids=torch.from_numpy(micro_batch.target_ids).to(device),
    )


def pack_for_transformer_engine(micro_batch: MicroBatch, device: torch.device) -> PackedSegments:
    """The packing for thd kernels: segments of one branch, padding as a sequence of its own.

    Raises:
        ValueError: a segment has several branches; thd kernels have no shared prefix.
    """
    boundaries = [0]
    for segment in micro_batch.segments:
        if len(segment.branch_lengths) > 1:
            raise ValueError(
                f"a segment of {len(segment.branch_lengths)} branches cannot be written as thd: "
                "set batching.share_prefix = 'never' for Transformer Engine"
            )
        boundaries.append(boundaries[-1] + segment.length)
    if boundaries[-1] < len(micro_batch.token_ids):
        boundaries.append(len(micro_batch.token_ids))
    longest = max(end - start for start, end in itertools.pairwise(boundaries))
    cu_seqlens = torch.tensor(boundaries, dtype=torch.int32, device=device)
    return PackedSegments(
        qkv_format="thd",
        cu_seqlens_q=cu_seqlens,
        cu_seqlens_kv=cu_seqlens,
        max_seqlen_q=longest,
        max_seqlen_kv=longest,
        loss_positions=torch.from_numpy(micro_batch.loss_positions).to(device),
        target_ids=torch.from_numpy(micro_batch.target_ids).to(device),
    )


def _stretches(segments: Iterable[Segment]) -> Iterator[tuple[_Range, tuple[_Range, ...]]]:
    """All stretches, each with the ranges of tokens it sees before itself."""
    start = 0
    for segment in segments:
        prompt = (start, start + segment.prompt_length)
        yield from _cut(prompt, ())
        start = prompt[1]
        for length in segment.branch_lengths:
            yield from _cut((start, start + length), (prompt,))
            start += length


def _cut(
    sequence: _Range, prefix: tuple[_Range, ...]
) -> Iterator[tuple[_Range, tuple[_Range, ...]]]:
    """Cuts a sequence into equal stretches; each sees those before it too."""
    start, end = sequence
    if start == end:
        return
    step = -(-(end - start) // -(-(end - start) // _MAX_STRETCH))
    for cut in range(start, end, step):
        before = (*prefix, (start, cut)) if cut > start else prefix
        yield (cut, min(cut + step, end)), before


def _group_by_length(stretches: Iterable[_Range], prefix_length: int) -> list[list[_Range]]:
    """Stretches in groups that make a tile each, the longest first."""
    groups: list[list[_Range]] = []
    used = 0  # tokens of the last group
    for stretch in sorted(stretches, key=lambda s: (s[0] - s[1], s[0])):
        length = stretch[1] - stretch[0]
        if groups:
            longest = groups[-1][0][1] - groups[-1][0][0]
            slots = (len(groups[-1]) + 1) * longest
            within = slots * (prefix_length + longest) <= _MAX_TILE_SCORES
            if within and used + length >= _MIN_FILL * slots:
                groups[-1].append(stretch)
                used += length
                continue
        groups.append([stretch])
        used = length
    return groups


def _tile(stretches: Sequence[_Range], prefix: Tensor, num_tokens: int) -> Tile:
    length = stretches[0][1] - stretches[0][0]
    rows = torch.full((len(stretches), length), num_tokens)
    for row, (start, end) in zip(rows, stretches, strict=True):
        row[: end - start] = torch.arange(start, end)
    return Tile(len(stretches), length, rows.flatten(), prefix)
