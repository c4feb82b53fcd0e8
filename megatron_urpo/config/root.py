"""The whole configuration, and what concerns several of its sections."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from megatron_urpo.config.checks import require
from megatron_urpo.config.data import DataConfig, SourceConfig
from megatron_urpo.config.evaluation import EvaluationConfig, MonitoringConfig
from megatron_urpo.config.rollout import RewardsConfig, RolloutConfig
from megatron_urpo.config.run import CheckpointConfig, MetricsConfig, ModelConfig, RunConfig
from megatron_urpo.config.training import (
    AdvantagesConfig,
    BatchingConfig,
    SFTConfig,
    TrainingConfig,
    WeightSyncConfig,
)
from megatron_urpo.types import TaskKind


@dataclass(frozen=True, slots=True)
class Config:
    """All sections."""

    run: RunConfig = field(default_factory=RunConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    rewards: RewardsConfig = field(default_factory=RewardsConfig)
    advantages: AdvantagesConfig = field(default_factory=AdvantagesConfig)
    batching: BatchingConfig = field(default_factory=BatchingConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    weight_sync: WeightSyncConfig = field(default_factory=WeightSyncConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    monitoring: MonitoringConfig = field(default_factory=MonitoringConfig)
    sft: SFTConfig = field(default_factory=SFTConfig)

    def __post_init__(self) -> None:
        rollout, data = self.rollout, self.data
        longest = max(rollout.max_response_tokens, rollout.max_judgement_tokens)
        require(
            data.max_prompt_tokens + longest <= rollout.max_model_len,
            f"rollout.max_model_len = {rollout.max_model_len} does not hold data.max_prompt_tokens "
            f"+ the longest response = {data.max_prompt_tokens} + {longest}: raise the first or "
            "lower one of the others",
        )
        require(
            data.phase1_steps < self.run.steps or data.instruction_ratio == 0,
            f"data.phase1_steps = {data.phase1_steps} leaves no step of phase 2 in run.steps = "
            f"{self.run.steps}: instructions would never be trained; lower it or set "
            "data.instruction_ratio = 0",
        )
        require(
            self.evaluation.every == 0 or bool(self.evaluation.sources),
            f"evaluation.every = {self.evaluation.every} needs an [[evaluation.sources]] table",
        )
        self._check_sources()
        self._check_monitoring()
        self._check_precision()
        require(
            self.batching.mini_batches <= data.prompts_per_step,
            f"batching.mini_batches = {self.batching.mini_batches} exceeds data.prompts_per_step = "
            f"{data.prompts_per_step}: a mini-batch needs at least one group",
        )

    def monitored_sources(self) -> tuple[SourceConfig, ...]:
        """What the referee is measured on: [[monitoring.sources]], else [[evaluation.sources]]."""
        return self.monitoring.sources or self.evaluation.sources

    def unmonitored_sources(self) -> tuple[SourceConfig, ...]:
        """The sources of [data] whose truth is known, of kinds that monitored_sources lacks."""
        covered = {source.kind for source in self.monitored_sources()} | {TaskKind.INSTRUCTION}
        return tuple(source for source in self.data.sources if source.kind not in covered)

    def _check_monitoring(self) -> None:
        monitoring = self.monitoring
        kinds = {source.kind for source in self.monitored_sources()}
        require(
            monitoring.every == 0 or TaskKind.PREFERENCE in kinds,
            f"monitoring.every = {monitoring.every} needs a held-out preference source: add one to "
            "[[monitoring.sources]] or [[evaluation.sources]]",
        )
        require(
            not monitoring.stop_on or monitoring.every > 0,
            f"monitoring.stop_on = {list(monitoring.stop_on)} has no effect with "
            "monitoring.every = 0: set every, or leave stop_on empty",
        )
        for name in monitoring.stop_on:
            self._check_stop(name)

    def _check_stop(self, name: str) -> None:
        """Raises where no measurement could have monitoring.alarm_groups groups."""
        monitoring = self.monitoring
        preferences = sum(s.kind is TaskKind.PREFERENCE for s in self.monitored_sources())
        if name == "verifier_agreement":
            can = monitoring.reasoning_groups >= monitoring.alarm_groups
            can = can and self.data.reasoning_ratio > 0
            needs = (
                f"monitoring.reasoning_groups = {monitoring.reasoning_groups} of at least "
                f"monitoring.alarm_groups = {monitoring.alarm_groups}, and data.reasoning_ratio > 0"
            )
        elif name == "length_correlation":
            can = self.data.instruction_ratio > 0
            needs = "data.instruction_ratio > 0"
        else:
            groups = monitoring.groups_per_source
            can = groups == 0 or groups * preferences >= monitoring.alarm_groups
            needs = (
                f"monitoring.groups_per_source = {groups} of {preferences} preference source(s), "
                f"together, to be at least monitoring.alarm_groups = {monitoring.alarm_groups}"
            )
        require(can, f"monitoring.stop_on = {name!r} could never stop the run: it needs {needs}")

    @property
    def engine_dtype(self) -> str:
        """bfloat16 or float32: of the engine's weights and cache."""
        return self.model.params_dtype if self.rollout.dtype == "auto" else self.rollout.dtype

    def _check_precision(self) -> None:
        dtype = self.model.params_dtype
        require(
            self.training.fp8 == "off" or dtype == "bfloat16",
            f"model.params_dtype = {dtype!r} excludes training.fp8 = {self.training.fp8!r}: set "
            "the first to 'bfloat16' or the second to 'off'",
        )
        require(
            self.rollout.quantization == "none" or self.engine_dtype == "bfloat16",
            f"rollout.quantization = {self.rollout.quantization!r} excludes an engine in "
            f"{self.engine_dtype}: set rollout.dtype = 'bfloat16' or quantization = 'none'",
        )
        require(
            self.rollout.quantization == "none" or self.weight_sync.verify == "never",
            f"weight_sync.verify = {self.weight_sync.verify!r}: the engine does not hold the "
            f"trainer's bits with rollout.quantization = {self.rollout.quantization!r}; set verify "
            "= 'never' and watch weight_sync/all/mismatch_mean",
        )

    def _check_sources(self) -> None:
        sections = {
            "data": self.data.sources,
            "evaluation": self.evaluation.sources,
            "monitoring": self.monitoring.sources,
            "sft": self.sft.sources,
        }
        for section, sources in sections.items():
            names = [source.name for source in sources]
            require(
                len(names) == len(set(names)),
                f"{section}.sources: names must be unique, got {names}",
            )
            for source in sources:
                require(
                    section == "data" or source.weight == 0,
                    f"{section}.sources[{source.name}].weight = {source.weight}: only data.sources "
                    "are weighted; remove it",
                )
        self._check_weights()
        trained = (*self.data.sources, *self.sft.sources)
        files = {os.path.realpath(s.path) for s in trained if not s.is_generated}
        for section in ("evaluation", "monitoring"):
            for source in sections[section]:
                require(
                    source.is_generated or os.path.realpath(source.path) not in files,
                    f"{section}.sources[{source.name}].path = {source.path!r} is trained on as "
                    "well: hold a file of its own out",
                )

    def _check_weights(self) -> None:
        """Within a kind the sources share by weight or by size: the two have no common unit."""
        for kind in TaskKind:
            sources = [source for source in self.data.sources if source.kind is kind]
            unweighted = [source.name for source in sources if source.weight == 0]
            require(
                len(unweighted) in (0, len(sources)),
                f"data.sources[{', '.join(unweighted)}].weight is not set, but other {kind} "
                "sources have weights: give each of them one, or none (shares by size)",
            )
