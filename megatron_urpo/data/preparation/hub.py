"""Rows of a data set on the Hugging Face hub, or of a directory laid out like one."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.preparation.raw_rows import DAMAGE, RawRow

if TYPE_CHECKING:
    from datasets import IterableDataset

_COMMIT = re.compile("[0-9a-f]{40}")


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

    Args:
        skip: rows to pass over.

    Raises:
        DataError: the hub cannot be reached, the data set has no such configuration, split or
            revision, or its files cannot be read or are damaged.
    """
    place = f"{dataset.id}@{dataset.revision or 'local'} {dataset.config}/{dataset.split}"
    from datasets.exceptions import DatasetGenerationError
    from huggingface_hub.utils import httpx

    rows = iter(_open_stream(dataset).skip(skip))
    position = skip
    while True:
        try:
            values = next(rows, None)
        except DAMAGE as error:
            raise DataError(_damaged(dataset, error)) from error
        except (ValueError, TypeError, DatasetGenerationError) as error:
            raise DataError(
                f"{place}: row {position + 1} or one behind it cannot be read ({error}): download "
                "the files and give them as path, where bad lines are set aside"
            ) from error
        except (OSError, httpx.HTTPError) as error:
            raise DataError(_unreachable(dataset, error)) from error
        if values is None:
            return
        position += 1
        yield RawRow(position, f"{place}: row {position}", values)


def _damaged(dataset: HubDataset, error: Exception) -> str:
    """Names the first compressed file of a local directory that cannot be read to its end."""
    for path in local_files(dataset):
        if path.suffix == ".gz":
            try:
                with gzip.open(path) as file:
                    while file.read(2**20):
                        pass
            except DAMAGE:
                return f"{path}: damaged ({error}): copy it again"
    return f"{dataset.id}: a file of it is damaged ({error}): download it again"


def _open_stream(dataset: HubDataset) -> IterableDataset:
    from datasets import load_dataset
    from huggingface_hub.utils import httpx

    try:
        return load_dataset(
            dataset.id,
            dataset.config or None,
            revision=None if dataset.is_local else dataset.revision,
            split=dataset.split,
            streaming=True,
        )
    except ValueError as error:  # no such configuration or split; the message lists those there are
        raise DataError(f"{dataset.id}: {error}") from error
    except DAMAGE as error:
        raise DataError(_damaged(dataset, error)) from error
    except (OSError, httpx.HTTPError) as error:
        raise DataError(_unreachable(dataset, error)) from error


def _unreachable(dataset: HubDataset, error: Exception) -> str:
    directory = os.path.join("downloads", dataset.id.rpartition("/")[2])
    return (
        f"the data set {dataset.id} at revision {dataset.revision!r} cannot be read from the hub "
        f"({type(error).__name__}: {error}). Check its id and revision, and the network; without "
        f"one, run `hf download --repo-type dataset {dataset.id} --revision {dataset.revision} "
        f"--local-dir {directory}` where there is, copy the directory here, and set hub = "
        f"{directory!r}"
    )
