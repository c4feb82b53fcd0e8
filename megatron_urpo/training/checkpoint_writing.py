"""Writing a checkpoint's files, while training goes on or not.

Megatron plans a save and hands out what writes the files and what completes them. Threads of this
process do the writing here. Megatron would fork a process a file: from a program with many threads
that is a hazard, it takes seconds where much memory is mapped, and a writer that is killed is
waited for without end. For a save in the background the tensors are copied to host memory first, so
that the next update may change the weights at once.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from megatron.core.dist_checkpointing.strategies.async_utils import AsyncRequest
from megatron.core.dist_checkpointing.strategies.filesystem_async import FileSystemWriterAsync
from torch import Tensor

from megatron_urpo.training.sharded_state import explained_failures


class CheckpointWriting:
    """This rank's files of a save that has been planned."""

    def __init__(self, directory: Path, request: AsyncRequest, changing: Iterable[Tensor]) -> None:
        """Copies what has to be copied, begins to write, and returns.

        Args:
            request: of plan_sharded_save.
            changing: the tensors that may change before `finish` returns.
        """
        self._directory = directory
        self._completions: list[Callable[[], None]] = request.finalize_fns
        self._written: Future[None] | None = None
        self.paths: list[Path] = []
        if request.async_fn is not None:  # none where this rank has nothing to write
            _, _, results = request.async_fn_args
            buckets = _detach(request.preload_fn(), storages(changing))
            self.paths = [Path(path) for path, _, _ in buckets]
            transforms, _ = request.async_fn.args  # those of write_preloaded_data_multiproc
            executor = ThreadPoolExecutor(1, "checkpoint")
            self._written = executor.submit(_write, transforms, buckets, results)
            executor.shutdown(wait=False)

    def wait(self) -> None:
        """Returns when this rank's files are written, well or badly."""
        if self._written is not None:
            self._written.result()

    def finish(self) -> None:
        """Waits for the files and completes the checkpoint; a collective.

        Raises:
            OSError: it could not be written, with ENOSPC when the disk is full.
        """
        with explained_failures(self._directory):
            self.wait()
            for complete in self._completions:
                complete()


def _write(transforms: Any, buckets: list[Any], results: queue.SimpleQueue[Any]) -> None:
    """Writes the files, and leaves for Megatron's completion what its own writers would leave."""
    with ThreadPoolExecutor(len(buckets), "checkpoint-file") as executor:
        outcomes = list(executor.map(partial(_write_file, transforms), buckets))
    failure = next((outcome for outcome in outcomes if isinstance(outcome, Exception)), None)
    results.put(dict(enumerate(outcomes)) if failure is None else failure)


def _write_file(transforms: Any, bucket: Any) -> Any:
    """Megatron's record of what is in the file, or the exception that its writer returned."""
    outcome: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
    unfinished: queue.Queue[int] = queue.Queue()
    unfinished.put(0)
    FileSystemWriterAsync.write_preloaded_data(transforms, 0, bucket, outcome, unfinished, True)
    return outcome.get_nowait()[1]


def storages(tensors: Iterable[Tensor]) -> set[int]:
    """Addresses of the host memory that tensors lie in; those of other devices are left out."""
    # Weights in FP8 are wrappers on a GPU, which have no memory of their own to ask for.
    return {t.untyped_storage().data_ptr() for t in tensors if t.device.type == "cpu"}


def _detach(buckets: list[Any], changing: set[int]) -> list[Any]:
    """Buckets of tensors in host memory of which none lies in `changing`.

    Megatron's staging has copied what was on a GPU, and what was part of a larger buffer; what was
    gathered is a copy too. Left are the moments where one rank has all of them.
    """
    return [
        (
            path,
            key,
            (data, [(item, t.clone() if storages([t]) & changing else t) for item, t in tensors]),
        )
        for path, key, (data, tensors) in buckets
    ]
