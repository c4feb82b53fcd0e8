"""The referee of the start of a run, kept: monitoring/baseline.json.

Its judgements of the held-out groups are what the later referee's are compared with, on the same
prompts. The file is written whole or not at all, and read again when the run is resumed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from megatron_urpo.disk import replacing
from megatron_urpo.monitoring.judged import JudgedGroup, KnownGroup, Verdict
from megatron_urpo.run_files import BASELINE_FILE
from megatron_urpo.types import RunError


class BaselineError(RunError):
    """A baseline that is damaged, or of other groups than the configuration names."""


@dataclass(frozen=True, slots=True)
class BaselineGroup:
    """What the first referee said of one held-out group."""

    source: str
    key: str
    content: str  # KnownGroup.content
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Baseline:
    """The first measurement of a run."""

    step: int  # the last one completed before it; 0 before any
    values: dict[str, float]  # its metrics
    groups: tuple[BaselineGroup, ...]  # in the order of the held-out groups

    @classmethod
    def of(cls, step: int, values: dict[str, float], judged: Sequence[JudgedGroup]) -> Baseline:
        """The baseline that these judgements make."""
        return cls(
            step,
            values,
            tuple(
                BaselineGroup(
                    group.known.task.source,
                    group.known.task.key,
                    group.known.content,
                    group.verdicts,
                )
                for group in judged
            ),
        )

    def check(
        self, directory: Path, groups: Sequence[KnownGroup], orders: Sequence[tuple[int, ...]]
    ) -> None:
        """Raises BaselineError unless it is of these groups, shown in these orders.

        Args:
            directory: of the run, for the message.
            orders: the same number for each group, group after group.
        """
        if len(self.groups) != len(groups):
            raise BaselineError(
                f"{directory / BASELINE_FILE} holds judgements of {len(self.groups)} held-out "
                f"groups, the configuration now has {len(groups)}. {_REMEDY}"
            )
        each = len(orders) // max(len(groups), 1)
        for position, (mine, now) in enumerate(zip(self.groups, groups, strict=True)):
            shown = tuple(orders[position * each : (position + 1) * each])
            same = (mine.source, mine.key, mine.content) == (
                now.task.source,
                now.task.key,
                now.content,
            )
            if not same or tuple(verdict.order for verdict in mine.verdicts) != shown:
                raise BaselineError(
                    f"{directory / BASELINE_FILE} holds judgements of {mine.source}/{mine.key}, "
                    f"where the configuration now has {now.task.source}/{now.task.key}, or shows "
                    f"it in other orders. {_REMEDY}"
                )


_REMEDY = (
    "Restore monitoring.sources, groups_per_source and orders, or delete the file: the referee of "
    "the next start is then the baseline"
)


def write_baseline(directory: Path, baseline: Baseline) -> None:
    """Writes it into a run directory, whole or not at all."""
    path = directory / BASELINE_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(baseline), ensure_ascii=False, allow_nan=False, indent=1)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_baseline(directory: Path) -> Baseline | None:
    """The baseline of a run directory, None where there is none.

    Raises:
        BaselineError: the file cannot be read as one.
    """
    path = directory / BASELINE_FILE
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        groups = tuple(
            BaselineGroup(
                source=group["source"],
                key=group["key"],
                content=group["content"],
                verdicts=tuple(
                    Verdict(
                        order=tuple(verdict["order"]),
                        scores=None if verdict["scores"] is None else tuple(verdict["scores"]),
                        text=verdict["text"],
                        tokens=verdict["tokens"],
                        truncated=verdict["truncated"],
                    )
                    for verdict in group["verdicts"]
                ),
            )
            for group in record["groups"]
        )
        return Baseline(record["step"], record["values"], groups)
    except (ValueError, KeyError, TypeError) as error:
        raise BaselineError(
            f"{path} is not a baseline ({error!r}): restore it, or delete it and let the referee "
            "of the next start be the baseline"
        ) from error
