"""The work in progress on one source: finished parts on the disk, from which to go on.

A part is the rows between two positions of the source: an Arrow file of the records that passed
the filters with their fingerprints, a file of the rejected rows, and a small state that is written
last and makes the part count. What a killed preparation left without a state is done again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from megatron_urpo.data.jsonl import format_task
from megatron_urpo.data.preparation.disk import writing
from megatron_urpo.data.preparation.duplicates import NUM_VALUES, Fingerprints, fingerprint
from megatron_urpo.data.preparation.filters import Rejected
from megatron_urpo.data.tables import record_schema
from megatron_urpo.types import Task, TaskKind

_FINGERPRINT_FIELDS = [
    pa.field("content", pa.binary(16)),
    pa.field("group", pa.uint64()),
    pa.field("prompt", pa.uint64()),
    pa.field("signature", pa.binary(4 * NUM_VALUES)),
]


@dataclass(frozen=True, slots=True)
class PartState:
    """What became of the rows of a part."""

    end: int  # the position of its last row
    rows: int  # that were read, blank lines left out
    unselected: int  # not among those that `where` asks for
    kept: int
    dropped_responses: int  # of the rows that were kept
    rejected: dict[str, int]  # by filter


class Parts:
    """The finished parts of a source, under a directory of its own."""

    def __init__(self, directory: Path, kind: TaskKind, answered: bool) -> None:
        self.directory = directory
        self.schema = record_schema(kind, answered=answered)
        self._stored = pa.schema([*self.schema, *_FINGERPRINT_FIELDS])
        self.states: list[PartState] = []

    def open(self, plan: Mapping[str, Any]) -> None:
        """Takes up the parts that the same plan has finished; those of another one are removed."""
        plan_file = self.directory / "plan.json"
        if not plan_file.is_file() or json.loads(plan_file.read_text()) != plan:
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory.mkdir(parents=True)
            _write_text(plan_file, json.dumps(plan, indent=1))
        while (state := self._file("json", len(self.states))).is_file():
            self.states.append(PartState(**json.loads(state.read_text())))

    @property
    def end(self) -> int:
        """The position up to which the source was read."""
        return self.states[-1].end if self.states else 0

    @property
    def is_finished(self) -> bool:
        """Whether the source was read to its end."""
        return (self.directory / "finished").is_file()

    def finish(self) -> None:
        _write_text(self.directory / "finished", "")

    def add(
        self,
        tasks: Sequence[tuple[Task, str]],
        rejected: Sequence[Rejected],
        *,
        end: int,
        rows: int,
        unselected: int,
        dropped_responses: int = 0,
    ) -> None:
        """Writes a part: tasks with their places, and the rows left out.

        Raises:
            DataError: a file cannot be written.
        """
        number = len(self.states)
        columns = self._columns(tasks, fingerprint([task for task, _ in tasks]))
        batch = pa.RecordBatch.from_pydict(columns, schema=self._stored)
        records, rejects = self._file("arrow", number), self._file("rejects.jsonl", number)
        with writing(records), pa.ipc.new_file(str(records), self._stored) as writer:
            writer.write_batch(batch)
        with writing(rejects), rejects.open("w", encoding="utf-8") as file:
            for row in rejected:
                file.write(format_rejected(row))
        counts: dict[str, int] = {}
        for row in rejected:
            counts[row.filter] = counts.get(row.filter, 0) + 1
        state = PartState(end, rows, unselected, len(tasks), dropped_responses, counts)
        _write_text(self._file("json", number), json.dumps(asdict(state)))
        self.states.append(state)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The stored rows of each part, mapped from its file."""
        for number in range(len(self.states)):
            reader = pa.ipc.open_file(pa.memory_map(str(self._file("arrow", number))))
            yield reader.get_batch(0)

    def rejects(self) -> Iterator[Path]:
        """The files of rejected rows, in order."""
        for number in range(len(self.states)):
            yield self._file("rejects.jsonl", number)

    def _columns(
        self, tasks: Sequence[tuple[Task, str]], fingerprints: Fingerprints
    ) -> dict[str, Any]:
        records = [format_task(task) | {"metadata": {"place": place}} for task, place in tasks]
        columns: dict[str, Any] = {
            name: [record.get(name) for record in records] for name in self.schema.names
        }
        columns["content"] = [row.tobytes() for row in fingerprints.contents]
        columns["group"] = fingerprints.groups
        columns["prompt"] = fingerprints.prompts
        columns["signature"] = [row.tobytes() for row in fingerprints.signatures]
        return columns

    def _file(self, suffix: str, number: int) -> Path:
        return self.directory / f"part-{number:05}.{suffix}"


def stored_fingerprints(batch: pa.RecordBatch) -> Fingerprints:
    """The fingerprints of a stored part, without a copy."""
    return Fingerprints(
        _bytes(batch.column("content"), 16).view(np.uint64),
        batch.column("group").to_numpy(),
        batch.column("prompt").to_numpy(),
        _bytes(batch.column("signature"), 4 * NUM_VALUES).view(np.uint32),
    )


def format_rejected(row: Rejected) -> str:
    """A line of the rejects file."""
    entry = {"place": row.place, "filter": row.filter, "reason": row.reason}
    if row.row:
        entry["row"] = row.row
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _bytes(column: pa.Array, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    _, data = column.buffers()
    whole = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, np.uint8)
    return whole[column.offset * width : (column.offset + len(column)) * width].reshape(-1, width)


def _write_text(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    with writing(path):
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
