"""Rewards of finished rollouts.

Consumes Rollout, produces Group, waits for nothing but verifier workers.

| kind        | reward of a response                            | the whole group is masked |
|-------------|-------------------------------------------------|---------------------------|
| reasoning   | 1 correct, 0 wrong (code: any test failed)      | at a timeout or an error  |
| preference  | Kendall's tau of the scores it gives, else      | never                     |
|             | rewards.unparseable_preference                  |                           |
| instruction | the policy's own score of it (paper, 3.2.2)     | without readable scores   |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from megatron_urpo import judging
from megatron_urpo.config import RewardsConfig
from megatron_urpo.rewards import code_answer, math_answer
from megatron_urpo.rewards.code_answer import CodeOutcome, CodeVerification
from megatron_urpo.rewards.math_answer import Verification
from megatron_urpo.rewards.ranking import kendall_tau
from megatron_urpo.rewards.workers import WorkerPool
from megatron_urpo.types import (
    Float64Array,
    Group,
    InstructionTask,
    MaskReason,
    PreferenceTask,
    Prompt,
    ReasoningTask,
    Rollout,
    VerifierStatus,
)

_REWARDS = {VerifierStatus.CORRECT: 1.0, VerifierStatus.WRONG: 0.0}


@dataclass(frozen=True, slots=True)
class _Pending:
    """A reasoning rollout whose answers are being verified."""

    rollout: Rollout
    verifications: tuple[Verification | CodeVerification, ...]  # G


class RewardScorer:
    """Scores rollouts while others are still being generated.

    `submit` as they finish, `drain` at the end. One scorer serves a whole run; its verifier
    processes start when the first answer needs one.
    """

    def __init__(self, config: RewardsConfig, seed: int) -> None:
        """Takes the run's seed, which only `rewards.shuffle_self_scores` uses."""
        self._config = config
        self._seed = seed
        self._step_index = 0
        self._pool = WorkerPool(
            math_answer.WORKER_TARGET,
            workers=config.verifier_workers,
            timeout_seconds=config.verifier_timeout_seconds,
        )
        self._code_pool = code_answer.open_pool(config)
        self._submitted: list[Group | _Pending] = []

    def start_step(self, step_index: int) -> None:
        """Name the step, counted from 0, whose rollouts follow: each shuffles self-scores anew."""
        self._step_index = step_index

    def submit(self, rollout: Rollout) -> None:
        """Take a finished rollout; never blocks.

        Raises:
            ValueError: an instruction rollout without judgement, or counts that do not match.
        """
        match rollout.prompt.task:
            case ReasoningTask() as task:
                self._submitted.append(self._begin_reasoning(rollout, task))
            case PreferenceTask() as task:
                self._submitted.append(self._preference_group(rollout, task))
            case InstructionTask():
                self._submitted.append(self._instruction_group(rollout))

    def drain(self) -> list[Group]:
        """The groups of all that was submitted since the last call; waits for the verifiers.

        Raises:
            WorkerStartError: the verifier's workers cannot be started.
        """
        groups = [
            entry if isinstance(entry, Group) else _reasoning_group(entry)
            for entry in self._submitted
        ]
        self._submitted = []
        return groups

    def close(self) -> None:
        """End the verifier processes."""
        self._pool.close()
        self._code_pool.close()

    def _begin_reasoning(self, rollout: Rollout, task: ReasoningTask) -> _Pending:
        texts = [response.text for response in rollout.responses]
        verifications: Sequence[Verification | CodeVerification]
        if task.tests is None:
            verifications = math_answer.begin_verifications(texts, task.gold, self._pool)
        else:
            verifications = code_answer.begin_verifications(
                texts, task.tests, self._code_pool, self._config
            )
        return _Pending(rollout, tuple(verifications))

    def _preference_group(self, rollout: Rollout, task: PreferenceTask) -> Group:
        read = [
            judging.parse_scores(response.text, len(task.responses))
            for response in rollout.responses
        ]
        undone = [
            judging.undo_order(scores, rollout.prompt.order)
            for scores in read
            if scores is not None
        ]
        parsed = np.array([scores is not None for scores in read])
        rewards = np.full(len(read), self._config.unparseable_preference)
        rewards[parsed] = kendall_tau(undone, [task.truth] * len(undone))
        return Group(rollout, rewards, parsed)

    def _instruction_group(self, rollout: Rollout) -> Group:
        judgement = rollout.judgement
        count = len(rollout.responses)
        where = f"instruction {rollout.prompt.task.source}:{rollout.prompt.task.key}"
        if judgement is None:
            raise ValueError(f"{where} was submitted without a judgement of its {count} responses")
        if judgement.scores is None:
            return Group(
                rollout,
                rewards=np.full(count, np.nan),
                parsed=np.zeros(count, dtype=np.bool_),
                mask_reason=(
                    MaskReason.UNPARSEABLE_JUDGEMENT
                    if judgement.attempts
                    else MaskReason.OVERLONG_JUDGE_PROMPT
                ),
            )
        if len(judgement.scores) != count:
            raise ValueError(f"{where} has {len(judgement.scores)} scores for {count} responses")
        rewards = np.array(judgement.scores, dtype=np.float64)
        if self._config.shuffle_self_scores:
            rewards = self._shuffled(rewards, rollout.prompt)
        return Group(rollout, rewards, parsed=np.ones(count, dtype=np.bool_))

    def _shuffled(self, scores: Float64Array, prompt: Prompt) -> Float64Array:
        """The control experiment: the same scores, given to the wrong responses."""
        seed = (self._seed, self._step_index, prompt.index)
        return np.random.default_rng(seed).permutation(scores)


def _reasoning_group(pending: _Pending) -> Group:
    outcomes = [verification.outcome() for verification in pending.verifications]
    statuses = tuple(outcome.status for outcome in outcomes)
    return Group(
        pending.rollout,
        rewards=np.array([_REWARDS.get(status, np.nan) for status in statuses]),
        parsed=np.array([outcome.extracted is not None for outcome in outcomes]),
        statuses=statuses,
        code_results=tuple(each.result for each in outcomes if isinstance(each, CodeOutcome)),
        mask_reason=None if set(statuses) <= set(_REWARDS) else MaskReason.VERIFIER_FAILURE,
    )
