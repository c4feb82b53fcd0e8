"""Runs a preparation: reads the sources in parts, finds duplicates, writes what is left."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.preparation.contamination import ContaminationIndex
from megatron_urpo.data.preparation.disk import mapped_array
from megatron_urpo.data.preparation.duplicates import (
    NUM_VALUES,
    exact_duplicates,
    near_duplicates,
)
from megatron_urpo.data.preparation.filters import Rejected, RowFilters
from megatron_urpo.data.preparation.held_out import choose_held_out
from megatron_urpo.data.preparation.hub import read_hub
from megatron_urpo.data.preparation.manifest import Manifest
from megatron_urpo.data.preparation.outputs import finished, write_outputs
from megatron_urpo.data.preparation.parts import Parts, stored_fingerprints
from megatron_urpo.data.preparation.plan import Plan, digest, hub_dataset, shared_plan, source_plan
from megatron_urpo.data.preparation.raw_rows import RawRow, chunks, read_files, take
from megatron_urpo.data.preparation.settings import PreparationConfig, RawSourceConfig
from megatron_urpo.data.prompts import load_encoder
from megatron_urpo.run_lock import lock_run_directory
from megatron_urpo.types import TaskKind

Report = Callable[[str], None]
WORK_DIRECTORY = ".preparation"
# Keys of a plan: the sources that its duplicates, and its held-out prompts, are shared with.
OTHER_SOURCES = ("earlier", "beside")


@dataclass(slots=True)
class _Source:
    """A source on its way."""

    config: RawSourceConfig
    revision: str  # a commit, for the hub
    plan: Plan
    parts: Parts
    kept: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    held_out: npt.NDArray[np.bool_] | None = None
    duplicates: list[Rejected] = field(default_factory=list)

    def rows(self, skip: int) -> Iterator[RawRow]:
        config = self.config
        if config.path:
            rows = read_files(Path(config.path), skip)
        else:
            rows = read_hub(hub_dataset(config, self.revision), skip)
        return take(rows, config.max_rows)


def prepare(config: PreparationConfig, report: Report) -> list[Manifest]:
    """Writes <directory>/<name>.arrow, .rejects.jsonl and .manifest.json of every source.

    With held_out, preference sources have <name>.held_out.arrow as well, of rows that are not in
    <name>.arrow.

    A preparation that was killed goes on after its last finished part, and gives the same files as
    one that was not. One that was finished is not repeated.

    Args:
        report: told in a line what is being done.

    Raises:
        ConfigError: the tokenizer or a setting cannot be used.
        DataError: a source or an evaluation set cannot be read or is empty, or the disk is full.
        RunDirectoryBusyError: another preparation writes to the same directory.
    """
    directory = Path(config.directory)
    with closing(lock_run_directory(directory / WORK_DIRECTORY)):
        shared = shared_plan(config)
        sources = [_plan_source(source, shared, directory) for source in config.sources]
        beside = [digest(source.plan) for source in _preferences(sources)]
        for source in _preferences(sources) if config.held_out else ():
            source.plan["beside"] = beside
        for source, earlier in _with_earlier(sources):
            source.plan["earlier"] = [digest(other.plan) for other in earlier]
        manifests = _finished(sources, directory)
        if manifests is None:
            _collect_all(sources, config, report)
            for source, earlier in _with_earlier(sources):
                if not earlier:
                    alike = [other for other in sources if _is_alike(other, source)]
                    _find_duplicates(alike, config, report)
            if config.held_out:
                _hold_out(_preferences(sources), config.held_out, report)
            manifests = [_write(source, directory) for source in sources]
        else:
            report("everything is prepared already, with these settings and from these files")
        shutil.rmtree(directory / WORK_DIRECTORY)
    return manifests


def _write(source: _Source, directory: Path) -> Manifest:
    held_out = source.held_out
    return write_outputs(
        directory,
        source.config,
        source.revision,
        source.plan,
        source.parts,
        source.kept,
        np.zeros_like(source.kept) if held_out is None else held_out,
        source.duplicates,
    )


def _plan_source(config: RawSourceConfig, shared: Plan, directory: Path) -> _Source:
    plan, revision = source_plan(config, shared)
    adapter = config.adapter
    work = directory / WORK_DIRECTORY / config.name
    return _Source(config, revision, plan, Parts(work, adapter.kind, adapter.answered))


def _is_alike(one: _Source, other: _Source) -> bool:
    """Whether rows of the two can be duplicates of each other."""
    a, b = one.config.adapter, other.config.adapter
    return (a.kind, a.answered) == (b.kind, b.answered)


def _with_earlier(sources: Sequence[_Source]) -> Iterator[tuple[_Source, list[_Source]]]:
    """Each source with those before it that it is compared with."""
    for number, source in enumerate(sources):
        yield source, [other for other in sources[:number] if _is_alike(other, source)]


def _finished(sources: Sequence[_Source], directory: Path) -> list[Manifest] | None:
    """The manifests, if everything has been written with the same plan and is still there."""
    manifests = []
    for source in sources:
        manifest = finished(directory, source.config.name, source.plan)
        if manifest is None:
            return None
        manifests.append(manifest)
    return manifests


def _collect_all(sources: Sequence[_Source], config: PreparationConfig, report: Report) -> None:
    """Reads and filters all sources into their parts."""
    encoder = load_encoder(config.model)
    index = ContaminationIndex(config.filters.contamination_words or 1)
    for path in config.evaluation_sets if config.filters.contamination_words else ():
        report(f"{path}: {index.add_file(path):,} questions to keep clear of")
    filters = RowFilters(config.filters, encoder, index)
    for source in sources:
        own = {name: value for name, value in source.plan.items() if name not in OTHER_SOURCES}
        source.parts.open(own)
        _collect(source, filters, config.rows_per_part, report)


def _collect(source: _Source, filters: RowFilters, rows_per_part: int, report: Report) -> None:
    """Reads a source to its end, part after part."""
    name, parts = source.config.name, source.parts
    if parts.is_finished:
        report(f"{name}: read already")
        return
    if parts.end:
        report(f"{name}: goes on behind row {parts.end:,}")
    rows = kept = 0
    begin = time.monotonic()
    for chunk in chunks(source.rows(parts.end), rows_per_part):
        selected = [row for row in chunk if _is_selected(row, source.config)]
        tasks, rejected = [], []
        filters.dropped_responses = 0
        for row in selected:
            outcome = filters.task(row, source.config)
            if isinstance(outcome, Rejected):
                rejected.append(outcome)
            else:
                tasks.append((outcome, row.place))
        unselected = len(chunk) - len(selected)
        parts.add(
            tasks,
            rejected,
            end=chunk[-1].position,
            rows=len(chunk),
            unselected=unselected,
            dropped_responses=filters.dropped_responses,
        )
        rows, kept = rows + len(chunk), kept + len(tasks)
        speed = rows / (time.monotonic() - begin)
        report(f"{name}: {parts.end:,} rows, {kept:,} of {rows:,} kept, {speed:,.0f} rows/s")
    if not parts.states:
        config = source.config
        raise DataError(
            f"{config.path or config.hub_id}: source {name!r} has no rows: check the file, or "
            "remove the source"
        )
    parts.finish()


def _is_selected(row: RawRow, source: RawSourceConfig) -> bool:
    """Whether a row is among those that `where` asks for; one that cannot be read is."""
    values = row.values
    return values is None or all(
        str(values.get(name)) == wanted for name, wanted in source.where.items()
    )


def _find_duplicates(sources: Sequence[_Source], config: PreparationConfig, report: Report) -> None:
    """Marks the duplicates among the rows of some sources, which are of one kind."""
    batches = [batch for source in sources for batch in source.parts.batches()]
    stored = [stored_fingerprints(batch) for batch in batches]
    count = sum(batch.num_rows for batch in batches)
    kind = sources[0].config.adapter.kind
    report(f"{kind}: looking for duplicates among {count:,} rows")
    exact = exact_duplicates(np.concatenate([part.contents for part in stored]))
    near = np.full(count, -1, dtype=np.int64)
    similarity = np.zeros(count)
    if config.filters.near_duplicate_similarity and count:
        groups = np.concatenate([part.groups for part in stored])
        file = sources[0].parts.directory / "signatures"
        signatures = mapped_array(file, (count, NUM_VALUES))
        np.concatenate([part.signatures for part in stored], out=signatures)
        threshold = config.filters.near_duplicate_similarity
        near, similarity = near_duplicates(signatures, groups, threshold)
    places = _Places(batches)
    begin = 0
    for source in sources:
        end = begin + sum(state.kept for state in source.parts.states)
        source.kept = (exact[begin:end] < 0) & (near[begin:end] < 0)
        for row in (begin + np.flatnonzero(~source.kept)).tolist():
            if exact[row] >= 0:
                rejected = ("exact_duplicate", f"the same as {places[exact[row]]}")
            else:
                reason = f"like {places[near[row]]}, estimated similarity {similarity[row]:.2f}"
                rejected = ("near_duplicate", reason)
            source.duplicates.append(Rejected(places[row], *rejected))
        begin = end


def _preferences(sources: Sequence[_Source]) -> list[_Source]:
    return [source for source in sources if source.config.adapter.kind is TaskKind.PREFERENCE]


def _hold_out(sources: Sequence[_Source], count: int, report: Report) -> None:
    """Marks the rows of preference sources that are kept out of training.

    Raises:
        DataError: that leaves nothing of a source.
    """
    prompts = [
        np.concatenate([stored_fingerprints(batch).prompts for batch in source.parts.batches()])
        for source in sources
    ]
    chosen = choose_held_out(prompts, [source.kept for source in sources], count)
    for source, held_out in zip(sources, chosen, strict=True):
        rows, held = int(source.kept.sum()), int(held_out.sum())
        if held == rows:
            raise DataError(
                f"held_out = {count} leaves nothing of the {rows} rows of {source.config.name!r} "
                "that passed the filters: lower it, or read more rows"
            )
        if held > count:
            report(
                f"{source.config.name}: {held:,} rows are held out, {held - count:,} more than "
                f"held_out = {count} asks for, since their prompts are"
            )
        source.held_out = held_out


class _Places:
    """Where stored rows come from, by their number through all parts."""

    def __init__(self, batches: Sequence[pa.RecordBatch]) -> None:
        self._batches = batches
        self._ends = np.cumsum([batch.num_rows for batch in batches])

    def __getitem__(self, row: int) -> str:
        number = int(np.searchsorted(self._ends, row, side="right"))
        batch = self._batches[number]
        offset = int(row) - (int(self._ends[number]) - batch.num_rows)
        return str(batch.column("metadata")[offset]["place"].as_py())
