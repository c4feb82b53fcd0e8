"""FP8 in a plan: what training refuses at its start, and what a plan assumes of it."""

from __future__ import annotations

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.device import DeviceFacts
from megatron_urpo.fp8 import check_device, check_engine_capability, check_shape
from megatron_urpo.layout import Layout
from megatron_urpo.model_shape import ModelShape
from megatron_urpo.planning.hardware import Hardware

# Of a stated GPU the hardware alone is known: the libraries are taken to be those of the lock.
_NEW_ENOUGH = (99, 0)


def fp8_problem(shape: ModelShape, layout: Layout, config: Config) -> str | None:
    """Why training.fp8 cannot multiply a model's matrices in this layout; None when it can."""
    try:
        check_shape(layout.training_of(config), shape)
    except ConfigError as error:
        return str(error)
    return None


def check_capability(config: Config, capability: tuple[int, int]) -> None:
    """
    Raises:
        ConfigError: training.fp8_recipe or rollout.quantization does not run on a GPU of this
            compute capability.
    """
    check_engine_capability(config.rollout, capability)
    check_device(config.training, DeviceFacts(capability, _NEW_ENOUGH, _NEW_ENOUGH))


def fp8_remarks(
    config: Config, hardware: Hardware, capability: tuple[int, int] | None
) -> list[str]:
    """What a plan with FP8 rests on; nothing without."""
    trains, samples = config.training.fp8 != "off", config.rollout.quantization == "fp8"
    lines = []
    asked = [f"training.fp8_recipe = {config.training.fp8_recipe!r}"] * trains
    asked += [f"rollout.quantization = {config.rollout.quantization!r}"] * samples
    what = " and ".join(asked)
    if asked and not hardware.is_cpu and capability is None:
        lines.append(
            f"FP8: whether the GPU has {what} was not checked; --compute-capability says which "
            "GPU it is"
        )
    elif asked and capability is not None:
        lines.append(
            f"FP8: a GPU of compute capability {capability[0]}.{capability[1]} has {what}, with "
            "the libraries of requirements/gpu.txt"
        )
    if trains or samples:
        where = " and ".join(["training"] * trains + ["the engine"] * samples)
        lines.append(
            f"FP8: the matrix products of the layers in {where} run at "
            f"{hardware.fp8_rate / 1e12:g} TFLOP/s at {hardware.efficiency:.0%}, an assumption: "
            "twice the bfloat16 rate unless --fp8-tflops is given"
        )
    return lines
