"""Packed causal attention in which branches share the keys and values of their prompt.

The tokens of a micro-batch lie in one row: of each segment the prompt, then its branches. A branch
attends to its prompt and, causally, to itself. Both halves are ordinary attention calls whose
results are joined by their log-sum-exps:

    causal   every prompt and every branch by itself, batched with others of similar length
    prefix   all branches of a segment, as queries, over their prompt's keys; no mask

The identity behind it: with softmax over the union of two key sets A and B,
    lse = logaddexp(lse_A, lse_B),   out = exp(lse_A - lse) out_A + exp(lse_B - lse) out_B,
and the backward pass of either half is that of flash attention given the JOINED out and lse.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from megatron.core.packed_seq_params import PackedSeqParams
from megatron.core.transformer.enums import AttnMaskType
from megatron.core.transformer.module import MegatronModule
from megatron.core.transformer.transformer_config import TransformerConfig
from torch import Tensor

from megatron_urpo.types import MicroBatch, Segment

# Sequences at least this fraction of the longest one of a causal call are padded into it.
_MIN_FILL = 0.8
# Below this many tokens the CPU's bfloat16 backward kernel is slower than its float32 one, up to
# tenfold: it packs operands block by block.
_MIN_BFLOAT16_BACKWARD = 256

_flash_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


@dataclass(frozen=True, slots=True)
class CausalCall:
    """n sequences of at most L tokens, one batched causal call.

    Sequence i, token j of the call sits in slot i * L + j of its (n, L) grid.
    """

    num_sequences: int  # n
    length: int  # L
    tokens: Tensor  # (R,) positions in the micro-batch of the R <= n * L real tokens
    slots: Tensor | None  # (R,) their slots; None: the grid is full, token k sits in slot k


@dataclass(frozen=True, slots=True)
class PrefixCall:
    """Queries of all branches of a segment over the keys of its prompt."""

    prompt: slice
    branches: slice


@dataclass(frozen=True, slots=True)
class AttentionPlan:
    """The calls of one micro-batch, the same for every layer, forward and backward.

    Tokens that belong to no segment (padding) get zeros and give no gradient.
    """

    causal: tuple[CausalCall, ...]
    prefix: tuple[PrefixCall, ...]


@dataclass
class PackedSegments(PackedSeqParams):
    """What Megatron's layers carry along with the hidden states of a micro-batch.

    For PackedAttention qkv_format stays None: for anything but "thd" Megatron keeps queries as
    (T, 1, heads, dim) and applies the rotary frequencies as given, one row a token, which is what
    the position_ids of shared prefixes need. For Transformer Engine it is "thd", without a plan.
    """

    plan: AttentionPlan | None = None
    loss_positions: Tensor | None = None  # (L,)
    target_ids: Tensor | None = None  # (L,)


def plan_attention(
    segments: Sequence[Segment], device: torch.device | None = None
) -> AttentionPlan:
    """The attention calls for segments lying one after the other from token 0."""
    sequences: list[tuple[int, int]] = []  # (start, length)
    prefix: list[PrefixCall] = []
    start = 0
    for segment in segments:
        end = start + segment.length
        first_branch = start + segment.prompt_length
        sequences.append((start, segment.prompt_length))
        if end > first_branch and segment.prompt_length > 0:
            if len(segment.branch_lengths) == 1:
                # Alone behind its prompt a branch is its continuation: one causal sequence.
                sequences[-1] = (start, segment.length)
                start = end
                continue
            prefix.append(PrefixCall(slice(start, first_branch), slice(first_branch, end)))
        cursor = first_branch
        for length in segment.branch_lengths:
            sequences.append((cursor, length))
            cursor += length
        start = end
    calls = [_causal_call(group, device) for group in _group_by_length(sequences)]
    return AttentionPlan(tuple(calls), tuple(prefix))


def pack_for_local(micro_batch: MicroBatch, device: torch.device) -> PackedSegments:
    """The packing for PackedAttention: any segments."""
    return PackedSegments(
        plan=plan_attention(micro_batch.segments, device),
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


def shared_prefix_attention(
    query: Tensor, key: Tensor, value: Tensor, plan: AttentionPlan, scale: float
) -> Tensor:
    """Attention over packed segments, on the CPU.

    Args:
        query: (T, heads, dim).
        key, value: (T, groups, dim); heads is a multiple of groups (grouped-query attention).
        plan: of the segments these T tokens consist of.
        scale: factor of the scores, usually dim ** -0.5.

    Returns:
        (T, heads, dim), in the dtype of query.
    """
    return _SharedPrefixAttention.apply(query, key, value, plan, scale)


class PackedAttention(MegatronModule):
    """Megatron's core_attention slot: takes (T, 1, heads, dim), returns (T, 1, heads * dim)."""

    def __init__(
        self,
        config: TransformerConfig,
        layer_number: int,
        attn_mask_type: AttnMaskType,
        attention_type: str,
        softmax_scale: float | None = None,
        **unused: Any,  # attention_dropout, cp_comm_type, pg_collection
    ) -> None:
        super().__init__(config=config)
        self.scale = softmax_scale if softmax_scale is not None else config.kv_channels**-0.5

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        attn_mask_type: AttnMaskType | None = None,
        attention_bias: Tensor | None = None,
        packed_seq_params: PackedSegments | None = None,
    ) -> Tensor:
        if packed_seq_params is None or packed_seq_params.plan is None:
            raise ValueError("PackedAttention needs PackedSegments with a plan")
        out = shared_prefix_attention(
            query.squeeze(1), key.squeeze(1), value.squeeze(1), packed_seq_params.plan, self.scale
        )
        return out.flatten(1).unsqueeze(1)


