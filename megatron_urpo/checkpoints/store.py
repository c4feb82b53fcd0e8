"""Checkpoints: one directory a step, one manifest in it, whole or absent.

consumes   what the policy writes (megatron's distributed checkpoint), and the state of the run
produces   <run>/checkpoints/step_000100/{policy/, manifest.json}
waits for  every rank to have written its part

A checkpoint is written under a temporary name, checksummed, flushed to disk and only then renamed,
so that a crash at any moment leaves the previous one as the newest. The manifest is the only record
of a checkpoint's content: what it does not list is not part of it.
"""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from megatron_urpo.checkpoints.files import (
    Manifest,
    SavedCheckpoint,
    checkpoint_name,
    find_damage,
    flush_and_checksum,
    publish,
    read_manifest,
    step_of,
)
from megatron_urpo.config import CheckpointConfig
from megatron_urpo.ranks import Ranks
from megatron_urpo.run_files import CHECKPOINT_PREFIX, POLICY_DIRECTORY
from megatron_urpo.types import RunError

_GIB = 1 << 30
_DELETING = ".deleting-"


class CheckpointError(RunError):
    """A checkpoint that cannot be written or read; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class SaveStatistics:
    """What a checkpoint cost."""

    step: int
    seconds: float  # from its beginning until it is whole on the disk
    num_bytes: int  # of its files, the manifest left out
    not_deleted: str | None = None  # on rank 0: why an older checkpoint is still there


class Writing(Protocol):
    """A rank's part of a checkpoint that is written in the background."""

    @property
    def paths(self) -> Sequence[Path]:
        """The files this rank writes there."""
        ...

    def wait(self) -> None:
        """Returns when the writing is over, well or badly."""
        ...

    def finish(self) -> None:
        """Waits for it and completes it; a collective. Raises OSError where it failed."""
        ...


Checksums = dict[str, tuple[int, int]]


@dataclass(slots=True)
class _Begun:
    """A checkpoint between its beginning and its name."""

    manifest: Manifest
    temporary: Path
    started: float
    writing: Writing | None = None  # None: this rank's part is written
    checksums: Future[Checksums] | None = None  # of its files, when they are written


