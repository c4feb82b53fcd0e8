"""FP8 of the engine: which GPUs have it. Nothing here imports torch or vllm."""

from __future__ import annotations

from megatron_urpo.config import ConfigError, RolloutConfig

# From Ada on vLLM multiplies in FP8. On older ones its kernels (Marlin) round the weights alone:
# other numbers than those that are meant, at the speed of bfloat16.
_CAPABILITY = (8, 9)


def check_engine_capability(rollout: RolloutConfig, capability: tuple[int, int] | None) -> None:
    """Refuses rollout.quantization that a GPU of this compute capability does not have.

    Args:
        capability: None: no GPU, or one of which nothing is known; not checked.

    Raises:
        ConfigError: the GPU is too old.
    """
    if rollout.quantization == "fp8" and capability is not None and capability < _CAPABILITY:
        raise ConfigError(
            f"rollout.quantization = 'fp8' needs compute capability {_dotted(_CAPABILITY)}, this "
            f"GPU has {_dotted(capability)}: set rollout.quantization = 'none'"
        )


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
