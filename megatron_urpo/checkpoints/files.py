"""The files of one checkpoint: the manifest, the checksums it holds, and the name they all get."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from megatron_urpo.run_files import CHECKPOINT_PREFIX, MANIFEST_FILE, POLICY_DIRECTORY

_READ_BLOCK = 1 << 22
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything a resumed run needs besides tensors."""

    step: int  # the last one completed, counted from 1
    policy_version: int  # of the weights: syncs to the engine so far; in a warm start the step
    model: dict[str, Any]  # the model's identity: a checkpoint of another one is refused
    data_state: dict[str, Any]  # position of the mixture
    environment: dict[str, str]  # versions and git commit that wrote it
    layout: dict[str, int]  # layout.Layout that wrote it
    counters: dict[str, int] = field(default_factory=dict)  # skipped updates in a row, and the like
    expected_tokens: dict[str, float] = field(default_factory=dict)  # mean length by kind of task
    files: dict[str, tuple[int, int]] = field(default_factory=dict)  # path -> (bytes, crc32)
    format: int = _FORMAT


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """A whole checkpoint on disk."""

    directory: Path
    manifest: Manifest

    @property
    def policy_directory(self) -> Path:
        return self.directory / POLICY_DIRECTORY


def publish(
    temporary: Path, final: Path, manifest: Manifest, files: dict[str, tuple[int, int]]
) -> None:
    """Writes the manifest and gives a directory whose files are all there its name.

    Args:
        files: (bytes, crc32) by path within the directory.

    Raises:
        OSError: one of that is refused; the directory keeps its temporary name.
    """
    content = asdict(manifest) | {"files": files}
    path = temporary / MANIFEST_FILE
    with path.open("w") as stream:
        json.dump(content, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    if final.exists():  # a run resumed from an earlier step comes by here again
        shutil.rmtree(final)
    temporary.rename(final)
    descriptor = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checkpoint_name(step: int) -> str:
    """The name of the directory of a step's checkpoint; they sort by step."""
    return f"{CHECKPOINT_PREFIX}{step:06d}"


def step_of(directory: Path) -> int:
    """The step in the name of a checkpoint's directory."""
    return int(directory.name.removeprefix(CHECKPOINT_PREFIX))


def read_manifest(directory: Path) -> Manifest:
    """Raises OSError, ValueError, KeyError or TypeError where it is missing or damaged."""
    content = json.loads((directory / MANIFEST_FILE).read_text())
    content["files"] = {name: tuple(entry) for name, entry in content["files"].items()}
    manifest = Manifest(**content)
    if manifest.format != _FORMAT:
        raise ValueError(f"format {manifest.format}, this version reads {_FORMAT}")
    return manifest


def flush_and_checksum(path: Path) -> tuple[int, int]:
    """Bytes and crc32 of a file that is on the disk by then."""
    size, checksum = 0, 0
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        while block := stream.read(_READ_BLOCK):
            size += len(block)
            checksum = zlib.crc32(block, checksum)
    return size, checksum


def find_damage(directory: Path, share: int = 0, shares: int = 1) -> str | None:
    """What is wrong with a checkpoint; None when it is whole.

    Args:
        share: which of `shares` parts of its files are looked at: each is read to its end.
    """
    try:
        files = read_manifest(directory).files
        names = sorted(files)[share::shares]
        return next((d for n in names if (d := compare(directory / n, files[n]))), None)
    except (OSError, ValueError, TypeError, KeyError) as error:
        return f"{MANIFEST_FILE}: {error}"


def compare(path: Path, expected: tuple[int, int]) -> str | None:
    """How a file differs from its (bytes, crc32); None when it does not."""
    if not path.is_file():
        return f"{path.name} is missing"
    if path.stat().st_size != expected[0]:
        return f"{path.name} has {path.stat().st_size} bytes, {expected[0]} were written"
    if flush_and_checksum(path) != expected:
        return f"{path.name} has changed since it was written"
    return None
