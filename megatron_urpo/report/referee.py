"""The report's table of the referee: each measure at the start and now, threshold and alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from megatron_urpo.config import ALARMS, MonitoringConfig
from megatron_urpo.monitoring.alarms import alarmed_measure, check_alarms
from megatron_urpo.monitoring.baseline import Baseline
from megatron_urpo.report.charts import format_value, sparkline
from megatron_urpo.types import StepStatistics, TaskKind

REFEREE_CHARTS: tuple[tuple[str, *tuple[str, ...]], ...] = (
    ("Tau on held-out preferences", "monitoring/preference/tau"),
    ("Agreement with the verifier", "monitoring/reasoning/verifier_agreement"),
    ("Same ranking in another order", "monitoring/*/consistency"),
    ("Same ranking as at the start", "monitoring/*/baseline_agreement"),
    ("Ties between unequal responses", "monitoring/*/tie_share"),
    ("Judgements that cannot be read", "monitoring/*/parse_failure_share"),
    ("Score and length, tau", "monitoring/*/length_correlation"),
    ("Bias to length", "monitoring/*/length_bias"),
    ("Bias to later places", "monitoring/*/position_bias"),
)
SAYS = {
    "tau": "tau on held-out preferences",
    "verifier_agreement": "agreement with the verifier",
    "consistency": "same ranking in another order",
    "baseline_agreement": "same ranking as at the start",
    "length_bias": "bias to length",
    "position_bias": "bias to later places",
    "tie_share": "ties between unequal responses",
    "parse_failure_share": "judgements that cannot be read",
    "length_correlation": "correlation with length",
}


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
    for what, whose, metric in _rows(measured):
        values = [r.values[metric] for r in measured if metric in r.values]
        cells = [
            escape(SAYS[what]),
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


def _rows(measured: Sequence[StepStatistics]) -> list[tuple[str, str, str]]:
    """(measure, role or source, metric) of all that was measured, in the order of the rows."""
    names = {name for record in measured for name in record.values}
    rows = []
    for what in ALARMS:
        for role in (kind.value for kind in TaskKind):
            metric = f"monitoring/{role}/{what}"
            sources = sorted(name for name in names if name.startswith(f"{metric}/"))
            rows += [(what, role, metric)] if metric in names else []
            rows += [(what, source.removeprefix(f"{metric}/"), source) for source in sources]
    return rows


def _thresholds(config: Mapping[str, Any]) -> MonitoringConfig:
    known = ("alarm_groups", "patience", *(key for key, _ in ALARMS.values()))
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
    what = alarmed_measure(metric)
    if not what:
        return ""
    limit, is_upper = config.threshold(what), ALARMS[what][1]
    return f"{'at most' if is_upper else 'at least'} {limit:g} "
