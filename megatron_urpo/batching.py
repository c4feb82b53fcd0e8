"""Mini-batches, and their packing into micro-batches.

consumes   TrainingGroups of the whole batch
produces   mini-batches of whole groups; of each, this rank's MicroBatches
waits for  nothing; a pure function of the batch and the layout, so every rank plans the same

A mini-batch is one optimizer step. Its groups and its loss denominator do not depend on the number
of ranks: the layout decides only where a group is computed. The denominator is put into every
token's loss weight here, over the whole mini-batch, so that the training stage only ever sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from megatron_urpo.config import BatchingConfig, ConfigError
from megatron_urpo.types import (
    Float32Array,
    Float64Array,
    Int64Array,
    MicroBatch,
    Segment,
    TaskKind,
    TrainingGroup,
)

_KIND_CODES = {kind: code for code, kind in enumerate(TaskKind)}


@dataclass(frozen=True, slots=True)
class PackingLayout:
    """What the parallel layout asks of micro-batches."""

    data_parallel_size: int = 1
    pad_multiple: int = 1  # of the tokens of a micro-batch: TP, 2 * CP and FP8 ask for it
    segment_multiple: int = 1  # of the tokens of a segment: thd kernels cut each for 2 * CP
    micro_batch_multiple: int = 1  # of their number: PP with virtual stages asks for it
    share_prefix: bool = True  # the attention can compute a prompt once for all its branches


def packing_layout(
    config: BatchingConfig,
    implementation: str,
    *,
    data_parallel_size: int,
    context_parallel_size: int,
    pad_multiple: int,
    micro_batch_multiple: int,
) -> PackingLayout:
    """How micro-batches have to be packed for a layout and the kernels that compute it.

    Args:
        implementation: local or transformer_engine.

    Raises:
        ConfigError: batching.share_prefix asks for what the kernels cannot do.
    """
    is_local, choice = implementation == "local", config.share_prefix
    if choice == "always" and not is_local:
        raise ConfigError(
            "batching.share_prefix = 'always': the attention of Transformer Engine computes every "
            "branch with its own prompt; choose 'auto' or 'never'"
        )
    cuts_segments = context_parallel_size > 1 and not is_local
    return PackingLayout(
        data_parallel_size=data_parallel_size,
        pad_multiple=pad_multiple,
        segment_multiple=2 * context_parallel_size if cuts_segments else 1,
        micro_batch_multiple=micro_batch_multiple,
        share_prefix=is_local and choice != "never",
    )


@dataclass(frozen=True, slots=True)
class Part:
    """Branches of one group that travel together behind one copy of their prompt."""

    group: TrainingGroup
    branches: tuple[int, ...]
    multiple: int  # its tokens are padded to

    @property
    def length(self) -> int:
        """Tokens, padding included."""
        branch_tokens = sum(len(self.group.response_ids[b]) - 1 for b in self.branches)
        return _round_up(len(self.group.prompt_ids) + branch_tokens, self.multiple)


def make_mini_batches(
    groups: Sequence[TrainingGroup], num_mini_batches: int, *, kl_beta: float = 0.0
) -> list[list[TrainingGroup]]:
    """Deals whole groups into mini-batches, stratified by role.

    Within each role, groups with a gradient are dealt before those without, so that mini-batches
    agree within one group in the number of each. Mini-batches without any gradient (everything
    masked or without variance) are left out: there is nothing to step on.

    Args:
        kl_beta: of the loss. Above 0 every group has a gradient: the KL term needs no variance.
    """
    mini_batches: list[list[TrainingGroup]] = [[] for _ in range(num_mini_batches)]
    dealt = 0
    for has_gradient in (True, False):
        for kind in TaskKind:
            for group in groups:
                if group.kind is kind and _has_gradient(group, kl_beta) == has_gradient:
                    mini_batches[dealt % num_mini_batches].append(group)
                    dealt += 1
    return [batch for batch in mini_batches if any(_has_gradient(g, kl_beta) for g in batch)]


def branch_loss_weights(
    groups: Sequence[TrainingGroup], config: BatchingConfig
) -> list[Float64Array]:
    """The factor of each token's loss, by branch: role weight over the mini-batch's denominator.

    token_mean      1 / (response tokens of the mini-batch), verl's DAPO recipe
    group_mean      1 / (groups * response tokens of the group), the DAPO paper (2503.14476)
    sequence_mean   1 / (responses of the mini-batch * tokens of the response), GRPO with its
                    1/|o_i| (paper section 3.1)
    constant        1 / batching.constant_denominator

    Args:
        groups: the WHOLE mini-batch, groups without variance included.

    Returns:
        one (G,) float64 array a group.
    """
    total_tokens = sum(group.num_tokens for group in groups)
    total_responses = sum(len(group.response_ids) for group in groups)
    weights = []
    for group in groups:
        lengths = np.array([len(ids) for ids in group.response_ids], dtype=np.float64)
        denominators = {
            "token_mean": np.full_like(lengths, total_tokens),
            "group_mean": np.full_like(lengths, len(groups) * group.num_tokens),
            "sequence_mean": total_responses * lengths,
            "constant": np.full_like(lengths, config.constant_denominator),
        }
        weights.append(config.role_weight(group.kind) / denominators[config.loss_denominator])
    return weights


def plan_mini_batch(
    groups: Sequence[TrainingGroup],
    micro_batch_tokens: int,
    layout: PackingLayout,
    *,
    kl_beta: float = 0.0,
) -> list[list[list[Part]]]:
    """What every data-parallel rank computes of a mini-batch: the parts of each micro-batch.

    Only groups with a gradient are packed. A group stays on one rank; ranks are balanced by tokens
    and get the same number of micro-batches, fillers without a part where needed. A sample longer
    than micro_batch_tokens makes a micro-batch of its own. Reads lengths alone, no token.

    Returns:
        by rank its micro-batches, the longest first.
    """
    trained = [group for group in groups if _has_gradient(group, kl_beta)]
    parts_of = [_split_group(group, micro_batch_tokens, layout) for group in trained]
    shares = _balance(parts_of, layout.data_parallel_size)
    ranks = [_pack_bins(parts, micro_batch_tokens) for parts in shares]
    count = _round_up(max(map(len, ranks)), layout.micro_batch_multiple)
    return [bins + [[] for _ in range(count - len(bins))] for bins in ranks]


def pack_mini_batch(
    groups: Sequence[TrainingGroup],
    config: BatchingConfig,
    layout: PackingLayout,
    data_parallel_rank: int = 0,
    *,
    kl_beta: float = 0.0,
) -> list[MicroBatch]:
    """Packs one mini-batch into this rank's micro-batches, as `plan_mini_batch` shares it out.

    Args:
        kl_beta: of the loss, as for `make_mini_batches`.

    Returns:
        the micro-batches of data_parallel_rank, the longest first.
    """
    weights = branch_loss_weights(groups, config)
    weight_of = {group.index: weight for group, weight in zip(groups, weights, strict=True)}
    by_rank = plan_mini_batch(groups, config.micro_batch_tokens, layout, kl_beta=kl_beta)
    mine = by_rank[data_parallel_rank]
    return [_build_micro_batch(parts, weight_of, layout.pad_multiple) for parts in mine]


def split_sequences(batch: MicroBatch, values: Float32Array) -> list[Float32Array]:
    """Cuts per-token values (L,) of a micro-batch into one array a response."""
    if batch.num_loss_tokens == 0:
        return []
    new_response = (np.diff(batch.group_indices) != 0) | (np.diff(batch.branch_indices) != 0)
    return np.split(values, np.flatnonzero(new_response) + 1)


def _has_gradient(group: TrainingGroup, kl_beta: float) -> bool:
    return kl_beta > 0 or bool(group.advantages.any())


def _split_group(group: TrainingGroup, budget: int, layout: PackingLayout) -> list[Part]:
    """Cuts a group into parts that fit the budget, one branch at the least in each."""
    parts: list[Part] = []
    for branch in range(len(group.response_ids)):
        if parts and layout.share_prefix:
            joined = Part(group, (*parts[-1].branches, branch), layout.segment_multiple)
            if joined.length <= budget:
                parts[-1] = joined
                continue
        parts.append(Part(group, (branch,), layout.segment_multiple))
    return parts


def _balance(parts_of: Sequence[list[Part]], num_ranks: int) -> list[list[Part]]:
    """Gives whole groups to ranks that end with about the same number of tokens."""
    shares = _deal_evenly([_length(parts) for parts in parts_of], num_ranks)
    return [[part for position in share for part in parts_of[position]] for share in shares]


def _pack_bins(parts: Sequence[Part], budget: int) -> list[list[Part]]:
    """Bins of parts whose lengths sum to at most the budget, the longest bin first.

    A longer part has its own bin. There are as many as first-fit decreasing needs, filled evenly
    where that keeps to the budget: the longest micro-batch decides the memory of activations, and
    what pipeline stages and data-parallel ranks wait for.
    """
    longest_first = sorted(parts, key=lambda p: (-p.length, p.group.index, p.branches))
    bins = _first_fit(longest_first, budget)
    shares = _deal_evenly([part.length for part in longest_first], len(bins))
    even = [[longest_first[position] for position in share] for share in shares]
    if all(len(bin_) == 1 or _length(bin_) <= budget for bin_ in even):
        bins = even
    return sorted(bins, key=_length, reverse=True)


def _first_fit(parts: Sequence[Part], budget: int) -> list[list[Part]]:
    bins: list[list[Part]] = []
    loads: list[int] = []
    for part in parts:
        length = part.length
        fitting = (k for k, load in enumerate(loads) if load + length <= budget)
        chosen = next(fitting, len(bins))
        if chosen == len(bins):
            bins.append([])
            loads.append(0)
        bins[chosen].append(part)
        loads[chosen] += length
    return bins


def _deal_evenly(lengths: Sequence[int], num_shares: int) -> list[list[int]]:
    """Positions of `lengths` in shares: the longest first, each to the share with the least."""
    loads = [0] * num_shares
    shares: list[list[int]] = [[] for _ in range(num_shares)]
    for position in sorted(range(len(lengths)), key=lambda k: (-lengths[k], k)):
        least = loads.index(min(loads))
        shares[least].append(position)
        loads[least] += lengths[position]
    return shares


def _length(parts: Sequence[Part]) -> int:
    return sum(part.length for part in parts)


def _build_micro_batch(
    parts: Sequence[Part], weight_of: dict[int, Float64Array], pad_multiple: int
) -> MicroBatch:
    segments: list[Segment] = []
    tokens: list[Int64Array] = []
    positions: list[Int64Array] = []
    columns: dict[str, list[np.ndarray]] = {name: [] for name in _COLUMN_DTYPES}
    offset = 0
    for part in parts:
        prompt = part.group.prompt_ids
        tokens.append(prompt)
        positions.append(np.arange(len(prompt)))
        cursor = offset + len(prompt)
        for branch in part.branches:
            response = part.group.response_ids[branch]
            # The last token is only ever predicted, so it is not an input.
            tokens.append(response[:-1])
            positions.append(len(prompt) + np.arange(len(response) - 1))
            for name, column in _branch_columns(
                part.group, branch, offset, cursor, weight_of[part.group.index]
            ).items():
                columns[name].append(column)
            cursor += len(response) - 1
        branch_lengths = (len(part.group.response_ids[b]) - 1 for b in part.branches)
        padding = offset + part.length - cursor
        tokens.append(np.zeros(padding, dtype=np.int64))
        positions.append(np.zeros(padding, dtype=np.int64))
        segments.append(Segment(len(prompt), tuple(n for n in branch_lengths if n > 0), padding))
        offset += part.length
    # A filler still has tokens, so that every rank takes part in every collective.
    padding = _round_up(max(offset, 1), pad_multiple) - offset
    tokens.append(np.zeros(padding, dtype=np.int64))
    positions.append(np.zeros(padding, dtype=np.int64))
    return MicroBatch(
        segments=tuple(segments),
        token_ids=np.concatenate(tokens).astype(np.int64),
        position_ids=np.concatenate(positions).astype(np.int64),
        **{
            name: np.concatenate(columns[name] or [np.empty(0)]).astype(dtype)
            for name, dtype in _COLUMN_DTYPES.items()
        },
    )


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


_COLUMN_DTYPES = {
    "loss_positions": np.int64,
    "target_ids": np.int64,
    "loss_weights": np.float64,
    "advantages": np.float32,
    "rollout_logprobs": np.float32,
    "kind_codes": np.int8,
    "group_indices": np.int64,
    "branch_indices": np.int64,
}


def _branch_columns(
    group: TrainingGroup, branch: int, prompt_start: int, branch_start: int, weights: Float64Array
) -> dict[str, np.ndarray]:
    """The loss columns of one branch: T entries each, T its number of response tokens."""
    response = group.response_ids[branch]
    length = len(response)
    first = prompt_start + len(group.prompt_ids) - 1
    rest = branch_start + np.arange(length - 1)
    return {
        "loss_positions": np.concatenate([[first], rest]),
        "target_ids": response,
        "loss_weights": np.full(length, weights[branch]),
        "advantages": np.full(length, group.advantages[branch]),
        "rollout_logprobs": group.rollout_logprobs[branch],
        "kind_codes": np.full(length, _KIND_CODES[group.kind]),
        "group_indices": np.full(length, group.index),
        "branch_indices": np.full(length, branch),
    }
