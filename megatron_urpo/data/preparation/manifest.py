"""What a preparation says about the files it wrote."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from megatron_urpo import __version__
from megatron_urpo.data.preparation.filters import ROW_FILTERS

FILTERS = (*ROW_FILTERS, "exact_duplicate", "near_duplicate")
_LIBRARIES = ("datasets", "py3langid", "pyarrow", "rensa", "transformers")


@dataclass(frozen=True, slots=True)
class FilterCount:
    """Rows that came to a filter and that went on."""

    filter: str
    rows_in: int
    rows_out: int


@dataclass(frozen=True, slots=True)
class FileHash:
    """A file and its content."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where a prepared file comes from, and what became of every row."""

    name: str
    kind: str
    format: str
    source: str  # hub id or path
    revision: str  # the commit on the hub; empty for files
    rows_read: int
    rows_unselected: int  # not among those that `where` asks for
    dropped_responses: int  # blank, repeated or without a quality, of rows that passed the filters
    filters: tuple[FilterCount, ...]
    rows_written: int
    rows_held_out: int  # not among those written
    output: FileHash
    held_out: FileHash | None  # file of the rows held out; None: none are
    rejects: FileHash  # file with the place of every row left out
    inputs: tuple[FileHash, ...]  # files read; none for a stream from the hub
    plan: Mapping[str, Any]  # settings, tokenizer, evaluation sets, versions: all it depends on

    def write(self, path: Path) -> None:
        """As JSON; appears under its name when it is whole."""
        temporary = path.with_name(path.name + ".partial")
        temporary.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """What write wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        values["filters"] = tuple(FilterCount(**count) for count in values["filters"])
        values["inputs"] = tuple(FileHash(**file) for file in values["inputs"])
        for name in ("output", "rejects"):
            values[name] = FileHash(**values[name])
        if values["held_out"] is not None:
            values["held_out"] = FileHash(**values["held_out"])
        return cls(**values)


def count_filters(rows: int, removed: Mapping[str, int]) -> tuple[FilterCount, ...]:
    """The way of the rows through the filters, in their order."""
    counts = []
    for name in FILTERS:
        left = rows - removed.get(name, 0)
        counts.append(FilterCount(name, rows, left))
        rows = left
    return tuple(counts)


def hash_file(path: Path) -> FileHash:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileHash(str(path), path.stat().st_size, digest)


def software_versions() -> dict[str, str]:
    """Versions that the result depends on."""
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"megatron_urpo": __version__} | versions


def format_table(manifests: Sequence[Manifest]) -> str:
    """What was kept of each source: a column for all that left something out."""
    used = [
        name
        for name in FILTERS
        if any(
            count.filter == name and count.rows_in > count.rows_out
            for manifest in manifests
            for count in manifest.filters
        )
    ]
    holds_out = any(manifest.rows_held_out for manifest in manifests)
    header = ["source", "kind", "read", *(name.replace("_", " ") for name in used)]
    header += ["held out", "kept"] if holds_out else ["kept"]
    lines = [header]
    for manifest in manifests:
        removed = {count.filter: count.rows_in - count.rows_out for count in manifest.filters}
        numbers = [
            manifest.rows_read - manifest.rows_unselected,
            *(removed[name] for name in used),
            *([manifest.rows_held_out] if holds_out else []),
            manifest.rows_written,
        ]
        lines.append([manifest.name, manifest.kind, *(f"{number:,}" for number in numbers)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
