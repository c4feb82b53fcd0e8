"""A Megatron checkpoint as a Hugging Face model directory that transformers and vLLM load.

    python tools/convert_megatron_to_hf.py CHECKPOINT TARGET [--model DIR] [--shard-gib 4]

CHECKPOINT is what convert_hf_to_megatron.py wrote, a run directory (its newest whole checkpoint is
taken), or one checkpoint of it (<run>/checkpoints/step_000100); any layout may have written it.
Config, tokenizer and chat template come from the converted directory itself, or from the model.path
of the run; --model names another place. docs/checkpoints.md says more.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from megatron_urpo.checkpoints.files import find_damage
from megatron_urpo.config import ConfigError, ModelConfig
from megatron_urpo.config.load import load_config
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
    parser.add_argument("--model", help="Hugging Face directory with config.json and tokenizer")
    parser.add_argument("--shard-gib", type=float, default=4.0, help="size of a file, at most")
    options = parser.parse_args(arguments)
    from megatron_urpo.training.hf_conversion import convert_megatron_to_hf

    try:
        directory = newest_checkpoint(options.checkpoint)
        model = model_of(directory, options.model)
        convert_megatron_to_hf(
            directory / POLICY_DIRECTORY,
            Path(model.path),
            options.target,
            Path(model.chat_template) if model.chat_template else None,
            int(options.shard_gib * (1 << 30)),
        )
    except (ConfigError, RunError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{directory} -> {options.target}")
    return 0


def newest_checkpoint(path: Path) -> Path:
    """The directory that holds policy/: this one, or the newest whole checkpoint of a run.

    Raises:
        ConfigError: there is none, or it is damaged.
    """
    if (path / POLICY_DIRECTORY).is_dir():
        if (path / MANIFEST_FILE).is_file() and (damage := find_damage(path)):
            raise ConfigError(f"{path} is damaged ({damage}): name another checkpoint")
        return path
    steps = sorted((path / CHECKPOINTS_DIRECTORY).glob(f"{CHECKPOINT_PREFIX}*"), reverse=True)
    for directory in steps:
        damage = find_damage(directory)
        if damage is None:
            return directory
        print(f"WARNING: {directory} is damaged ({damage})", file=sys.stderr)
    if steps:
        raise ConfigError(f"{path}: no checkpoint is whole")
    raise ConfigError(
        f"{path} holds neither policy/ nor checkpoints/step_*/: name a converted directory, a "
        "run directory, or one checkpoint of a run"
    )


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
