"""A Megatron checkpoint as a Hugging Face model directory that transformers and vLLM load.

    python tools/convert_megatron_to_hf.py CHECKPOINT TARGET [--step N] [--model DIR]

CHECKPOINT is what convert_hf_to_megatron.py wrote, a run directory (its newest whole checkpoint is
taken, or that of --step), or one checkpoint of it (<run>/checkpoints/step_000100); any layout may
have written it.
Config, tokenizer and chat template come from the converted directory itself, or from the model.path
of the run; --model names another place. docs/checkpoints.md says more.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from megatron_urpo.checkpoints.files import find_damage
from megatron_urpo.checkpoints.pick import pick_checkpoint
from megatron_urpo.config import ConfigError, ModelConfig
from megatron_urpo.config.load import load_config
from megatron_urpo.console import say
from megatron_urpo.run_files import (
    CHECKPOINT_PREFIX,
    CHECKPOINTS_DIRECTORY,
    CONFIG_FILE,
    MANIFEST_FILE,
    POLICY_DIRECTORY,
)
from megatron_urpo.types import RunError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--step", type=int, help="of the checkpoint of a run directory")
    parser.add_argument("--model", help="Hugging Face directory with config.json and tokenizer")
    parser.add_argument("--shard-gib", type=float, default=4.0, help="size of a file, at most")
    options = parser.parse_args(arguments)
    from megatron_urpo.training.hf_conversion import convert_megatron_to_hf

    try:
        directory = find_checkpoint(options.checkpoint, options.step)
        model = model_of(directory, options.model)
        convert_megatron_to_hf(
            directory / POLICY_DIRECTORY,
            Path(model.path),
            options.target,
            Path(model.chat_template) if model.chat_template else None,
            int(options.shard_gib * (1 << 30)),
        )
    except (ConfigError, RunError, OSError) as error:
        say(f"error: {error}")
        return 2
    print(f"{directory} -> {options.target}")
    return 0


def find_checkpoint(path: Path, step: int | None = None) -> Path:
    """The directory that holds policy/: this one, or the newest whole checkpoint of a run.

    Args:
        step: of a run's checkpoint, to take that one.

    Raises:
        ConfigError, CheckpointError: there is none, or it is damaged.
    """
    if (path / POLICY_DIRECTORY).is_dir():
        if step is not None:
            raise ConfigError(
                f"--step {step}: {path} is one checkpoint; name its run directory instead, or "
                "leave out --step"
            )
        if (path / MANIFEST_FILE).is_file() and (damage := find_damage(path)):
            raise ConfigError(f"{path} is damaged ({damage}): name another checkpoint")
        return path
    if (saved := pick_checkpoint(path, step)) is None:
        raise ConfigError(
            f"{path} holds neither {POLICY_DIRECTORY}/ nor {CHECKPOINTS_DIRECTORY}/"
            f"{CHECKPOINT_PREFIX}*/: name a converted directory, a run directory, or one "
            "checkpoint of a run"
        )
    return saved.directory


def model_of(checkpoint: Path, named: str | None = None) -> ModelConfig:
    """Where the config, tokenizer and chat template of a checkpoint are.

    Raises:
        ConfigError: none is named, the checkpoint has no config.json, and there is no run with a
            config.toml around it.
    """
    if (checkpoint / "config.json").is_file():
        return ModelConfig(path=named or str(checkpoint))
    run_config = checkpoint.resolve().parent.parent / CONFIG_FILE
    if run_config.is_file():
        model = load_config(run_config).model
        return replace(model, path=named) if named else model
    if named:
        return ModelConfig(path=named)
    raise ConfigError(
        f"{checkpoint} has no config.json, and {run_config} is not there: name the model's Hugging "
        "Face directory with --model"
    )


if __name__ == "__main__":
    sys.exit(main())
