"""`urpo report`: one self-contained report.html of a run directory.

Reads config.toml, environment.json, metrics.jsonl, sft/metrics.jsonl, evaluations.jsonl,
monitoring/ and rollouts/; a file that is not there (yet) leaves a note in its place, so that
partial runs can be looked at. An evaluation is one JSON object a line: {"label": str, "step": int,
"values": {"preference/tau": float, ...}, "in_run": whether the run made it of itself,
"intervals": {"preference/tau": [low, high], ...} (optional)}.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from megatron_urpo.disk import replacing
from megatron_urpo.evaluation.comparison import Difference, paired_difference
from megatron_urpo.evaluation.records import items_path, read_items, read_summaries
from megatron_urpo.metrics import STAGES, read_metrics
from megatron_urpo.monitoring.baseline import Baseline, read_baseline
from megatron_urpo.progress import format_duration
from megatron_urpo.report.charts import Series, format_value, line_chart, sparkline, stacked_chart
from megatron_urpo.report.referee import REFEREE_CHARTS, referee_table
from megatron_urpo.report.samples import render_samples
from megatron_urpo.rollout_log import RolloutLog
from megatron_urpo.run_files import (
    CONFIG_FILE,
    ENVIRONMENT_FILE,
    EVALUATIONS_FILE,
    METRICS_FILE,
    REPORT_FILE,
    SFT_DIRECTORY,
)
from megatron_urpo.types import RunError, StepStatistics, TaskKind

# Title, and the metrics shown: a star stands for any role, in front for any stage.
CHARTS: tuple[tuple[str, *tuple[str, ...]], ...] = (
    ("Reward by rule", "rewards/reasoning/mean", "rewards/preference/mean"),
    ("Self-reward of instructions", "rewards/instruction/mean"),
    ("Kendall's tau of the referee", "rewards/*/tau"),
    ("Share of responses that parse", "rewards/*/parsed_share"),
    ("Standard deviation of rewards within a group", "rewards/*/std"),
    ("Response length, tokens", "rollout/*/length_mean"),
    ("Share of responses cut off", "rollout/*/truncated_share"),
    ("Entropy, nats", "training/*/entropy"),
    ("Share of tokens clipped from below", "training/*/clip_fraction_low"),
    ("Share of tokens clipped from above", "training/*/clip_fraction_high"),
    ("Share of the tokens", "rollout/*/token_share"),
    ("Groups without variance", "advantages/*/zero_variance_groups"),
    ("Groups with a usable self-judgement", "rewards/*/usable_share"),
    ("Self-scores vs. hidden checkers, tau", "rewards/*/checker_agreement"),
    ("Score of the hidden checkers", "rewards/*/check_score"),
    ("Engine/trainer mismatch, nats", "weight_sync/*/mismatch_mean"),
    ("Held-out reasoning accuracy", "evaluation/reasoning/accuracy"),
    ("Held-out referee tau", "evaluation/preference/tau"),
    ("Supervised loss, nats a token", "sft/*/loss"),
    ("Policy loss", "training/*/loss"),
    ("Gradient norm", "*/all/grad_norm"),
    ("Tokens a second", "*/all/tokens_per_second"),
)
# Of the values of an evaluation, whatever the role; of all others more is better.
LESS_IS_BETTER = ("truncated_share", "verifier_failed_share")
ROLES = tuple(kind.value for kind in TaskKind)


@dataclass(slots=True)
class RunRecord:
    """What a run directory holds; None or empty where a file is missing."""

    directory: Path
    config: dict[str, Any] | None = None
    environment: dict[str, str] | None = None
    steps: list[StepStatistics] = field(default_factory=list)
    sft_steps: list[StepStatistics] = field(default_factory=list)  # of the warm start, if any
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    baseline: Baseline | None = None  # of the referee


def render_report(run_directory: str | Path) -> Path:
    """Writes report.html into a run directory and returns its path.

    Raises FileNotFoundError when there is no such directory, RunError for a damaged file in it.
    """
    directory = Path(run_directory)
    if not directory.is_dir():
        raise FileNotFoundError(
            f"{directory} is not a run directory: name the run.directory of one"
        )
    run = read_run(directory)
    body = "".join(
        (
            _summary(run),
            _section("Evaluation", evaluation_table(run.evaluations, _paired_changes(run))),
            _section("Training", _charts(run.steps)),
            _section("Referee", _referee(run)),
            _section("Supervised warm start", _charts(run.sft_steps)) if run.sft_steps else "",
            _section("Sampled answers and judgements", render_samples(RolloutLog(directory))),
            _section("All metrics", _all_metrics(run.steps)),
            _section("Configuration", _configuration(run)),
        )
    )
    style = files("megatron_urpo.report").joinpath("report.css").read_text(encoding="utf-8")
    name = escape(directory.resolve().name)
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>URPO report: {name}</title><style>\n{style}</style></head>\n"
        f"<body><main>{body}</main></body></html>\n"
    )
    path = directory / REPORT_FILE
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def read_run(directory: Path) -> RunRecord:
    """Everything the report shows except the rollouts."""
    run = RunRecord(directory)
    run.config = _parsed(directory / CONFIG_FILE, tomllib.loads)
    run.environment = _parsed(directory / ENVIRONMENT_FILE, json.loads)
    if (path := directory / METRICS_FILE).is_file():
        run.steps = read_metrics(path)
    if (path := directory / SFT_DIRECTORY / METRICS_FILE).is_file():
        run.sft_steps = read_metrics(path)
    run.evaluations = list(read_summaries(directory).values())
    run.baseline = read_baseline(directory)
    return run


def _parsed(path: Path, parse: Callable[[str], Any]) -> Any:
    """A file of a run, parsed; None where there is none."""
    if not path.is_file():
        return None
    try:
        return parse(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of TOML, JSON and UTF-8 alike
        raise RunError(f"{path}: damaged ({error}): remove it to see the rest") from error


def _paired_changes(run: RunRecord) -> dict[str, Difference]:
    """By metric, the change from the first model to the last one over the items of both."""
    labels = list(dict.fromkeys(entry["label"] for entry in run.evaluations))
    ends = labels[:1] + labels[-1:]
    if len(labels) < 2 or not all(items_path(run.directory, label).is_file() for label in ends):
        return {}
    first, last = (read_items(run.directory, label) for label in ends)
    names = {name for item in last for name in item.values}
    changes = {name: paired_difference(name, last, first) for name in names}
    return {name: change for name, change in changes.items() if change is not None}


def evaluation_table(
    evaluations: Sequence[Mapping[str, Any]], changes: Mapping[str, Difference] | None = None
) -> str:
    """Models side by side: one column a label (its latest evaluation), one row a value.

    The last column is the change from the first model to the last one, with the interval of its
    paired difference where `changes` has it.
    """
    if not evaluations:
        return _note(f"No evaluation yet: {EVALUATIONS_FILE} is missing or empty.")
    columns = {entry["label"]: entry for entry in evaluations}
    names = list(dict.fromkeys(name for entry in columns.values() for name in entry["values"]))
    head = "".join(f"<th>{escape(label)}</th>" for label in columns)
    change = "<th>change</th>" if len(columns) > 1 else ""
    rows = [f"<tr><th></th>{head}{change}</tr>"]
    by_role: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_role[name.partition("/")[0]].append(name)
    for role, members in by_role.items():
        rows.append(f'<tr class="role"><td colspan="{len(columns) + 2}">{escape(role)}</td></tr>')
        rows += [
            _evaluation_row(name, list(columns.values()), (changes or {}).get(name))
            for name in members
        ]
    intervals = any(entry.get("intervals") for entry in columns.values())
    note = _note("Below each value: its 95 % interval.") if intervals else ""
    if changes:
        note += _note("Below each change: the 95 % interval of the difference item by item.")
    return f'<div class="table"><table>{"".join(rows)}</table></div>{note}'


def _evaluation_row(
    name: str, entries: Sequence[Mapping[str, Any]], paired: Difference | None
) -> str:
    values = [float(entry["values"].get(name, math.nan)) for entry in entries]
    cells = [f"<td>{escape(name.partition('/')[2].replace('_', ' '))}</td>"]
    for entry, value in zip(entries, values, strict=True):
        interval = (entry.get("intervals") or {}).get(name)
        small = "" if interval is None else " to ".join(_score(name, bound) for bound in interval)
        cells.append(f"<td>{_score(name, value)}{small and f'<small>{small}</small>'}</td>")
    if len(entries) > 1:
        difference = values[-1] - values[0]
        if math.isfinite(difference):
            less_is_better = name.rpartition("/")[2] in LESS_IS_BETTER
            direction = "up" if (difference > 0) != less_is_better else "down"
            css_class = direction if round(difference, 6) else ""
            shown = _signed(name, difference)
            if paired is not None:
                bounds = (_signed(name, bound) for bound in (paired.low, paired.high))
                shown += f"<small>{' to '.join(bounds)}</small>"
            cells.append(f'<td class="{css_class}">{shown}</td>')
        else:
            cells.append("<td>–</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _signed(name: str, difference: float) -> str:
    sign = "+" if difference > 0 else ""
    return sign + _score(name, difference).replace("%", "points")


def _score(name: str, value: float) -> str:
    if not math.isfinite(value):
        return "–"
    percent = name.endswith(("accuracy", "rate", "share"))
    return f"{100 * value:.1f} %" if percent else f"{value:.3f}"


def _summary(run: RunRecord) -> str:
    config = run.config or {}
    total = config.get("run", {}).get("steps")
    done = run.steps[-1].step if run.steps else 0
    timed = [record.values.get("run/all/seconds", math.nan) for record in run.steps]
    seconds = sum(value for value in timed if math.isfinite(value))
    tiles = [("steps", f"{done} / {total}" if total else f"{done}")]
    if seconds:
        tiles.append(("time in steps", format_duration(seconds)))
    wanted = (
        ("reasoning reward", "rewards/reasoning/mean"),
        ("preference tau", "rewards/preference/tau"),
        ("instruction reward", "rewards/instruction/mean"),
        ("judgements parsed", "rewards/preference/parsed_share"),
        ("tokens a second", "run/all/tokens_per_second"),
    )
    for label, name in wanted:
        value = next((r.values[name] for r in reversed(run.steps) if name in r.values), math.nan)
        if math.isfinite(value):
            shown = f"{100 * value:.1f} %" if name.endswith("share") else format_value(value)
            tiles.append((f"{label}, last step" if "/all/" not in name else label, shown))
    drawn = "".join(f'<div class="tile"><span>{k}</span><b>{v}</b></div>' for k, v in tiles)
    model = Path(config.get("model", {}).get("path", "")).name
    commit = (run.environment or {}).get("git_commit", "")
    facts = [str(run.directory.resolve()), model, commit and f"commit {commit[:12]}"]
    subtitle = " · ".join(escape(fact) for fact in facts if fact)
    return (
        f"<h1>URPO run {escape(run.directory.resolve().name)}</h1>"
        f'<p class="subtitle">{subtitle}</p><div class="tiles">{drawn}</div>'
    )


def _charts(steps: Sequence[StepStatistics]) -> str:
    if not steps:
        return _note(f"No finished step yet: {METRICS_FILE} is missing or empty.")
    figures = _figures(steps, CHARTS)
    numbers = [record.step for record in steps]
    timed = {
        stage.replace("_", " "): [r.values.get(f"{stage}/all/seconds", math.nan) for r in steps]
        for stage in STAGES
        if stage != "run" and any(f"{stage}/all/seconds" in r.values for r in steps)
    }
    figures.append(stacked_chart("Seconds a stage", numbers, timed))
    return f'<div class="charts">{"".join(figures)}</div>'


def _referee(run: RunRecord) -> str:
    table = referee_table(run.steps, (run.config or {}).get("monitoring", {}), run.baseline)
    return f'{table}<div class="charts">{"".join(_figures(run.steps, REFEREE_CHARTS))}</div>'


def _figures(
    steps: Sequence[StepStatistics], charts: Sequence[tuple[str, *tuple[str, ...]]]
) -> list[str]:
    """A chart for each entry of which a metric was recorded."""
    phases = [(record.step, record.values.get("data/all/phase")) for record in steps]
    boundary = next((step for step, phase in phases if phase == 2), None)
    return [
        line_chart(title, series, boundary)
        for title, *patterns in charts
        if (series := _series(steps, patterns))
    ]


def _series(steps: Sequence[StepStatistics], patterns: Sequence[str]) -> list[Series]:
    """A curve for every metric that fits one of the patterns, in the order of the roles."""
    names = {
        name
        for record in steps
        for name in record.values
        if any(_fits(name, pattern) for pattern in patterns)
    }
    # What tells the curves of a chart apart: the stage where that is free, else the role.
    part = 0 if patterns[0].startswith("*") else 1
    order = [*ROLES, "all", *STAGES]
    series = []
    for number, name in enumerate(sorted(names, key=lambda n: order.index(n.split("/")[part]))):
        present = [record for record in steps if name in record.values]
        label = name.split("/")[part]
        series.append(
            Series(
                label.replace("_", " "),
                [record.step for record in present],
                [record.values[name] for record in present],
                f"series-{label if label in ROLES else number}",
            )
        )
    return series


def _fits(name: str, pattern: str) -> bool:
    parts, wanted = name.split("/"), pattern.split("/")
    if len(parts) != len(wanted):
        return False
    known = (*ROLES, "all", *STAGES)
    return all(
        part in known if want == "*" else part == want
        for part, want in zip(parts, wanted, strict=True)
    )


def _all_metrics(steps: Sequence[StepStatistics]) -> str:
    names = sorted({name for record in steps for name in record.values})
    if not names:
        return _note("None recorded.")
    rows = [
        "<tr><th>metric</th><th></th><th>first</th><th>last</th><th>lowest</th><th>highest</th></tr>"
    ]
    for name in names:
        values = [record.values[name] for record in steps if name in record.values]
        finite = [value for value in values if math.isfinite(value)] or [math.nan]
        numbers = (finite[0], finite[-1], min(finite), max(finite))
        cells = "".join(f"<td>{format_value(value)}</td>" for value in numbers)
        rows.append(f"<tr><td>{escape(name)}</td><td>{sparkline(values)}</td>{cells}</tr>")
    table = f'<div class="table"><table>{"".join(rows)}</table></div>'
    return f"<details><summary>{len(names)} metrics</summary>{table}</details>"


def _configuration(run: RunRecord) -> str:
    path = run.directory / CONFIG_FILE
    if run.config is None:
        shown = _note(f"{CONFIG_FILE} is missing.")
    else:
        text = escape(path.read_text(encoding="utf-8"))
        shown = f"<details><summary>{CONFIG_FILE}</summary><pre>{text}</pre></details>"
    if run.environment is None:
        return shown + _note(f"{ENVIRONMENT_FILE} is missing.")
    pairs = "\n".join(f"{name}: {version}" for name, version in run.environment.items())
    return shown + f"<details><summary>Environment</summary><pre>{escape(pairs)}</pre></details>"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'
