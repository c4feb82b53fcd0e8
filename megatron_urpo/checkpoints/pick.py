"""Which checkpoint of a run directory is meant, for a process that trains nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from megatron_urpo.checkpoints.files import SavedCheckpoint
from megatron_urpo.checkpoints.store import CheckpointStore
from megatron_urpo.config import CheckpointConfig
from megatron_urpo.console import say
from megatron_urpo.ranks import OneRank
from megatron_urpo.run_files import CHECKPOINTS_DIRECTORY


def pick_checkpoint(
    run_directory: Path, step: int | None = None, identity: dict[str, Any] | None = None
) -> SavedCheckpoint | None:
    """The newest whole checkpoint of a run, or that of `step`; None where there is none at all.

    Damaged ones are passed over with a warning. Each is read to its end to know.

    Args:
        identity: of the run (run_identity); None takes a checkpoint of any.

    Raises:
        CheckpointError: none is whole, none is of `step`, or it is of another run.
    """
    store = CheckpointStore(run_directory / CHECKPOINTS_DIRECTORY, CheckpointConfig(), OneRank())
    saved, passed_over = store.newest_whole(identity, step)
    for sentence in passed_over:
        say(f"WARNING: {sentence}; taking the one before")
    return saved
