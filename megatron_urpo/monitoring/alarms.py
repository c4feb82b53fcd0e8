"""Alarms: a measure of the referee beyond its threshold, several measurements in a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from megatron_urpo.config import ALARM_ROLES, ALARMS, MonitoringConfig
from megatron_urpo.types import RunError

# What an alarm is about, in plain words; docs/referee.md says what to do.
MEANING = {
    "tau": "its scores do not follow the true ranking of held-out preferences",
    "verifier_agreement": "it does not tell right answers from wrong ones",
    "consistency": "its ranking changes with the order in which the same responses are shown",
    "baseline_agreement": "it orders most pairs against its judgement at the start of the run",
    "length_bias": "its scores follow the length of the responses",
    "length_correlation": "its scores of the policy's own answers follow their length",
    "position_bias": "its scores follow the place of a response in the prompt",
    "tie_share": "it gives equal scores to responses of different quality",
    "parse_failure_share": "its scores cannot be read",
}
# Measured for each held-out source apart as well, where there are several.
SOURCE_MEASURES = ("tau",)


class RefereeAlarmError(RunError):
    """An alarm of monitoring.stop_on; the run is saved and can go on."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A measure that has been beyond its threshold for monitoring.patience measurements or more."""

    metric: str  # monitoring/role/what, or monitoring/role/tau/source
    value: float
    threshold: float
    is_upper: bool  # the threshold is the most that is allowed
    in_a_row: int  # measurements beyond it
    stops: bool  # monitoring.stop_on names the measure

    @property
    def key(self) -> str:
        """The configuration's key of the threshold."""
        return f"monitoring.{ALARMS[alarmed_measure(self.metric)][0]}"

    def __str__(self) -> str:
        side = "above" if self.is_upper else "below"
        return (
            f"{self.metric} = {self.value:.3f}, {side} {self.key} = {self.threshold:g} for "
            f"{self.in_a_row} measurement(s) in a row: {MEANING[alarmed_measure(self.metric)]}"
        )


def check_alarms(
    values: Mapping[str, float], counts: Mapping[str, int], config: MonitoringConfig
) -> tuple[list[Alarm], dict[str, int]]:
    """The alarms of a measurement, and how often in a row each metric is now beyond its threshold.

    Args:
        values: metrics by name; those without an alarm are passed over. The sign of a bias does not
            matter.
        counts: what the measurement before returned. A metric that is not measured this time, or
            over fewer than monitoring.alarm_groups groups that have it, keeps its count.
    """
    alarms = []
    new_counts = dict(counts)
    for metric, value in values.items():
        what = alarmed_measure(metric)
        if not what or _num_groups(values, metric) < config.alarm_groups:
            continue
        threshold, is_upper = config.threshold(what), ALARMS[what][1]
        beyond = abs(value) > threshold if is_upper else value < threshold
        new_counts[metric] = new_counts.get(metric, 0) + 1 if beyond else 0
        if new_counts[metric] >= config.patience:
            stops = what in config.stop_on
            alarms.append(Alarm(metric, value, threshold, is_upper, new_counts[metric], stops))
    return alarms, new_counts


def alarmed_measure(metric: str) -> str:
    """The measure of ALARMS that a metric is, of a role or of a source; empty for other metrics."""
    section, role, what, source = [*metric.split("/", 3), "", "", ""][:4]
    if section != "monitoring" or what not in ALARMS or (source and what not in SOURCE_MEASURES):
        return ""
    return what if role in ALARM_ROLES.get(what, (role,)) else ""


def _num_groups(values: Mapping[str, float], metric: str) -> float:
    """Over how many groups a measure was taken.

    A judgement that cannot be read leaves its group without most measures, so that the groups of
    the role may be many more than those that speak.
    """
    section, role, what, *source = metric.split("/", 3)
    groups = values.get("/".join([section, role, "groups", *source]), 0)
    return groups if source else values.get(f"{section}/{role}/{what}_groups", groups)
