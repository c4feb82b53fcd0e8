"""Alarms: a measure of the referee beyond its threshold, several measurements in a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from megatron_urpo.config import MonitoringConfig
from megatron_urpo.referee_measures import REFEREE_MEASURES, RefereeMeasure
from megatron_urpo.types import RunError


class RefereeAlarmError(RunError):
    """An alarm of monitoring.stop_on; the run is saved and can go on."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A measure that has been beyond its threshold for monitoring.patience measurements or more."""

    metric: str  # monitoring/role/what, or monitoring/role/tau/source
    measure: RefereeMeasure
    value: float
    threshold: float
    in_a_row: int  # measurements beyond it
    stops: bool  # monitoring.stop_on names the measure

    @property
    def key(self) -> str:
        """The configuration's key of the threshold."""
        return f"monitoring.{self.measure.key}"

    def __str__(self) -> str:
        side = "above" if self.measure.is_upper else "below"
        return (
            f"{self.metric} = {self.value:.3f}, {side} {self.key} = {self.threshold:g} for "
            f"{self.in_a_row} measurement(s) in a row: {self.measure.meaning}"
        )


def check_alarms(
    values: Mapping[str, float], counts: Mapping[str, int], config: MonitoringConfig
) -> tuple[list[Alarm], dict[str, int]]:
    """The alarms of a measurement, and how often in a row each metric is now beyond its threshold.

    Args:
        values: metrics by name; those without an alarm are passed over.
        counts: what the measurement before returned. A metric that is not measured this time, or
            over fewer than monitoring.alarm_groups groups that have it, keeps its count.
    """
    alarms = []
    new_counts = dict(counts)
    for metric, value in values.items():
        measure = alarmed_measure(metric)
        if measure is None or _num_groups(values, metric) < config.alarm_groups:
            continue
        threshold = config.threshold(measure.name)
        size = abs(value) if measure.by_size else value
        beyond = size > threshold if measure.is_upper else size < threshold
        new_counts[metric] = new_counts.get(metric, 0) + 1 if beyond else 0
        if new_counts[metric] >= config.patience:
            stops = measure.name in config.stop_on
            alarms.append(Alarm(metric, measure, value, threshold, new_counts[metric], stops))
    return alarms, new_counts


def alarmed_measure(metric: str) -> RefereeMeasure | None:
    """The measure that a metric is, of a role or of a source; None for one without an alarm."""
    section, role, what, source = [*metric.split("/", 3), "", "", ""][:4]
    measure = REFEREE_MEASURES.get(what) if section == "monitoring" else None
    if measure is None or role not in measure.alarm_roles or (source and not measure.by_source):
        return None
    return measure


def _num_groups(values: Mapping[str, float], metric: str) -> float:
    """Over how many groups a measure was taken.

    A judgement that cannot be read leaves its group without most measures, so that the groups of
    the role may be many more than those that speak.
    """
    section, role, what, *source = metric.split("/", 3)
    groups = values.get("/".join([section, role, "groups", *source]), 0)
    return groups if source else values.get(f"{section}/{role}/{what}_groups", groups)
