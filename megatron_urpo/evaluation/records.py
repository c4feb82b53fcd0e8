"""Evaluations on disk: evaluations.jsonl with the means, one file of items an evaluation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from megatron_urpo.config import ConfigError
from megatron_urpo.disk import naming, replacing
from megatron_urpo.evaluation.comparison import paired_difference
from megatron_urpo.evaluation.items import Evaluation, EvaluationItem
from megatron_urpo.run_files import EVALUATIONS_FILE, ITEMS_DIRECTORY
from megatron_urpo.types import RunError


class DamagedEvaluationsError(RunError):
    """evaluations.jsonl holds something else; the message has the line and the remedy."""


def record_evaluation(directory: Path, evaluation: Evaluation, *, in_run: bool = False) -> None:
    """Adds an evaluation to a run directory, in place of an earlier one with the same label.

    in_run: the run made it of its own weights; one that starts before it throws it away.

    Raises ConfigError as `check_label` does.
    """
    check_label(directory, evaluation.label)
    items_directory = directory / ITEMS_DIRECTORY
    items_directory.mkdir(parents=True, exist_ok=True)
    path = items_path(directory, evaluation.label)
    with naming(path), path.open("w", encoding="utf-8") as stream:
        for item in evaluation.items:
            stream.write(json.dumps(asdict(item)) + "\n")
    summary = evaluation.summary() | {"in_run": in_run}
    _write_summaries(directory, read_summaries(directory) | {evaluation.label: summary})


def in_run_labels(directory: Path, completed: int = 0) -> list[str]:
    """The evaluations that a run made of its own weights in steps after `completed`."""
    return [
        label
        for label, summary in read_summaries(directory).items()
        if summary["step"] > completed and summary["in_run"]
    ]


def cut_off_evaluations(directory: Path, completed: int) -> None:
    """Removes those of `in_run_labels`, when a run goes on from there."""
    _take_out(directory, in_run_labels(directory, completed), lambda items: items.unlink())


def set_evaluations_aside(directory: Path, aside: Path) -> None:
    """Moves what a run measured of its own weights into another directory of the same form."""
    labels = in_run_labels(directory)
    if not labels:
        return
    summaries = read_summaries(directory)
    (aside / ITEMS_DIRECTORY).mkdir(parents=True)
    _write_summaries(aside, {label: summaries[label] for label in labels})
    _take_out(directory, labels, lambda items: items.rename(aside / ITEMS_DIRECTORY / items.name))


def check_label(directory: Path, label: str) -> None:
    """Raises ConfigError for a label whose items would take the place of another label's."""
    path = items_path(directory, label)
    for other in read_summaries(directory):
        if other != label and items_path(directory, other) == path:
            raise ConfigError(
                f"--label {label!r}: {path} holds the items of {other!r}, which differs in "
                "capitals or punctuation only; choose another label, or that one"
            )


def items_path(directory: Path, label: str) -> Path:
    """The items of the evaluation with this label, e.g. evaluations/after-sft.jsonl."""
    name = re.sub(r"\W+", "-", label.lower()).strip("-")
    return directory / ITEMS_DIRECTORY / f"{name}.jsonl"


def read_items(directory: Path, label: str) -> list[EvaluationItem]:
    """The items that `record_evaluation` wrote.

    Raises:
        DamagedEvaluationsError: a line is no item.
    """
    path = items_path(directory, label)
    items = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            items.append(EvaluationItem(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise DamagedEvaluationsError(
                f"{path}:{number}: not an item of an evaluation ({error}): remove the file; "
                f"`urpo eval --label {label!r}` measures again"
            ) from error
    return items


def read_summaries(directory: Path) -> dict[str, dict[str, Any]]:
    """The evaluations by label, in the order in which the labels first appeared.

    Raises:
        DamagedEvaluationsError: a line is no evaluation.
    """
    path = directory / EVALUATIONS_FILE
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    summaries = [_read_summary(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]
    return {summary["label"]: summary for summary in summaries}


def _take_out(directory: Path, labels: Sequence[str], dispose: Callable[[Path], object]) -> None:
    """Removes evaluations from the file, and does something with the items of each."""
    if not labels:
        return
    summaries = read_summaries(directory)
    _write_summaries(
        directory, {label: summaries[label] for label in summaries if label not in labels}
    )
    for label in labels:
        if (items := items_path(directory, label)).is_file():
            dispose(items)


def _write_summaries(directory: Path, summaries: Mapping[str, Mapping[str, Any]]) -> None:
    lines = "".join(json.dumps(summary) + "\n" for summary in summaries.values())
    with replacing(directory / EVALUATIONS_FILE) as temporary:
        temporary.write_text(lines, encoding="utf-8")


def _read_summary(line: str, place: str) -> dict[str, Any]:
    remedy = "remove the line; `urpo eval` measures again"
    try:
        summary = json.loads(line)
    except json.JSONDecodeError as error:
        raise DamagedEvaluationsError(f"{place}: not an evaluation ({error}): {remedy}") from error
    if not (
        isinstance(summary, dict)
        and isinstance(summary.get("label"), str)
        and isinstance(summary.get("step"), int)
        and isinstance(summary.get("values"), dict)
        and isinstance(summary.get("in_run"), bool)
    ):
        raise DamagedEvaluationsError(
            f"{place}: an evaluation has a label, a step, values and in_run: {remedy}"
        )
    return summary


def print_evaluations(directory: Path) -> None:
    """All evaluations of a run side by side, and how far the last two are apart."""
    summaries = read_summaries(directory)
    names = dict.fromkeys(name for summary in summaries.values() for name in summary["values"])
    width = max(len(name) for name in names)
    columns = {label: max(len(label), 8) for label in summaries}
    print(" " * width + "".join(f"  {label:>{size}}" for label, size in columns.items()))
    for name in names:
        cells = [
            f"  {summaries[label]['values'].get(name, float('nan')):>{size}.3f}"
            for label, size in columns.items()
        ]
        print(f"{name:<{width}}" + "".join(cells))
    if len(summaries) > 1:
        before, last = list(summaries)[-2:]
        print(f"\n{last} - {before}, item by item, with 95 % bootstrap intervals:")
        ours, theirs = read_items(directory, last), read_items(directory, before)
        for name in names:
            difference = paired_difference(name, ours, theirs)
            if difference is not None:
                print(f"{name:<{width}}  {difference}")
