"""Group-relative advantages.

consumes   Groups, rewarded, of the whole batch
produces   TrainingGroups: the prompt once, its branches and their advantages
waits for  nothing; a pure function of the batch, the same on every rank
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from megatron_urpo.config import AdvantagesConfig
from megatron_urpo.types import Float64Array, Group, TaskKind, TrainingGroup

_STD_EPSILON = 1e-6
_LARGE = 1e100


@dataclass(frozen=True, slots=True)
class AdvantageStatistics:
    """Groups that the rewards of this batch do not train, by kind."""

    masked: Counter[TaskKind] = field(default_factory=Counter)  # out of the loss altogether
    # Without a gradient but that of a KL term; their tokens count.
    zero_variance: Counter[TaskKind] = field(default_factory=Counter)


def group_advantages(rewards: Float64Array, *, normalize_by_std: bool = True) -> Float64Array:
    """Advantages of one group, GRPO (paper section 3.1): how far each reward is from the mean.

    Args:
        rewards: (G,) float64, finite.
        normalize_by_std: divide by (std + 1e-6), the sample standard deviation (ddof 1), as verl
            does; the paper does not say which.

    Returns:
        (G,) float64 with mean 0; exactly 0 everywhere when all rewards are equal.

    Raises:
        ValueError: fewer than two rewards, or one that is not finite.
    """
    if rewards.ndim != 1 or len(rewards) < 2:
        raise ValueError(f"a group needs at least 2 rewards, got shape {rewards.shape}")
    if not np.isfinite(rewards).all():
        raise ValueError(f"rewards of an unmasked group must be finite, got {rewards.tolist()}")
    if (rewards == rewards[0]).all():
        return np.zeros_like(rewards)
    # A referee may give scores whose squares overflow; normalised advantages have no scale.
    largest = np.abs(rewards).max()
    if normalize_by_std and largest > _LARGE:
        rewards = rewards / largest
    centred = rewards - rewards.mean()
    return centred / (rewards.std(ddof=1) + _STD_EPSILON) if normalize_by_std else centred


def make_training_groups(
    groups: Sequence[Group], config: AdvantagesConfig
) -> tuple[list[TrainingGroup], AdvantageStatistics]:
    """Turns rewarded groups into what the update needs.

    A masked group is left out. A group without variance stays, with advantages of zero: it adds no
    gradient but that of a KL term, and its tokens count in the loss denominator.
    """
    statistics = AdvantageStatistics()
    training_groups = []
    for group in groups:
        if group.mask_reason is not None:
            statistics.masked[group.kind] += 1
            continue
        advantages = group_advantages(group.rewards, normalize_by_std=config.normalize_by_std)
        if not advantages.any():
            statistics.zero_variance[group.kind] += 1
        responses = group.rollout.responses
        training_groups.append(
            TrainingGroup(
                index=group.prompt.index,
                kind=group.kind,
                prompt_ids=np.asarray(group.prompt.token_ids, dtype=np.int64),
                response_ids=tuple(np.asarray(r.token_ids, dtype=np.int64) for r in responses),
                rollout_logprobs=tuple(r.logprobs for r in responses),
                advantages=advantages,
            )
        )
    return training_groups, statistics
