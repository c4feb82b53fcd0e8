"""`urpo probe`: whether a base model has the seed of competence that URPO grows from.

The paper saw plain Llama-3.1-8B collapse under reinforcement learning, and the same architecture
succeed after more pretraining on reasoning: the method selects among what a model already does
(section 4.2.2). As player it must sometimes solve a problem and sometimes fail, in the format that
is read; as referee it must give readable scores that are better than chance. Both are measured here
on the model as it is, before anything is trained.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch.distributed as dist

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.data.prompts import PromptEncoder, build_prompts
from megatron_urpo.monitoring.judge import judge
from megatron_urpo.monitoring.judged import JudgedGroup, KnownGroup, verified_groups
from megatron_urpo.monitoring.seed_competence import PLAYER, REFEREE, Measure, measure
from megatron_urpo.monitoring.statistics import group_values, pass_at_k
from megatron_urpo.rewards.score import RewardScorer
from megatron_urpo.rollout.collect import sample
from megatron_urpo.rollout.gather import deal, gather, this_replica
from megatron_urpo.rollout.interface import RolloutEngine
from megatron_urpo.types import (
    FinishReason,
    Group,
    PreferenceTask,
    ReasoningTask,
    Task,
    TaskKind,
    VerifierStatus,
)


@dataclass(frozen=True, slots=True)
class ProbeTasks:
    """Problems for the player and preferences for the referee, at least one of each."""

    problems: tuple[ReasoningTask, ...]
    preferences: tuple[PreferenceTask, ...]

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> ProbeTasks:
        """Sorts tasks by kind; instructions are passed over.

        Raises:
            ConfigError: there are no reasoning or no preference tasks.
        """
        problems = tuple(task for task in tasks if isinstance(task, ReasoningTask))
        preferences = tuple(task for task in tasks if isinstance(task, PreferenceTask))
        if not problems or not preferences:
            raise ConfigError(
                f"the probe has no {'preference' if problems else 'reasoning'} tasks: add a source "
                "of that kind to [[monitoring.sources]], or leave the configuration out to use "
                "generated tasks"
            )
        return cls(problems, preferences)


class Probe:
    """The tasks of a probe and what measures a model on them."""

    def __init__(
        self,
        tasks: ProbeTasks,
        engine: RolloutEngine,
        encoder: PromptEncoder,
        scorer: RewardScorer,
        config: Config,
        process_group: dist.ProcessGroup | None,
        show: Callable[[str], None],
    ) -> None:
        """
        Args:
            process_group: see gather.gather.
            show: is told what begins, for whoever waits.
        """
        self._tasks = tasks
        self._engine = engine
        self._encoder = encoder
        self._scorer = scorer
        self._config = config
        self._process_group = process_group
        self._show = show

    def run(self, tick: Callable[[], None]) -> list[Measure]:
        """Samples, verifies and judges. All ranks call it together and get the same measures.

        Args:
            tick: called whenever a problem has been answered or a judgement written.

        Raises:
            ConfigError: no reasoning prompt fits data.max_prompt_tokens.
        """
        groups = self._answer(tick)
        known = [KnownGroup(TaskKind.PREFERENCE, task) for task in self._tasks.preferences]
        known += verified_groups(groups, len(groups))
        self._show(f"{len(known)} groups, judged in {self._config.monitoring.orders} orders each")
        judged = judge(
            known, self._engine, self._encoder, self._config, 0, self._process_group, tick
        )
        return player_measures(groups) + referee_measures(judged, self._config)

    def _answer(self, tick: Callable[[], None]) -> list[Group]:
        """rollout.group_size answers to each problem, verified."""
        config = self._config
        prompts, skipped = build_prompts(
            self._tasks.problems, self._encoder, config, seed=config.run.seed, step_index=0
        )
        if not prompts:
            raise ConfigError(
                f"all {len(skipped)} reasoning prompts exceed data.max_prompt_tokens = "
                f"{config.data.max_prompt_tokens}: raise it"
            )
        self._show(f"{len(prompts)} problems, {config.rollout.group_size} answers each")
        replica = this_replica(config.rollout.tensor_model_parallel_size)
        share = deal(prompts, replica.count, config.rollout)[replica.index]
        for rollout in sample(
            self._engine,
            share,
            self._encoder,
            config,
            replica.seed(config.run.seed),
            temperature=config.rollout.temperature,
            group_size=config.rollout.group_size,
        ):
            tick()
            if replica.is_lead:
                self._scorer.submit(rollout)
        return gather(self._scorer.drain(), prompts, replica, self._process_group)


def player_measures(groups: Sequence[Group]) -> list[Measure]:
    """What the verified answers say of the player. Answers without a verdict are left out."""
    size = len(groups[0].rollout.responses)
    values: dict[str, list[float]] = defaultdict(list)
    for group in groups:
        decided = [s for s in group.statuses if s in (VerifierStatus.CORRECT, VerifierStatus.WRONG)]
        right = sum(status is VerifierStatus.CORRECT for status in decided)
        if decided:
            values["pass@1"].append(pass_at_k(len(decided), right, 1))
            values["pass@G"].append(pass_at_k(len(decided), right, len(decided)))
            values["mixed groups"].append(float(0 < right < len(decided)))
        values["answers found"].append(float(group.parsed.mean()))
        cut = [r.finish_reason is FinishReason.LENGTH for r in group.rollout.responses]
        values["answers cut off"].append(float(np.mean(cut)))
    return [
        measure("player", rule, values[rule.name], name=rule.name.replace("@G", f"@{size}"))
        for rule in PLAYER
        if values[rule.name]
    ]


def referee_measures(judged: Sequence[JudgedGroup], config: Config) -> list[Measure]:
    """What the judgements say of the referee; the measures and thresholds of [monitoring].

    Unreadable scores are told apart by whose answers were judged, tau by source where there are
    several: groups of another size or kind can be another task.
    """
    values: dict[str, list[float]] = defaultdict(list)
    parts: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for group in judged:
        known = group.known
        found = group_values(group)
        found["truncated_share"] = float(np.mean([v.truncated for v in group.verdicts]))
        for name, value in found.items():
            values[name].append(value)
        whose = "preferences" if known.kind is TaskKind.PREFERENCE else "own answers"
        parts["parse_failure_share"][whose].append(found["parse_failure_share"])
        if "tau" in found:
            parts["tau"][known.task.source].append(found["tau"])
    measures = []
    for rule in REFEREE:
        limit = config.monitoring.threshold(rule.alarm) if rule.alarm else rule.limit
        rows = {"": values[rule.values]} if values[rule.values] else {}
        if len(parts[rule.values]) > 1:
            rows |= parts[rule.values]
        measures += [
            measure("referee", rule, row, name=part and f"{rule.name}: {part}", limit=limit)
            for part, row in rows.items()
        ]
    return measures
