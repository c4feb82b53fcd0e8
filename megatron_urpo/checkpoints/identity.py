"""What a checkpoint belongs to."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from megatron_urpo.config import Config
from megatron_urpo.model_files import SafetensorsDirectory
from megatron_urpo.model_shape import read_model_shape


def run_identity(config: Config) -> dict[str, Any]:
    """What a run is bound to, a checkpoint has to agree: model, starting weights, seed.

    The weights are told apart by the first and last MiB of their files, which is cheap for models
    of any size.

    Raises:
        ConfigError: config.model.path holds no supported model.
    """
    path = Path(config.model.path)
    return asdict(read_model_shape(path)) | {
        "starting_weights": SafetensorsDirectory(path).fingerprint,
        "run.seed": config.run.seed,
    }