class _SharedPrefixAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, plan: AttentionPlan, scale: float
    ) -> Tensor:
        out = torch.zeros_like(query, memory_format=torch.contiguous_format)
        lse = query.new_zeros(query.shape[:2], dtype=torch.float32)
        for call in plan.causal:
            q, k, v = (_gather(x, call) for x in (query, key, value))
            call_out, call_lse = _flash_forward(q, k, v, 0.0, True, scale=scale)
            _scatter(out, call, call_out.transpose(1, 2))
            _scatter(lse, call, call_lse.transpose(1, 2))
        for prefix in plan.prefix:
            q = _row(query[prefix.branches])
            k, v = _row(key[prefix.prompt]), _row(value[prefix.prompt])
            call_out, call_lse = _flash_forward(q, k, v, 0.0, False, scale=scale)
            _join(out[prefix.branches], lse[prefix.branches], _unrow(call_out), _unrow(call_lse))
        ctx.save_for_backward(query, key, value, out, lse)
        ctx.plan, ctx.scale = plan, scale
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, lse = ctx.saved_tensors
        (grad_out,) = grads
        plan, scale = ctx.plan, ctx.scale
        grad_query, grad_key, grad_value = (
            torch.zeros_like(x, memory_format=torch.contiguous_format) for x in (query, key, value)
        )
        for call in plan.causal:
            inputs = [_gather(x, call) for x in (grad_out, query, key, value, out, lse)]
            for target, grad in zip(
                (grad_query, grad_key, grad_value), _backward_call(inputs, True, scale), strict=True
            ):
                _scatter(target, call, grad.transpose(1, 2))
        for prefix in plan.prefix:
            branches, prompt = prefix.branches, prefix.prompt
            inputs = [
                _row(x)
                for x in (
                    grad_out[branches], query[branches], key[prompt], value[prompt],
                    out[branches], lse[branches],
                )
            ]  # fmt: skip
            dq, dk, dv = _backward_call(inputs, False, scale)
            grad_query[branches] += _unrow(dq)
            grad_key[prompt] += _unrow(dk)
            grad_value[prompt] += _unrow(dv)
        return grad_query, grad_key, grad_value, None, None


def _backward_call(inputs: Sequence[Tensor], causal: bool, scale: float) -> Sequence[Tensor]:
    """Gradients of (query, key, value); inputs are grad_out, query, key, value, out, lse."""
    grad_out, query, key, value, out, lse = inputs
    if query.shape[2] < _MIN_BFLOAT16_BACKWARD:
        grad_out, query, key, value, out = (x.float() for x in (grad_out, query, key, value, out))
    return _flash_backward(
        grad_out, query, key, value, out, lse.contiguous(), 0.0, causal, scale=scale
    )


def _join(out: Tensor, lse: Tensor, other_out: Tensor, other_lse: Tensor) -> None:
    """Joins attention over further keys into out (t, heads, dim) and lse (t, heads), in place."""
    share = torch.sigmoid(other_lse - lse).unsqueeze(-1)
    out.copy_(torch.lerp(out.float(), other_out.float(), share))
    lse.copy_(torch.logaddexp(lse, other_lse))


def _gather(rows: Tensor, call: CausalCall) -> Tensor:
    """(T, heads, ...) -> (n, heads, L, ...): the grid of a call, empty slots zero."""
    grid_shape = (call.num_sequences, call.length, *rows.shape[1:])
    if call.slots is None:
        grid = rows.index_select(0, call.tokens)
    else:
        grid = rows.new_zeros((call.num_sequences * call.length, *rows.shape[1:]))
        grid.index_copy_(0, call.slots, rows.index_select(0, call.tokens))
    return grid.view(grid_shape).transpose(1, 2)


def _scatter(rows: Tensor, call: CausalCall, grid: Tensor) -> None:
    """Writes a grid (n, L, heads, ...) back to its tokens in rows (T, heads, ...)."""
    values = grid.flatten(0, 1)
    if call.slots is not None:
        values = values.index_select(0, call.slots)
    rows.index_copy_(0, call.tokens, values.to(rows.dtype))


def _row(rows: Tensor) -> Tensor:
    """(t, heads, ...) -> (1, heads, t, ...)."""
    return rows.unsqueeze(0).transpose(1, 2)


def _unrow(grid: Tensor) -> Tensor:
    """(1, heads, t, ...) -> (t, heads, ...)."""
    return grid.transpose(1, 2).squeeze(0)


def _group_by_length(sequences: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Sequences (start, length) in groups of similar length, the longest first."""
    groups: list[list[tuple[int, int]]] = []
    for sequence in sorted(sequences, key=lambda s: (-s[1], s[0])):
        if sequence[1] == 0:
            continue
        if groups and sequence[1] >= _MIN_FILL * groups[-1][0][1]:
            groups[-1].append(sequence)
        else:
            groups.append([sequence])
    return groups


def _causal_call(group: Sequence[tuple[int, int]], device: torch.device | None) -> CausalCall:
    longest = group[0][1]
    tokens = torch.cat([torch.arange(start, start + length) for start, length in group])
    slots = None
    if any(length < longest for _, length in group):
        slots = torch.cat(
            [torch.arange(length) + row * longest for row, (_, length) in enumerate(group)]
        ).to(device)
    return CausalCall(len(group), longest, tokens.to(device), slots)
