"""Groups that SmolLM2 sampled, judged and was rewarded for, for tests of training to replay.

tests/recorded/ holds the rollouts of one step of the loop, with groups of all three kinds, of each
of which some vary in reward, and unequal lengths. It is the first step of

    urpo sft   examples/quickstart.toml --run.directory runs/recorded
    urpo train examples/quickstart.toml --run.directory runs/recorded --run.steps 3 \\
        --model.path runs/recorded/sft/export --data.phase1_steps 0 --data.prompts_per_step 8
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from megatron_urpo.advantages import make_training_groups
from megatron_urpo.batching import make_mini_batches
from megatron_urpo.config import AdvantagesConfig
from megatron_urpo.rollout_log import RolloutLog
from megatron_urpo.types import Group, TrainingGroup

DIRECTORY = Path(__file__).parent / "recorded"


def recorded_groups() -> list[Group]:
    """All groups of the step, those that the loss leaves out among them."""
    return RolloutLog(DIRECTORY).read(1)


def recorded_mini_batches() -> list[list[TrainingGroup]]:
    """What the loop would learn from them, in two mini-batches."""
    groups, _ = make_training_groups(recorded_groups(), AdvantagesConfig())
    return make_mini_batches(groups, 2)


def renumbered(
    mini_batches: list[list[TrainingGroup]],
) -> tuple[list[list[TrainingGroup]], int]:
    """The same with the tokens that occur numbered from 0, for models of random weights.

    Returns:
        the mini-batches, and the number of different tokens.
    """
    groups = [group for mini_batch in mini_batches for group in mini_batch]
    texts = [ids for group in groups for ids in (group.prompt_ids, *group.response_ids)]
    found = np.unique(np.concatenate(texts))

    def number(ids: np.ndarray) -> np.ndarray:
        return np.searchsorted(found, ids)

    return [
        [
            replace(
                group,
                prompt_ids=number(group.prompt_ids),
                response_ids=tuple(number(ids) for ids in group.response_ids),
            )
            for group in mini_batch
        ]
        for mini_batch in mini_batches
    ], len(found)
