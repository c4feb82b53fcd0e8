"""The losses: pure functions of per-token log-probabilities.

All arguments and results are (L,) float32 tensors, one entry a predicted token of a micro-batch.
Nothing here divides by a number of tokens: MicroBatch.loss_weights already hold one over the
denominator of the whole mini-batch, so that a step's loss is

    sum over all ranks, micro-batches and tokens of   loss_weights * token_loss
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Surrogate:
    """The clipped surrogate of each token and what the clipping did. Only loss has a gradient."""

    loss: Tensor
    ratio: Tensor  # pi / pi_old
    clipped_low: Tensor  # bool, the bound 1 - clip_low holds the gradient back
    clipped_high: Tensor  # bool, the bound 1 + clip_high does


def clipped_surrogate(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    clip_low: float,
    clip_high: float,
) -> Surrogate:
    """Token-level clipped surrogate with an asymmetric range (URPO section 3.1; DAPO, 2503.14476).

        loss = -min(ratio * A, clip(ratio, 1 - clip_low, 1 + clip_high) * A)

    Args:
        logprobs: of the policy being updated, differentiable.
        old_logprobs: of the policy that the trainer had when the batch was collected, frozen.
        advantages: of each token's response.
    """
    ratio = torch.exp(logprobs - old_logprobs)
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    loss = -torch.minimum(ratio * advantages, clipped * advantages)
    detached = ratio.detach()
    return Surrogate(
        loss=loss,
        ratio=detached,
        clipped_low=(detached < 1 - clip_low) & (advantages < 0),
        clipped_high=(detached > 1 + clip_high) & (advantages > 0),
    )


def kl_penalty(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Unbiased estimate of KL(policy || reference) per token, never negative ("k3"; GRPO,
    2402.03300 eq. 4):  r - log r - 1  with  r = pi_ref / pi.
    """
    log_ratio = reference_logprobs - logprobs
    return torch.exp(log_ratio) - log_ratio - 1


def importance_weights(old_logprobs: Tensor, rollout_logprobs: Tensor, cap: float) -> Tensor:
    """Truncated importance weights min(pi_old / pi_engine, cap), without gradient.

    They correct for the engine sampling from slightly other probabilities than the trainer
    computes: other kernels, other rounding.

    Args:
        old_logprobs: the trainer's, of the weights that sampled.
        rollout_logprobs: the engine's, as it reported them when sampling.
        cap: upper bound, at least 1 to leave exact agreement untouched.
    """
    return torch.exp(old_logprobs - rollout_logprobs).clamp(max=cap).detach()


def approximate_kl(logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    """How far the update has moved the policy: k3 estimate of KL(old || new), without gradient.

    The tokens are samples of the old policy, so r = pi / pi_old here.
    """
    log_ratio = logprobs.detach() - old_logprobs
    return torch.exp(log_ratio) - log_ratio - 1
