"""Evaluation on held-out tasks: reasoning accuracy, the referee's tau, hidden checks.

One response a prompt, judged by the same reward code as in training. Every value is a mean over
items, and the items are kept, so that two models can be compared pair by pair.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import torch.distributed as dist

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.data.checkers import check_score
from megatron_urpo.data.prompts import PromptEncoder, build_prompts
from megatron_urpo.evaluation.bootstrap import bootstrap_interval
from megatron_urpo.evaluation.items import Evaluation, EvaluationItem
from megatron_urpo.judging import parse_scores, undo_order
from megatron_urpo.rewards.ranking import kendall_tau, pairwise_accuracy
from megatron_urpo.rewards.score import RewardScorer
from megatron_urpo.rollout.collect import sample
from megatron_urpo.rollout.gather import deal, gather_indexed, this_replica
from megatron_urpo.rollout.interface import RolloutEngine
from megatron_urpo.types import (
    FinishReason,
    Group,
    InstructionTask,
    PreferenceTask,
    Prompt,
    Rollout,
    Task,
    VerifierStatus,
)


class HeldOut:
    """Held-out tasks and what measures a model on them."""

    def __init__(
        self,
        prompts: Sequence[Prompt],
        engine: RolloutEngine,
        encoder: PromptEncoder,
        scorer: RewardScorer,
        config: Config,
        process_group: dist.ProcessGroup | None,
    ) -> None:
        """
        Args:
            prompts: of held_out_prompts.
            process_group: see gather.gather.
        """
        self._prompts = prompts
        self._engine = engine
        self._encoder = encoder
        self._scorer = scorer
        self._config = config
        self._process_group = process_group

    def evaluate(self, label: str, step: int, tick: Callable[[], None] | None = None) -> Evaluation:
        """Answers and judges every task once. All ranks call it together and get the same result.

        Values: reasoning/accuracy (of the items whose verifier came to a result; the share of the
        others is reasoning/verifier_failed_share), reasoning/answered_rate (a final answer was
        found); preference/tau (an
        unparseable judgement counts as 0, the tau of a referee that says nothing),
        preference/pairwise_accuracy (share of pairs of different quality put in the right order;
        equal scores count half), preference/parse_rate; instruction/check_score (hidden
        checkers); for each role truncated_share.

        Args:
            label: the model's name in the report, e.g. "base".
            step: the one that made these weights; 0 before any.
            tick: called whenever a task has been answered.
        """
        config = self._config
        replica = this_replica(config.rollout.tensor_model_parallel_size)
        share = deal(self._prompts, replica.count, config.rollout)[replica.index]
        items: list[tuple[int, EvaluationItem]] = []
        for rollout in sample(
            self._engine,
            share,
            self._encoder,
            config,
            replica.seed(config.run.seed),
            temperature=config.evaluation.temperature,
        ):
            if tick is not None:
                tick()
            if isinstance(rollout.prompt.task, InstructionTask):
                items.append((rollout.prompt.index, _measure_instruction(rollout)))
            elif replica.is_lead:
                self._scorer.submit(rollout)
        items += [(group.prompt.index, _measure(group)) for group in self._scorer.drain()]
        measured = gather_indexed(items, replica, self._process_group)
        return _summarise(measured, label, step, self._engine.policy_version)


def held_out_prompts(
    tasks: Sequence[Task], encoder: PromptEncoder, config: Config
) -> tuple[Prompt, ...]:
    """The prompts of held-out tasks, all of them: every model gets the same items.

    Raises:
        ConfigError: a prompt is too long.
    """
    prompts, skipped = build_prompts(tasks, encoder, config, seed=config.run.seed, step_index=0)
    if skipped:
        raise ConfigError(
            f"{len(skipped)} held-out prompts exceed data.max_prompt_tokens = "
            f"{config.data.max_prompt_tokens}, the first is {skipped[0].source}/"
            f"{skipped[0].key}: raise the limit or remove them"
        )
    return tuple(prompts)


def _summarise(
    items: Sequence[EvaluationItem], label: str, step: int, policy_version: int
) -> Evaluation:
    by_name: dict[str, list[float]] = defaultdict(list)
    for item in items:
        for name, value in item.values.items():
            by_name[name].append(value)
    return Evaluation(
        label=label,
        step=step,
        policy_version=policy_version,
        values={name: float(np.mean(values)) for name, values in by_name.items()},
        intervals={name: bootstrap_interval(values) for name, values in by_name.items()},
        counts={name: len(values) for name, values in by_name.items()},
        items=tuple(items),
    )


def _measure(group: Group) -> EvaluationItem:
    task, response = group.prompt.task, group.rollout.responses[0]
    values = _truncation(group.rollout)
    if isinstance(task, PreferenceTask):
        shown = parse_scores(response.text, len(task.responses))
        scores = [0.0] * len(task.truth) if shown is None else undo_order(shown, group.prompt.order)
        values["preference/tau"] = float(kendall_tau([scores], [task.truth])[0])
        values["preference/pairwise_accuracy"] = pairwise_accuracy(scores, task.truth)
        values["preference/parse_rate"] = float(shown is not None)
    else:
        failed = group.statuses[0] in (VerifierStatus.TIMEOUT, VerifierStatus.ERROR)
        values["reasoning/verifier_failed_share"] = float(failed)
        if not failed:
            values["reasoning/accuracy"] = float(group.statuses[0] is VerifierStatus.CORRECT)
        values["reasoning/answered_rate"] = float(group.parsed[0])
    return EvaluationItem(task.source, task.key, values, response.text)


def _measure_instruction(rollout: Rollout) -> EvaluationItem:
    task, response = rollout.prompt.task, rollout.responses[0]
    values = _truncation(rollout)
    if isinstance(task, InstructionTask) and task.checks:
        values["instruction/check_score"] = check_score(task, response.text)
    return EvaluationItem(task.source, task.key, values, response.text)


def _truncation(rollout: Rollout) -> dict[str, float]:
    cut = rollout.responses[0].finish_reason is FinishReason.LENGTH
    return {f"{rollout.prompt.task.kind}/truncated_share": float(cut)}
