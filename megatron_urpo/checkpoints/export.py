"""`urpo export`: a run's checkpoint as a Hugging Face directory, by one process on the CPU."""

from __future__ import annotations

from pathlib import Path

from megatron_urpo.checkpoints.identity import run_identity
from megatron_urpo.checkpoints.pick import pick_checkpoint
from megatron_urpo.checkpoints.store import CheckpointError
from megatron_urpo.config import Config
from megatron_urpo.run_files import SFT_DIRECTORY
from megatron_urpo.training.hf_conversion import convert_megatron_to_hf, refuse_several_processes
from megatron_urpo.training.hf_export import refuse_overwriting


def export_checkpoint(config: Config, target: Path, step: int | None = None) -> Path:
    """Writes what the run itself would write of this checkpoint, to the last bit.

    Args:
        target: made if absent; an earlier export in it is replaced.
        step: of the checkpoint; None: the newest whole one.

    Returns:
        the checkpoint's directory.

    Raises:
        ConfigError: the target holds a model that is no export, or several processes were started.
        CheckpointError: there is no checkpoint, none is whole, or it is of another run.
    """
    refuse_several_processes()
    model = config.model
    refuse_overwriting(Path(model.path), target)  # before the checkpoint is read, which takes long
    directory = Path(config.run.directory)
    saved = pick_checkpoint(directory, step, run_identity(config))
    if saved is None:
        raise CheckpointError(
            f"{directory} holds no checkpoint: train first, or name the config of the run"
            f"{_or_its_warm_start(directory)}"
        )
    convert_megatron_to_hf(
        saved.policy_directory,
        Path(model.path),
        target,
        Path(model.chat_template) if model.chat_template else None,
    )
    return saved.directory


def _or_its_warm_start(directory: Path) -> str:
    warm_start = directory / SFT_DIRECTORY
    return f"; --run.directory {warm_start} for its warm start" if warm_start.is_dir() else ""
