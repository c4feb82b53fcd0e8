"""What an earlier run left in a run directory that a new one starts in.

A run without a checkpoint starts from the beginning. Its records may be those of minutes, when it
was killed before its first checkpoint, or of weeks, when somebody deleted the checkpoints: nobody
here can tell, so that they are moved aside, never deleted.
"""

from __future__ import annotations

from pathlib import Path

from megatron_urpo.evaluation.records import in_run_labels, set_evaluations_aside
from megatron_urpo.run_files import (
    CONFIG_FILE,
    EARLIER_PREFIX,
    ENVIRONMENT_FILE,
    EXPORT_DIRECTORY,
    METRICS_FILE,
    MONITORING_DIRECTORY,
    REPORT_FILE,
    ROLLOUTS_DIRECTORY,
    TENSORBOARD_DIRECTORY,
    WANDB_ID_FILE,
)

_RECORDS = (
    CONFIG_FILE,
    ENVIRONMENT_FILE,
    METRICS_FILE,
    ROLLOUTS_DIRECTORY,
    MONITORING_DIRECTORY,
    TENSORBOARD_DIRECTORY,
    WANDB_ID_FILE,
    EXPORT_DIRECTORY,
    REPORT_FILE,
)


def set_earlier_run_aside(directory: Path) -> Path | None:
    """Moves the records of an earlier run into <directory>/earlier-<number>.

    That is a run directory itself, with the configuration, the environment and the referee's
    baseline that the records belong to. Of the evaluations those that it made of its own weights:
    others may be of the model that a run starts from, and come before it.

    Returns:
        where they are now; None when there are none.

    Raises:
        OSError: they cannot be moved.
        DamagedEvaluationsError: evaluations.jsonl cannot be read.
    """
    metrics = directory / METRICS_FILE
    rollouts = directory / ROLLOUTS_DIRECTORY
    has_records = metrics.is_file() and metrics.stat().st_size > 0
    has_records |= rollouts.is_dir() and any(rollouts.iterdir())
    if not has_records and not in_run_labels(directory):
        return None
    number = 1
    while (aside := directory / f"{EARLIER_PREFIX}{number}").exists():
        number += 1
    aside.mkdir()
    for name in _RECORDS:
        if (directory / name).exists():
            (directory / name).rename(aside / name)
    set_evaluations_aside(directory, aside)
    return aside
