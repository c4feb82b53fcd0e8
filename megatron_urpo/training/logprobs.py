"""Log-probabilities and entropies of predicted tokens, without the logits of a whole micro-batch.

Logits exist for a chunk of positions at a time, in the dtype of the model, and are computed again
in the backward pass. Under tensor parallelism every rank holds a slice of the vocabulary and only
per-token statistics travel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from megatron_urpo.block_sizes import SOFTMAX_BLOCK_FLOATS


@dataclass(frozen=True, slots=True)
class VocabSlice:
    """The rows of the output layer this rank holds: token ids start .. start + size - 1.

    size leaves out padding rows, which only make the vocabulary divisible by the ranks.
    """

    start: int
    size: int
    group: dist.ProcessGroup | None  # tensor-parallel ranks; None: this rank holds all


def token_logprobs(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    vocab: VocabSlice,
    temperature: float = 1.0,
    chunk_tokens: int = 1024,
) -> tuple[Tensor, Tensor]:
    """Log-probability of each target, and the entropy of the distribution it was drawn from.

    Both are of softmax(hidden @ weight.T / temperature), the distribution sampled at that
    temperature without truncation. Temperature divides the fp32 logits.

    Args:
        hidden: (L, hidden_size), final hidden states; the same on all ranks of vocab.group. Their
            gradient is this rank's share, to be summed over the group by the caller.
        weight: (rows, hidden_size) of this rank's slice of the output layer, padding rows last.
        targets: (L,) int64 token ids.
        chunk_tokens: positions whose logits exist at one time.

    Returns:
        (L,) float32 log-probs, differentiable in hidden and weight, and (L,) float32 entropies in
        nats, detached.
    """
    return _TokenLogprobs.apply(hidden, weight, targets, vocab, temperature, chunk_tokens)


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        vocab: VocabSlice,
        temperature: float,
        chunk_tokens: int,
    ) -> tuple[Tensor, Tensor]:
        # Entropy is a measurement: without this autograd would hand its backward a tensor of zeros.
        ctx.set_materialize_grads(False)
        rows = weight[: vocab.size]
        local_targets = targets - vocab.start
        owned = (local_targets >= 0) & (local_targets < vocab.size)
        # Of this rank's slice, per token: max logit m, sum of exp(logit - m), sum of
        # (logit - m) * exp(logit - m), and the target's logit (0 if another rank's).
        statistics = hidden.new_empty((4, len(hidden)), dtype=torch.float32)
        for chunk in _chunks(len(hidden), chunk_tokens):
            logits = hidden[chunk] @ rows.T
            for block, where in _blocks(logits, chunk.start):
                scaled = block.float().div_(temperature)
                picked = scaled.gather(1, local_targets[where].clamp(0, vocab.size - 1)[:, None])
                statistics[3, where] = torch.where(owned[where], picked[:, 0], 0.0)
                peak = scaled.amax(1)
                statistics[0, where] = peak
                exponentials = scaled.sub_(peak[:, None]).exp()
                statistics[1, where] = exponentials.sum(1)
                statistics[2, where] = exponentials.mul_(scaled).sum(1)
        peak, total, weighted, target_logits = _combine(statistics, vocab.group)
        log_total = total.log()
        logprobs = target_logits - peak - log_total
        entropy = log_total - weighted / total
        ctx.save_for_backward(hidden, weight, local_targets, owned, peak + log_total)
        ctx.vocab, ctx.temperature, ctx.chunk_tokens = vocab, temperature, chunk_tokens
        ctx.mark_non_differentiable(entropy)
        return logprobs, entropy

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        grad_logprobs = grads[0]
        if grad_logprobs is None:
            return (None,) * 6
        hidden, weight, local_targets, owned, normalizer = ctx.saved_tensors
        size, temperature = ctx.vocab.size, ctx.temperature
        rows = weight[:size]
        grad_hidden = torch.empty_like(hidden)
        grad_weight: Tensor | None = None
        slope = grad_logprobs / temperature
        for chunk in _chunks(len(hidden), ctx.chunk_tokens):
            logits = hidden[chunk] @ rows.T
            for block, where in _blocks(logits, chunk.start):
                grad_block = block.float().div_(temperature).sub_(normalizer[where, None]).exp_()
                grad_block.mul_(-slope[where, None])
                target = local_targets[where].clamp(0, size - 1)[:, None]
                grad_block.scatter_add_(1, target, (slope[where] * owned[where])[:, None])
                # The logits are done with: their storage takes the gradient.
                block.copy_(grad_block)
            torch.mm(logits, rows, out=grad_hidden[chunk])
            share = logits.T @ hidden[chunk]
            # Several chunks are summed in float32; one needs no copy.
            grad_weight = share if grad_weight is None else grad_weight.float().add_(share)
        return grad_hidden, _like_weight(grad_weight, weight), None, None, None, None


def _chunks(num_tokens: int, chunk_tokens: int) -> list[slice]:
    """Token ranges of equal size, at most chunk_tokens each."""
    count = -(-num_tokens // chunk_tokens)
    return [slice(num_tokens * k // count, num_tokens * (k + 1) // count) for k in range(count)]


def _like_weight(grad_rows: Tensor | None, weight: Tensor) -> Tensor:
    """The gradient of the vocabulary's rows as one of the whole weight, padding rows included."""
    if grad_rows is not None and grad_rows.shape == weight.shape:
        return grad_rows.to(weight.dtype)
    grad_weight = torch.zeros_like(weight)
    if grad_rows is not None:
        grad_weight[: len(grad_rows)] = grad_rows
    return grad_weight


def _blocks(logits: Tensor, start: int) -> list[tuple[Tensor, slice]]:
    """Views of the chunk that begins at token `start`, and the tokens each covers."""
    on_cpu = logits.device.type == "cpu"
    size = max(1, SOFTMAX_BLOCK_FLOATS // logits.shape[1]) if on_cpu else len(logits)
    return [
        (logits[row : row + size], slice(start + row, start + min(row + size, len(logits))))
        for row in range(0, len(logits), size)
    ]


def _combine(statistics: Tensor, group: dist.ProcessGroup | None) -> tuple[Tensor, ...]:
    """The statistics of the slices as those of the whole vocabulary."""
    peak, total, weighted, target_logits = statistics.unbind()
    if group is None or group.size() == 1:
        return peak, total, weighted, target_logits
    global_peak = peak.clone()
    dist.all_reduce(global_peak, op=dist.ReduceOp.MAX, group=group)
    shift = peak - global_peak
    factor = shift.exp()
    sums = torch.stack((total * factor, (weighted + shift * total) * factor, target_logits))
    dist.all_reduce(sums, group=group)
    return global_peak, *sums.unbind()
