"""The final files of a source: what was kept, what was left out, and the manifest over both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from megatron_urpo.data.preparation.disk import writing
from megatron_urpo.data.preparation.filters import Rejected
from megatron_urpo.data.preparation.manifest import (
    FileHash,
    Manifest,
    count_filters,
    hash_file,
)
from megatron_urpo.data.preparation.parts import Parts, format_rejected
from megatron_urpo.data.preparation.plan import Plan
from megatron_urpo.data.preparation.settings import RawSourceConfig


def write_outputs(
    directory: Path,
    config: RawSourceConfig,
    revision: str,
    plan: Plan,
    parts: Parts,
    kept: npt.NDArray[np.bool_],
    held_out: npt.NDArray[np.bool_],
    duplicates: Sequence[Rejected],
) -> Manifest:
    """<name>.arrow, .held_out.arrow, .rejects.jsonl and, when they are whole, .manifest.json.

    Args:
        kept: of the rows of all parts, those that are no duplicates.
        held_out: of those, the ones for a file of their own; without any there is no such file.
        duplicates: the rows that are not kept.

    Raises:
        DataError: a file cannot be written.
    """
    output, other, rejects, manifest_file = (
        directory / f"{config.name}{suffix}"
        for suffix in (".arrow", ".held_out.arrow", ".rejects.jsonl", ".manifest.json")
    )
    _write_rows(output, parts, kept & ~held_out)
    other.unlink(missing_ok=True)  # of other settings
    if held_out.any():
        _write_rows(other, parts, held_out)
    _write_rejects(rejects, parts, duplicates)
    removed = Counter(row.filter for row in duplicates)
    for state in parts.states:
        removed.update(state.rejected)
    rows, unselected, dropped = (
        sum(getattr(state, name) for state in parts.states)
        for name in ("rows", "unselected", "dropped_responses")
    )
    manifest = Manifest(
        name=config.name,
        kind=str(config.adapter.kind),
        format=config.format,
        source=config.path or config.hub_id,
        revision=revision,
        rows_read=rows,
        rows_unselected=unselected,
        dropped_responses=dropped,
        filters=count_filters(rows - unselected, removed),
        rows_written=int((kept & ~held_out).sum()),
        rows_held_out=int(held_out.sum()),
        output=hash_file(output),
        held_out=hash_file(other) if held_out.any() else None,
        rejects=hash_file(rejects),
        inputs=tuple(FileHash(**file) for file in plan["files"]),
        plan=plan,
    )
    with writing(manifest_file):
        manifest.write(manifest_file)
    return manifest


def finished(directory: Path, name: str, plan: Plan) -> Manifest | None:
    """The manifest of a source that was written with this plan, if its files are as they were."""
    path = directory / f"{name}.manifest.json"
    try:
        manifest = Manifest.read(path)
    except (OSError, ValueError, KeyError, TypeError):  # none, damaged, or of another version
        return None
    if manifest.plan != plan:
        return None
    for file in filter(None, (manifest.output, manifest.held_out, manifest.rejects)):
        path = Path(file.path)
        if not path.is_file() or hash_file(path) != file:
            return None
    return manifest


def _write_rows(path: Path, parts: Parts, mask: npt.NDArray[np.bool_]) -> None:
    """The rows of the mask, as a file of checked records."""
    partial = path.with_name(path.name + ".partial")
    begin = 0
    with writing(path):
        with pa.ipc.new_file(str(partial), parts.schema) as writer:
            for batch in parts.batches():
                chosen = pa.array(mask[begin : begin + batch.num_rows])
                begin += batch.num_rows
                rows = batch.select(parts.schema.names).filter(chosen)
                if rows.num_rows:
                    writer.write_batch(rows.replace_schema_metadata(parts.schema.metadata))
        partial.replace(path)


def _write_rejects(path: Path, parts: Parts, duplicates: Sequence[Rejected]) -> None:
    partial = path.with_name(path.name + ".partial")
    with writing(path):
        with partial.open("wb") as file:
            for part in parts.rejects():
                file.write(part.read_bytes())
            for row in duplicates:
                file.write(format_rejected(row).encode())
        partial.replace(path)
