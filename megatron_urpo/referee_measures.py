"""The measures of the referee: names, which side of a threshold is bad, and what an alarm says.

docs/referee.md explains them. The configuration has a threshold for each, `monitoring` takes them
and gives their alarms, `report` draws them.
"""

from __future__ import annotations

from dataclasses import dataclass

from megatron_urpo.types import TaskKind


@dataclass(frozen=True, slots=True)
class RefereeMeasure:
    """One measure, the mean over groups of a role in the metric monitoring/<role>/<name>."""

    name: str
    title: str  # in tables and over charts
    meaning: str  # of an alarm, in plain words; docs/referee.md says what to do
    is_upper: bool = False  # its threshold is the most that is allowed
    by_size: bool = False  # a bias: the sign does not matter
    lowest: float = 0.0  # that it can be, in size where the sign does not matter
    by_source: bool = False  # also taken for each held-out source apart, where there are several
    alarm_roles: tuple[TaskKind, ...] = tuple(TaskKind)

    @property
    def key(self) -> str:
        """Of its threshold, in [monitoring]."""
        return f"{'max' if self.is_upper else 'min'}_{self.name}"


REFEREE_MEASURES = {
    measure.name: measure
    for measure in (
        RefereeMeasure(
            "tau",
            "tau on held-out preferences",
            "its scores do not follow the true ranking of held-out preferences",
            lowest=-1.0,
            by_source=True,
        ),
        RefereeMeasure(
            "verifier_agreement",
            "agreement with the verifier",
            "it does not tell right answers from wrong ones",
        ),
        RefereeMeasure(
            "consistency",
            "same ranking in another order",
            "its ranking changes with the order in which the same responses are shown",
        ),
        RefereeMeasure(
            "baseline_agreement",
            "same ranking as at the start",
            "it orders most pairs against its judgement at the start of the run",
        ),
        RefereeMeasure(
            "length_bias",
            "bias to length",
            "its scores follow the length of the responses",
            is_upper=True,
            by_size=True,
        ),
        RefereeMeasure(
            "length_correlation",
            "correlation with length",
            "its scores of the policy's own answers follow their length",
            is_upper=True,
            by_size=True,
            # Where the truth is known the correlation is the truth's own as well: length_bias says
            # more.
            alarm_roles=(TaskKind.INSTRUCTION,),
        ),
        RefereeMeasure(
            "position_bias",
            "bias to later places",
            "its scores follow the place of a response in the prompt",
            is_upper=True,
            by_size=True,
        ),
        RefereeMeasure(
            "tie_share",
            "ties between unequal responses",
            "it gives equal scores to responses of different quality",
            is_upper=True,
        ),
        RefereeMeasure(
            "parse_failure_share",
            "judgements that cannot be read",
            "its scores cannot be read",
            is_upper=True,
        ),
    )
}
