"""Measurements of every step: metrics.jsonl always, TensorBoard and Weights & Biases on request.

Metric names are stage/role/what, e.g. rollout/preference/length_mean. The stage is one of STAGES,
the role a kind of task or "all"; a further part names a source. A value that could not be measured
is absent or NaN (null in the file), never zero.
"""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from megatron_urpo.config import ConfigError, MetricsConfig
from megatron_urpo.disk import naming, replacing
from megatron_urpo.progress import ProgressLine
from megatron_urpo.ranks import Ranks
from megatron_urpo.run_files import METRICS_FILE, TENSORBOARD_DIRECTORY, WANDB_ID_FILE
from megatron_urpo.types import RunError, StepStatistics

STAGES = (
    "data",
    "rollout",
    "rewards",
    "advantages",
    "batching",
    "training",
    "weight_sync",
    "checkpoint",
    "evaluation",
    "monitoring",
    "sft",
    "run",  # of the step as a whole
)


class DamagedMetricsError(RunError, ValueError):
    """A line of a metrics.jsonl that is no record; names file and line."""


class Timers:
    """Seconds spent in each stage of a step.

    with timers("rollout"):
        ...
    statistics.values |= timers.take()
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._running: list[str] = []
        self.changes = 0  # stages begun and ended, and ticks; it stands still where the run does

    @property
    def stage(self) -> str | None:
        """The innermost stage that is running, None between two of them."""
        running = self._running[-1:]  # in one step: another thread may ask
        return running[0] if running else None

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Adds the time of a block to a stage, also when the block raises."""
        start = self._clock()
        self._running.append(stage)
        self.changes += 1
        try:
            yield
        finally:
            self._running.pop()
            self.changes += 1
            self._seconds[stage] = self._seconds.get(stage, 0.0) + self._clock() - start

    def tick(self) -> None:
        """Says that a stage without a limit of its own gets on: its time counts from here."""
        self.changes += 1

    def seconds(self, stage: str) -> float:
        """Seconds of a stage since the last take(), 0 when it has not run."""
        return self._seconds.get(stage, 0.0)

    def take(self) -> dict[str, float]:
        """Metrics <stage>/all/seconds since the last call; the timers start again from zero."""
        values = {f"{stage}/all/seconds": seconds for stage, seconds in self._seconds.items()}
        self._seconds.clear()
        return values


class _Sink(Protocol):
    """Somewhere else that metrics go."""

    def write(self, step: int, values: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class MetricsWriter:
    """Writes the metrics of a run, on the main rank only, and keeps the progress line.

    Where the main rank cannot write, all ranks raise: every method but show_stage is a collective.
    """

    def __init__(
        self,
        directory: str | Path,
        config: MetricsConfig,
        *,
        total_steps: int,
        ranks: Ranks,
        completed: int = 0,
        progress: ProgressLine | None = None,
    ) -> None:
        """Opens metrics.jsonl in the run directory, which is made if absent.

        Args:
            total_steps: of the run, for the time left.
            ranks: of the job, which all call this together.
            completed: steps that came before. Records of later ones are cut off: they belong to a
                run that was killed after its last checkpoint.

        Raises:
            ConfigError: TensorBoard or Weights & Biases is switched on but not installed.
            DamagedMetricsError: a line of an earlier metrics.jsonl; names file and line.
            OSError: the file cannot be written. RunError on the other ranks, for all of these.
        """
        self.progress = progress or ProgressLine(total_steps, completed=completed)
        self._ranks = ranks
        self._sinks: list[_Sink] = []

        def open_all() -> None:
            run = Path(directory)
            run.mkdir(parents=True, exist_ok=True)
            path = run / METRICS_FILE
            cut_off(path, completed)
            self._path = path
            # Unbuffered: what did not fit on the disk must not be tried again on closing.
            self._file = path.open("ab", buffering=0)
            if config.tensorboard:
                self._sinks.append(_TensorBoard(run / TENSORBOARD_DIRECTORY, completed))
            if config.wandb_project:
                self._sinks.append(_WandB(run, config.wandb_project))

        self._ranks.on_main(open_all)

    def log(self, statistics: StepStatistics) -> None:
        """Records a step.

        Raises:
            ValueError: a name is not stage/role/what.
            OSError: the record cannot be written, e.g. on a full disk. RunError on other ranks.
        """
        for name in statistics.values:
            _check_name(name)
        self._ranks.on_main(lambda: self._write(statistics))

    def close(self) -> None:
        """Closes all files."""

        def close_all() -> None:
            self.progress.close()
            self._file.close()
            for sink in self._sinks:
                sink.close()

        self._ranks.on_main(close_all)

    def _write(self, statistics: StepStatistics) -> None:
        rest = (_to_json(statistics) + "\n").encode()
        with naming(self._path):
            while rest:
                rest = rest[self._file.write(rest) :]
        finite = {name: v for name, v in statistics.values.items() if math.isfinite(v)}
        for sink in self._sinks:
            sink.write(statistics.step, finite)
        self.progress.show_step(statistics)


def read_metrics(path: str | Path) -> list[StepStatistics]:
    """The records of a metrics.jsonl in order; null is NaN again.

    A half-written last line, left by a kill or a full disk, is ignored. Raises DamagedMetricsError
    for any other damage.
    """
    records = []
    lines = Path(path).read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if not line.endswith("\n"):
            break
        try:
            record = json.loads(line)
            step = int(record.pop("step"))
            values = {name: math.nan if v is None else float(v) for name, v in record.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedMetricsError(
                f"{path}:{number}: not a metrics record ({error}): remove the line"
            ) from error
        records.append(StepStatistics(step, values))
    return records


def cut_off(path: Path, completed: int) -> None:
    """Rewrites a metrics.jsonl without the records of steps after `completed`."""
    if not path.exists():
        return
    kept = [record for record in read_metrics(path) if record.step <= completed]
    with replacing(path) as temporary:
        temporary.write_text("".join(_to_json(record) + "\n" for record in kept), encoding="utf-8")


def _to_json(statistics: StepStatistics) -> str:
    values = {name: float(v) if math.isfinite(v) else None for name, v in statistics.values.items()}
    return json.dumps({"step": statistics.step, **values}, allow_nan=False)


def _check_name(name: str) -> None:
    parts = name.split("/")
    if len(parts) < 3 or "" in parts or parts[0] not in STAGES:
        raise ValueError(
            f"metric {name!r}: expected stage/role/what with a stage of {', '.join(STAGES)}"
        )


class _TensorBoard:
    def __init__(self, directory: Path, completed: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "metrics.tensorboard = true, but tensorboard is not installed: "
                "pip install tensorboard, or switch it off"
            ) from error
        # purge_step hides what an interrupted run wrote after its checkpoint.
        self._writer: Any = SummaryWriter(str(directory), purge_step=completed + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _WandB:
    def __init__(self, directory: Path, project: str) -> None:
        try:
            import wandb
        except ImportError as error:
            raise ConfigError(
                f"metrics.wandb_project = {project!r}, but wandb is not installed: "
                "pip install wandb, or leave the key empty"
            ) from error
        # A stable id lets a resumed run continue its own curves.
        id_file = directory / WANDB_ID_FILE
        if not id_file.exists():
            id_file.write_text(uuid.uuid4().hex, encoding="utf-8")
        self._run: Any = wandb.init(
            project=project,
            dir=str(directory),
            name=directory.resolve().name,
            id=id_file.read_text(encoding="utf-8").strip(),
            resume="allow",
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()
