"""Writing a checkpoint while training goes on.

Megatron plans a save and hands out what writes the files and what completes them. A thread of this
process does the writing here, from copies of the tensors in host memory, so that the next update
may change the weights at once. (Megatron's own way is a process forked for it or kept beside the
run; on a CPU its tensors would be those that training goes on to change.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from megatron.core.dist_checkpointing.strategies.async_utils import AsyncRequest
from torch import Tensor

from megatron_urpo.training.sharded_state import explained_failures


class BackgroundSave:
    """This rank's part of a save that has been planned."""

    def __init__(self, directory: Path, request: AsyncRequest, changing: Iterable[Tensor]) -> None:
        """Copies what has to be copied, then returns.

        Args:
            request: of dist_checkpointing.save(async_sharded_save=True).
            changing: the tensors that training goes on to change.
        """
        self._directory = directory
        self._completions: list[Callable[[], None]] = request.finalize_fns
        self._written: Future[None] | None = None
        self.paths: list[Path] = []
        if request.async_fn is not None:  # none where this rank has nothing to write
            rank, _, results = request.async_fn_args
            buckets = _detach(request.preload_fn(), storages(changing))
            self.paths = [Path(path) for path, _, _ in buckets]
            write = partial(request.async_fn, rank, buckets, results, **request.async_fn_kwargs)
            executor = ThreadPoolExecutor(1, "checkpoint")
            self._written = executor.submit(_write, write, results)
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


def _write(write: Callable[[], None], results: SimpleQueue[Any]) -> None:
    try:
        write()
    except (OSError, RuntimeError) as error:
        # As Megatron's writers hand theirs over: completing then fails on every rank.
        results.put(error)


def storages(tensors: Iterable[Tensor]) -> set[int]:
    """Addresses of the memory that tensors lie in."""
    return {tensor.untyped_storage().data_ptr() for tensor in tensors}


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