class CheckpointStore:
    """The checkpoints of one run."""

    def __init__(self, directory: Path, config: CheckpointConfig, ranks: Ranks) -> None:
        """Args:
        directory: <run>/checkpoints; made with the first checkpoint.
        """
        self.directory = directory
        self._keep_last = config.keep_last
        self._keep_every = config.keep_every
        self._ranks = ranks
        self._begun: _Begun | None = None

    def save(
        self, manifest: Manifest, write_policy: Callable[[Path], None], expected_bytes: int = 0
    ) -> SaveStatistics:
        """Writes a checkpoint, then deletes those that need not be kept; all ranks together.

        Args:
            manifest: without its files, which are filled in here.
            write_policy: writes this rank's part into the directory it is given.
            expected_bytes: what all ranks will write; where the disk has less nothing is begun.

        Raises:
            CheckpointError: the disk is full or not writable. The partial checkpoint is removed
                and the previous ones stay.
        """
        self.begin(manifest, write_policy, expected_bytes)
        saved = self.finish()
        assert saved is not None
        return saved

    @property
    def is_writing(self) -> bool:
        """Whether a checkpoint has been begun and not finished."""
        return self._begun is not None

    def begin(
        self,
        manifest: Manifest,
        begin_policy: Callable[[Path], Writing | None],
        expected_bytes: int = 0,
    ) -> None:
        """Begins what `save` does. One checkpoint at a time.

        Args:
            begin_policy: begins to write this rank's part; returns None when it is written.

        Raises:
            CheckpointError: as for `save`.
        """
        assert self._begun is None
        final = self.directory / checkpoint_name(manifest.step)
        temporary = self.directory / f".writing-{final.name}"
        begun = _Begun(manifest, temporary, time.monotonic())
        failure = None
        if self._ranks.rank == 0:
            failure = self._attempt(lambda: self._make_room(temporary, expected_bytes))
        self._raise_jointly(failure, temporary)

        def write() -> None:
            begun.writing = begin_policy(temporary / POLICY_DIRECTORY)

        self._raise_jointly(self._attempt(write), temporary)
        if begun.writing is not None:
            executor = ThreadPoolExecutor(1, "checksums")
            begun.checksums = executor.submit(_checksum_written, begun.writing, temporary)
            executor.shutdown(wait=False)
        self._begun = begun

    def poll(self) -> SaveStatistics | None:
        """Completes what was begun if that takes no waiting for it. A collective.

        Returns its cost when it is whole, else None. Raises as `save` does.
        """
        if self._begun is None:
            return None
        part = self._begun.checksums
        written = self._ranks.gather_objects(part is None or part.done())
        return self.finish() if all(written) else None

    def finish(self) -> SaveStatistics | None:
        """Waits until what was begun is whole; None where nothing was. Raises as `save` does.

        A collective.
        """
        begun, self._begun = self._begun, None
        if begun is None:
            return None
        if begun.writing is not None:
            self._raise_jointly(self._attempt(begun.writing.finish), begun.temporary)
        files = self._checksum(begun)
        final = self.directory / checkpoint_name(begun.manifest.step)
        failure = not_deleted = None
        if self._ranks.rank == 0:
            failure = self._attempt(lambda: publish(begun.temporary, final, begun.manifest, files))
        self._raise_jointly(failure, begun.temporary)
        if self._ranks.rank == 0:
            not_deleted = self._attempt(self._delete_old)
        return SaveStatistics(
            step=begun.manifest.step,
            seconds=time.monotonic() - begun.started,
            num_bytes=sum(size for size, _ in files.values()),
            not_deleted=not_deleted,
        )

    def newest_whole(
        self, model: dict[str, Any] | None, step: int | None = None
    ) -> tuple[SavedCheckpoint | None, list[str]]:
        """Finds the newest checkpoint whose files are all there and unchanged.

        Args:
            model: identity of this run; None takes a checkpoint of any.
            step: look at the checkpoint of this step alone.

        Returns:
            the checkpoint, or None when there is none; and a sentence for every damaged one that
            was passed over.

        Raises:
            CheckpointError: the newest whole checkpoint is of another model, or there are
                checkpoints and none is whole, or none of `step`, or the ranks see other ones.
        """
        passed_over = []
        directories = self._agreed_directories()
        if step is not None:
            there = [step_of(directory) for directory in directories]
            if step not in there:
                raise CheckpointError(
                    f"{self.directory} holds no checkpoint of step {step}, but of {there}; "
                    "checkpoint.keep_every keeps more of them"
                )
            directories = [directories[there.index(step)]]
        for directory in reversed(directories):
            damage = self._find_damage(directory)
            if damage is not None:
                passed_over.append(f"{directory} is damaged ({damage})")
                continue
            manifest = read_manifest(directory)
            if model is not None and manifest.model != model:
                differing = sorted(
                    key
                    for key in manifest.model.keys() | model.keys()
                    if manifest.model.get(key) != model.get(key)
                )
                raise CheckpointError(
                    f"{directory} is a checkpoint of another run: "
                    + ", ".join(
                        f"{key} is {manifest.model.get(key)!r} there and {model.get(key)!r} here"
                        for key in differing
                    )
                    + "; choose another run.directory, or the model.path and run.seed it began with"
                )
            return SavedCheckpoint(directory, manifest), passed_over
        if passed_over:
            raise CheckpointError(
                "no checkpoint is whole: " + "; ".join(passed_over) + ". Restore their files, "
                "move them away to start over, or choose another run.directory"
            )
        return None, passed_over

    def clean_up(self, resumed: SavedCheckpoint | None) -> None:
        """Before a run continues: removes half-written checkpoints, and renames damaged ones that
        are newer than the resumed one, so that they are not counted among those to keep."""

        def clean() -> None:
            for leftover in self.directory.glob(".writing-*"):
                shutil.rmtree(leftover)
            for directory in self._directories():
                if resumed is not None and directory.name > resumed.directory.name:
                    aside = directory.with_name(f"damaged-{directory.name}")
                    shutil.rmtree(aside, ignore_errors=True)
                    directory.rename(aside)

        self._ranks.on_main(clean)

    def refuse_overwriting(self) -> None:
        """For a run that is not to be resumed: raises CheckpointError if there is one already."""
        if self._agreed_directories():
            raise CheckpointError(
                f"{self.directory} holds the checkpoints of an earlier run and checkpoint.resume = "
                "false: choose another run.directory, or move them away"
            )

    def _delete_old(self) -> None:
        for old in self._directories()[: -self._keep_last]:
            if not (self._keep_every and step_of(old) % self._keep_every == 0):
                old.rename(old.with_name(f"{_DELETING}{old.name}"))
        self._delete_unwanted()

    def _delete_unwanted(self) -> None:
        """Under a name of their own, so that one that is deleted in part is not taken for whole."""
        for unwanted in self.directory.glob(f"{_DELETING}*"):
            shutil.rmtree(unwanted)

    def _agreed_directories(self) -> list[Path]:
        """What all ranks see; raises on all of them where some see something else."""
        mine = self._directories()
        seen = self._ranks.gather_objects([directory.name for directory in mine])
        other = next((names for names in seen if names != seen[0]), None)
        if other is not None:
            raise CheckpointError(
                f"{self.directory} holds {seen[0]} for one rank and {other} for another: "
                "run.directory has to lie on a file system that all nodes share"
            )
        return mine

    def _directories(self) -> list[Path]:
        return sorted(
            path for path in self.directory.glob(f"{CHECKPOINT_PREFIX}*") if path.is_dir()
        )

    def _checksum(self, begun: _Begun) -> Checksums:
        """Checksums of all files: those that ranks have computed already, then the others."""
        known: Checksums = {}
        if begun.checksums is not None:
            part = begun.checksums
            self._raise_jointly(self._attempt(lambda: known.update(part.result())), begun.temporary)
        known = _union(self._ranks.gather_objects(known))
        # One list for all: a shared file system may show files of other nodes late.
        names = self._ranks.gather_objects(
            _file_names(begun.temporary) if self._ranks.rank == 0 else None
        )[0]
        unknown = [name for name in names if name not in known]
        share: Checksums = {}
        failure = self._attempt(
            lambda: share.update(self._checksum_share(begun.temporary, unknown))
        )
        self._raise_jointly(failure, begun.temporary)
        return known | _union(self._ranks.gather_objects(share))

    def _checksum_share(self, root: Path, names: Sequence[str]) -> Checksums:
        """Of every world_size-th file, so that large checkpoints are read in parallel."""
        mine = names[self._ranks.rank :: self._ranks.world_size]
        return {name: flush_and_checksum(root / name) for name in mine}

    def _find_damage(self, directory: Path) -> str | None:
        """What is wrong with a checkpoint, agreed on by all ranks; None when it is whole."""
        damage = find_damage(directory, self._ranks.rank, self._ranks.world_size)
        found = self._ranks.gather_objects(damage)
        return next((entry for entry in found if entry is not None), None)

    def _make_room(self, temporary: Path, expected_bytes: int) -> None:
        """An empty directory to write into; OSError where the disk has less than expected."""
        shutil.rmtree(temporary, ignore_errors=True)
        self.directory.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.directory).free
        if free < expected_bytes:
            raise OSError(
                f"it takes about {expected_bytes / _GIB:.2f} GiB and {free / _GIB:.2f} GiB are "
                "free; free some disk space, or lower checkpoint.keep_last"
            )
        (temporary / POLICY_DIRECTORY).mkdir(parents=True)

    @staticmethod
    def _attempt(action: Callable[[], None]) -> str | None:
        """Runs one rank's share of a save; the text of an I/O failure, for all ranks to share."""
        try:
            action()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return f"{error}; free some disk space, or lower checkpoint.keep_last"
            return str(error)
        return None

    def _raise_jointly(self, failure: str | None, temporary: Path) -> None:
        failures: Sequence[str | None] = self._ranks.gather_objects(failure)
        if not any(failures):
            return
        if self._ranks.rank == 0:
            shutil.rmtree(temporary, ignore_errors=True)
        self._ranks.barrier()
        reason = next(text for text in failures if text)
        raise CheckpointError(
            f"no checkpoint was written to {self.directory}: {reason}. Earlier checkpoints are "
            "untouched"
        )


def _checksum_written(writing: Writing, root: Path) -> Checksums:
    """Of the files of a rank when it has written them; of those it has, where that failed."""
    writing.wait()
    written = [path for path in writing.paths if path.is_file()]
    return {str(path.relative_to(root)): flush_and_checksum(path) for path in written}


def _file_names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def _union(parts: Sequence[Checksums]) -> Checksums:
    return {name: entry for part in parts for name, entry in part.items()}
