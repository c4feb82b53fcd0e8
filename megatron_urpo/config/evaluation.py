"""[evaluation] and [monitoring]."""

from __future__ import annotations

from dataclasses import dataclass

from megatron_urpo.config.checks import (
    require,
    require_choice,
    require_not_negative,
    require_positive,
)
from megatron_urpo.config.data import SourceConfig
from megatron_urpo.referee_measures import REFEREE_MEASURES
from megatron_urpo.types import TaskKind


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """Held-out evaluation."""

    sources: tuple[SourceConfig, ...] = ()
    max_prompts_per_source: int = 0  # 0: all
    temperature: float = 0.0
    every: int = 0  # steps between evaluations inside a run; 0: never

    def __post_init__(self) -> None:
        require_not_negative(
            "evaluation",
            max_prompts_per_source=self.max_prompts_per_source,
            temperature=self.temperature,
            every=self.every,
        )


@dataclass(frozen=True, slots=True)
class MonitoringConfig:
    """Measurements of the referee inside a run, and their alarms: docs/referee.md."""

    every: int = 0  # steps between measurements; 0: never
    # Preference sources that are held out, and reasoning ones for `urpo probe`; none: those of
    # [evaluation].
    sources: tuple[SourceConfig, ...] = ()
    groups_per_source: int = 32  # the first so many of each source; 0: all
    reasoning_groups: int = 16  # at most, of the step's batch, that have right and wrong answers
    orders: int = 2  # in which each group is shown: pairs of a drawn order and its reverse
    alarm_groups: int = 8  # that have a measure, at least, for it to count beyond a threshold
    patience: int = 2  # measurements in a row beyond a threshold before its alarm is given
    stop_on: tuple[str, ...] = ()  # measures whose alarm stops the run; the others warn
    min_tau: float = 0.0  # chance is 0, and so counts what cannot be read
    min_verifier_agreement: float = 0.5  # chance is 0.5, and so counts what cannot be read
    min_consistency: float = 0.6  # chance is 0.5
    min_baseline_agreement: float = 0.4  # chance is 0.5
    max_length_bias: float = 0.5  # in size; a tau, 0 without bias
    # In size, of the policy's own answers to instructions; at 0.6 four pairs in five follow length.
    max_length_correlation: float = 0.6
    max_position_bias: float = 0.5  # in size; a tau, 0 without bias
    max_tie_share: float = 0.5
    max_parse_failure_share: float = 0.5

    def __post_init__(self) -> None:
        require_not_negative(
            "monitoring",
            every=self.every,
            groups_per_source=self.groups_per_source,
            reasoning_groups=self.reasoning_groups,
        )
        require_positive("monitoring", patience=self.patience, alarm_groups=self.alarm_groups)
        require(
            self.orders >= 2,
            f"monitoring.orders = {self.orders}: consistency needs at least 2 orders",
        )
        for source in self.sources:
            require(
                source.kind is not TaskKind.INSTRUCTION,
                f"monitoring.sources[{source.name}].kind = 'instruction': the referee is measured "
                "where the truth is known; give preference or reasoning sources",
            )
        for name in self.stop_on:
            require_choice("monitoring.stop_on", name, tuple(REFEREE_MEASURES))
        for name, measure in REFEREE_MEASURES.items():
            value = self.threshold(name)
            require(
                measure.lowest <= value <= 1,
                f"monitoring.{measure.key} = {value}: must lie in [{measure.lowest:g}, 1]",
            )

    def threshold(self, name: str) -> float:
        """The limit of a measure of REFEREE_MEASURES."""
        return getattr(self, REFEREE_MEASURES[name].key)
