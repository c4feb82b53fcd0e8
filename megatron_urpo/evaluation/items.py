"""What an evaluation found, item by item and on the whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class EvaluationItem:
    """One held-out task and how it went."""

    source: str
    key: str
    values: dict[str, float]  # metric name -> value of this item
    response: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All items, and the means of their values by metric name."""

    label: str
    step: int
    policy_version: int
    values: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)  # 95 % bootstrap
    counts: dict[str, int] = field(default_factory=dict)  # items behind each value
    items: tuple[EvaluationItem, ...] = ()

    def summary(self) -> dict[str, object]:
        """Everything but the items, for evaluations.jsonl."""
        return {name: value for name, value in asdict(self).items() if name != "items"}
