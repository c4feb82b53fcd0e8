"""The report's table of the referee: each measure at the start and now, threshold and alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from megatron_urpo.config import MonitoringConfig
from megatron_urpo.monitoring.alarms import alarmed_measure, check_alarms
from megatron_urpo.monitoring.baseline import Baseline
from megatron_urpo.referee_measures import REFEREE_MEASURES, RefereeMeasure
from megatron_urpo.report.charts import format_value, sparkline
from megatron_urpo.types import StepStatistics, TaskKind

REFEREE_CHARTS = tuple(
    (measure.title[0].upper() + measure.title[1:], f"monitoring/*/{measure.name}")
    for measure in REFEREE_MEASURES.values()
)


def referee_table(
    steps: Sequence[StepStatistics], config: Mapping[str, Any], baseline: Baseline | None
) -> str:
    """One row a measure and role; a note where nothing was measured.

    Args:
        steps: all records of the run.
        config: the run's [monitoring] table, as config.toml has it.
    """
    measured = [record for record in steps if "monitoring/all/alarms" in record.values]
    if not measured:
        return '<p class="note">The referee was not measured (monitoring.every).</p>'
    monitoring = _thresholds(config)
    states = _states(measured, monitoring)
    start = baseline.values if baseline is not None else {}
    head = "".join(
        f"<th>{name}</th>"
        for name in ("", f"step {baseline.step}" if baseline else "start", "first", "last", "", "")
    )
    rows = [f"<tr><th></th>{head}</tr>"]
    for measure, whose, metric in _rows(measured):
        values = [r.values[metric] for r in measured if metric in r.values]
        cells = [
            escape(measure.title),
            escape(whose),
            format_value(start[metric]) if metric in start else "–",
            format_value(values[0]),
            format_value(values[-1]),
            sparkline(values),
            _threshold(metric, monitoring) + states.get(metric, ""),
        ]
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    last = measured[-1].step
    return (
        f'<div class="table"><table>{"".join(rows)}</table></div>'
        f'<p class="note">Measured {len(measured)} times, last in step {last}; docs/referee.md '
        "says how to read it and what to do at an alarm.</p>"
    )


def _rows(measured: Sequence[StepStatistics]) -> list[tuple[RefereeMeasure, str, str]]:
    """(measure, role or source, metric) of all that was measured, in the order of the rows."""
    names = {name for record in measured for name in record.values}
    rows = []
    for measure in REFEREE_MEASURES.values():
        for role in (kind.value for kind in TaskKind):
            metric = f"monitoring/{role}/{measure.name}"
            sources = sorted(name for name in names if name.startswith(f"{metric}/"))
            rows += [(measure, role, metric)] if metric in names else []
            rows += [(measure, source.removeprefix(f"{metric}/"), source) for source in sources]
    return rows


def _thresholds(config: Mapping[str, Any]) -> MonitoringConfig:
    known = ("alarm_groups", "patience", *(measure.key for measure in REFEREE_MEASURES.values()))
    return MonitoringConfig(**{key: config[key] for key in known if key in config})


def _states(measured: Sequence[StepStatistics], config: MonitoringConfig) -> dict[str, str]:
    """Badges of the metrics that are beyond their threshold at the end."""
    counts: dict[str, int] = {}
    for record in measured:
        alarms, counts = check_alarms(record.values, counts, config)
    states = {
        metric: f'<span class="badge">beyond it {count} time(s)</span>'
        for metric, count in counts.items()
        if count
    }
    return states | {
        alarm.metric: f'<span class="badge bad">alarm, {alarm.in_a_row} in a row</span>'
        for alarm in alarms
    }


def _threshold(metric: str, config: MonitoringConfig) -> str:
    measure = alarmed_measure(metric)
    if measure is None:
        return ""
    side = "at most" if measure.is_upper else "at least"
    return f"{side} {config.threshold(measure.name):g} "
