"""[data] and the sources of every section."""

from __future__ import annotations

from dataclasses import dataclass, field

from megatron_urpo.config.checks import (
    require,
    require_choice,
    require_not_negative,
    require_positive,
)
from megatron_urpo.types import TaskKind

EMBEDDED_PREFIX = "embedded:"  # of the path of a source that is generated, not read


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One data source and its share among the sources of its kind."""

    name: str  # shown in metrics
    kind: TaskKind
    path: str  # a .jsonl, .arrow or .parquet file, or "embedded:<name>", a generator
    weight: float = 0.0  # share among the sources of its kind; 0: the number of its tasks
    options: dict[str, int | float | str] = field(default_factory=dict)  # of an embedded source

    def __post_init__(self) -> None:
        key = f"source {self.name!r}:"
        require(
            self.name != "" and "/" not in self.name,
            f"source name {self.name!r}: give a name without '/', it becomes part of metric names",
        )
        require(self.path != "", f"{key} path is empty: name a file or embedded:<name>")
        require(self.weight >= 0, f"{key} weight = {self.weight}: must not be negative")

    @property
    def is_generated(self) -> bool:
        """Whether there is no file to read."""
        return self.path.startswith(EMBEDDED_PREFIX)


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Sources, mixture and curriculum (paper section 4.1.4 and Table 4)."""

    sources: tuple[SourceConfig, ...] = ()
    prompts_per_step: int = 256
    # P:R:I, as the paper writes its ratios; phase 1 takes the first two only.
    preference_ratio: float = 1.0
    reasoning_ratio: float = 1.0
    instruction_ratio: float = 1.0
    phase1_steps: int = 100  # steps without instructions
    max_prompt_tokens: int = 2048
    # skip (counted) or error; an instruction group whose judge prompt does not fit is left out
    overlong_prompts: str = "skip"

    def __post_init__(self) -> None:
        require_positive(
            "data", prompts_per_step=self.prompts_per_step, max_prompt_tokens=self.max_prompt_tokens
        )
        require_not_negative(
            "data",
            preference_ratio=self.preference_ratio,
            reasoning_ratio=self.reasoning_ratio,
            instruction_ratio=self.instruction_ratio,
            phase1_steps=self.phase1_steps,
        )
        require_choice("data.overlong_prompts", self.overlong_prompts, ("skip", "error"))

    def ratio(self, phase: int) -> dict[TaskKind, float]:
        """Share of each kind in a batch of phase 1 or 2, not normalised."""
        return {
            TaskKind.PREFERENCE: self.preference_ratio,
            TaskKind.REASONING: self.reasoning_ratio,
            TaskKind.INSTRUCTION: self.instruction_ratio if phase == 2 else 0.0,
        }

    def phase(self, step_index: int) -> int:
        """Curriculum phase (1 or 2) of a step, counted from 0."""
        return 1 if step_index < self.phase1_steps else 2
