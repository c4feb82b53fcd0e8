"""Prepared data: Arrow files with the records of docs/data.md, one a row, read where they lie.

An .arrow file (what tools/prepare_data.py writes) is mapped into memory: opening a million rows
costs next to nothing, ranks of one machine share the pages, and a task is made when it is drawn.
A .parquet file is read into memory as columns. Rows of files that were checked when they were
written, as their metadata says, are not checked again at the start; all others are, every one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from megatron_urpo.config import SourceConfig
from megatron_urpo.data.arrow_reading import BadRow, batch_rows, is_damage
from megatron_urpo.data.jsonl import DataError, is_tied, parse_task
from megatron_urpo.types import Task, TaskKind

TABLE_SUFFIXES = (".arrow", ".parquet")

# Metadata of a file whose rows were all checked: kind, and whether conversations hold answers.
_CHECKED = b"megatron_urpo.checked"

_MESSAGES = pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))
_CHECKS = pa.list_(pa.struct({"name": pa.string(), "argument": pa.string()}))
_COLUMNS = {
    TaskKind.REASONING: {"answers": pa.list_(pa.string()), "tests": pa.string()},
    TaskKind.PREFERENCE: {"responses": pa.list_(pa.string()), "truth": pa.list_(pa.float64())},
    TaskKind.INSTRUCTION: {"checks": _CHECKS},
}


def record_schema(kind: TaskKind, *, answered: bool) -> pa.Schema:
    """Columns of checked records of one kind. metadata.place says where a record came from."""
    columns = {"kind": pa.string(), "id": pa.string(), "messages": _MESSAGES} | _COLUMNS[kind]
    columns["metadata"] = pa.struct({"place": pa.string()})
    return pa.schema(columns).with_metadata({_CHECKED: _checked_as(kind, answered)})


def _checked_as(kind: TaskKind, answered: bool) -> bytes:
    return f"{kind}{' answered' if answered else ''}".encode()


class TableTasks(Sequence[Task]):
    """The tasks of a table; each is made from its row when it is asked for."""

    def __init__(
        self,
        source: SourceConfig,
        batches: Sequence[pa.RecordBatch],
        answered: bool,
        kept: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """
        Args:
            kept: the rows that are tasks, counted from 0; None: all of them.
        """
        self._source = source
        self._batches = batches
        self._answered = answered
        self._ends = np.cumsum([batch.num_rows for batch in batches], dtype=np.int64)
        self._kept = kept

    def __len__(self) -> int:
        if self._kept is not None:
            return len(self._kept)
        return int(self._ends[-1]) if len(self._ends) else 0

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Task, ...]: ...
    def __getitem__(self, index: int | slice) -> Task | tuple[Task, ...]:
        if isinstance(index, slice):
            return tuple(self[place] for place in range(len(self))[index])
        place = range(len(self))[index]
        row = place if self._kept is None else int(self._kept[place])
        number = int(np.searchsorted(self._ends, row, side="right"))
        batch = self._batches[number]
        offset = row - (int(self._ends[number]) - batch.num_rows)
        return self._task(next(batch_rows(batch.slice(offset, 1))), row)

    @property
    def has_code_tests(self) -> bool:
        """Whether any row has tests of a program."""
        return any(
            batch.column("tests").null_count < batch.num_rows
            for batch in self._batches
            if "tests" in batch.schema.names
        )

    def rows(self) -> Iterator[tuple[int, Task]]:
        """All rows with their numbers, in order, each checked."""
        row = 0
        for batch in self._batches:
            for start in range(0, batch.num_rows, 1000):
                for values in batch_rows(batch.slice(start, 1000)):
                    yield row, self._task(values, row)
                    row += 1

    def _task(self, values: dict[str, Any] | BadRow, row: int) -> Task:
        place = f"{self._source.path}: row {row + 1}"
        if isinstance(values, BadRow):
            raise DataError(f"{place}: {values.problem}: correct the row, or leave it out")
        record = {name: value for name, value in values.items() if value is not None}
        key = f"row-{row + 1}"
        return parse_task(record, self._source, place, key, answered=self._answered)


def read_table(source: SourceConfig, *, answered: bool = False) -> tuple[TableTasks, int]:
    """The tasks of an Arrow or Parquet file, and how many tied preferences were left out.

    Raises:
        DataError: the file is missing, damaged, empty or of another kind, or a row is wrong.
    """
    path = Path(source.path)
    batches, schema = _open(path)
    tasks = TableTasks(source, batches, answered)
    checked = (schema.metadata or {}).get(_CHECKED)
    dropped = 0
    if checked is None:
        kept = _check_rows(tasks, path)
        dropped = len(tasks) - len(kept)
        tasks = TableTasks(source, batches, answered, kept)
    elif checked != _checked_as(source.kind, answered):
        raise DataError(
            f"{path}: holds {_describe(checked)}, but source {source.name!r} wants "
            f"{_describe(_checked_as(source.kind, answered))}: name another file, or correct kind"
        )
    if not len(tasks):
        reason = f"all its {dropped} records are tied" if dropped else "it has no records"
        raise DataError(f"{path}: source {source.name!r} is empty, {reason}: add data or remove it")
    return tasks, dropped


def _describe(checked: bytes) -> str:
    kind, _, answered = checked.decode().partition(" ")
    return f"{kind} conversations with answers" if answered else f"{kind} records"


def _open(path: Path) -> tuple[list[pa.RecordBatch], pa.Schema]:
    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            return table.to_batches(), table.schema
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        return [reader.get_batch(i) for i in range(reader.num_record_batches)], reader.schema
    except (pa.ArrowInvalid, OSError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        if not is_damage(error):
            raise DataError(f"{path}: cannot be opened ({reason}): check the path") from error
        raise DataError(
            f"{path}: not a whole {path.suffix} file ({reason}): write or copy it again"
        ) from error


def _check_rows(tasks: TableTasks, path: Path) -> npt.NDArray[np.int64]:
    """The rows that are not tied, after a look at all of them."""
    kept = []
    first_rows: dict[str, int] = {}
    for row, task in tasks.rows():
        if task.key in first_rows:
            raise DataError(
                f"{path}: row {row + 1}: id {task.key!r} is already taken by row "
                f"{first_rows[task.key] + 1}: make ids unique, or leave them out"
            )
        first_rows[task.key] = row
        if not is_tied(task):
            kept.append(row)
    return np.array(kept, dtype=np.int64)
