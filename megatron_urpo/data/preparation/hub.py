"""Rows of a data set on the Hugging Face hub, or of a directory laid out like one."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.preparation.raw_rows import (
    DAMAGE,
    FILE_SUFFIXES,
    RawRow,
    RowFile,
    read_rows,
)

if TYPE_CHECKING:
    from datasets import DatasetBuilder

_COMMIT = re.compile("[0-9a-f]{40}")
_BUFFER_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class HubDataset:
    """Which rows of which data set."""

    id: str  # on the hub, or a local directory with the same files
    config: str  # empty: the data set's default
    split: str
    revision: str  # commit, tag or branch

    @property
    def is_local(self) -> bool:
        return Path(self.id).is_dir()


def resolve_revision(dataset: HubDataset) -> str:
    """The commit that a revision stands for, so that later runs read the same rows.

    A commit stands for itself, and a local directory has none: its revision is as it was given.

    Raises:
        DataError: the hub cannot be reached, or has no such data set or revision.
    """
    if dataset.is_local or _COMMIT.fullmatch(dataset.revision):
        return dataset.revision
    from huggingface_hub import HfApi
    from huggingface_hub.utils import httpx

    try:
        commit = HfApi().dataset_info(dataset.id, revision=dataset.revision).sha
    except (OSError, httpx.HTTPError) as error:
        raise DataError(_unreachable(dataset, error)) from error
    if commit is None:
        raise DataError(f"{dataset.id}@{dataset.revision}: the hub names no commit of it")
    return commit


def local_files(dataset: HubDataset) -> list[Path]:
    """The files of a local directory, by name; hidden ones left out, and none for the hub."""
    root = Path(dataset.id)
    if not dataset.is_local:
        return []
    return sorted(
        file
        for file in root.rglob("*")
        if file.is_file() and not any(part[0] == "." for part in file.relative_to(root).parts)
    )


def read_hub(dataset: HubDataset, skip: int = 0) -> Iterator[RawRow]:
    """The rows of a split as a stream; nothing is stored.

    Rows of JSON Lines, JSON and Parquet files are read one by one, as those of local files are: one
    that is no object is a RawRow without values. Rows of other files come from datasets, which
    gives up at the first bad one.

    Args:
        skip: rows to pass over; blank lines of JSON Lines count.

    Raises:
        DataError: the hub cannot be reached, the data set has no such configuration, split or
            revision, or its files cannot be read or are damaged.
    """
    place = f"{dataset.id}@{dataset.revision or 'local'} {dataset.config}/{dataset.split}"
    from huggingface_hub.utils import httpx

    try:
        builder = _load_builder(dataset)
        files = _row_files(builder, dataset.split)
        rows = _stream_rows(builder, dataset, skip) if files is None else read_rows(files, skip)
        for row in rows:
            yield replace(row, place=f"{place}: row {row.position}")
    except DAMAGE as error:
        raise DataError(
            f"{dataset.id}: a file of it is damaged ({error}): download it again"
        ) from error
    except (OSError, httpx.HTTPError) as error:
        if dataset.is_local:
            raise DataError(f"{dataset.id}: cannot be read ({error}): copy it again") from error
        raise DataError(_unreachable(dataset, error)) from error


def _load_builder(dataset: HubDataset) -> DatasetBuilder:
    """What datasets knows of the data set at its revision: the files of every split, above all."""
    from datasets import load_dataset_builder

    try:
        return load_dataset_builder(
            dataset.id,
            dataset.config or None,
            revision=None if dataset.is_local else dataset.revision,
        )
    except ValueError as error:  # no such configuration; the message lists those there are
        raise DataError(f"{dataset.id}: {error}") from error


def _row_files(builder: DatasetBuilder, split: str) -> Iterator[RowFile] | None:
    """The files of a split; None where it is none of its own or one is of a type not read here."""
    by_split = {str(name): files for name, files in (builder.config.data_files or {}).items()}
    names = by_split.get(split, [])
    if not names or getattr(builder.config, "field", None) is not None:
        return None
    if not all(name.endswith(FILE_SUFFIXES) for name in names):
        return None
    return (RowFile(name, partial(_open, name), _has_lines(name)) for name in names)


def _open(name: str) -> BinaryIO:
    """A file on the hub, or in a local directory; reads are tried again when a connection fails."""
    from datasets.utils import file_utils

    return io.BufferedReader(file_utils.xopen(name, "rb"), _BUFFER_BYTES)


def _has_lines(name: str) -> bool:
    """Whether a .json file has one object a line, as many on the hub have, and is no list."""
    if not name.endswith(".json"):
        return False
    with _open(name) as file:
        return not file.read(_BUFFER_BYTES).lstrip().startswith(b"[")


def _stream_rows(builder: DatasetBuilder, dataset: HubDataset, skip: int) -> Iterator[RawRow]:
    """Rows of files that only datasets can read, or of a split that is made of others."""
    from datasets.exceptions import DatasetGenerationError

    try:
        rows = iter(builder.as_streaming_dataset(dataset.split).skip(skip))
    except ValueError as error:  # no such split; the message lists those there are
        raise DataError(f"{dataset.id}: {error}") from error
    position = skip
    while True:
        try:
            values = next(rows, None)
        except (ValueError, TypeError, DatasetGenerationError) as error:
            raise DataError(
                f"{dataset.id}: row {position + 1} of {dataset.split} or one behind it cannot be "
                f"read ({error}): make {', '.join(FILE_SUFFIXES)} files of the data set and give "
                "them as path, where bad rows are set aside"
            ) from error
        if values is None:
            return
        position += 1
        yield RawRow(position, "", values)


def _unreachable(dataset: HubDataset, error: Exception) -> str:
    directory = os.path.join("downloads", dataset.id.rpartition("/")[2])
    return (
        f"the data set {dataset.id} at revision {dataset.revision!r} cannot be read from the hub "
        f"({type(error).__name__}: {error}). Check its id and revision, and the network, and start "
        f"again: what was read is kept. Without a network, run `hf download --repo-type dataset "
        f"{dataset.id} --revision {dataset.revision} --local-dir {directory}` where there is one, "
        f"copy the directory here, and set hub = {directory!r}"
    )
