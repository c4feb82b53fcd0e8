"""FP8: what a configuration asks of Transformer Engine, in Megatron's words; what it and vLLM need.

Pure functions of configuration, model and machine; nothing here imports torch, megatron or vllm. In
training FP8 covers the four matrix products of a layer (query-key-value, attention output, both of
the MLP), forward and backward. Embedding, attention scores, norms, output layer and log-probs stay
as they are.

A recipe says how the scale is found that brings a tensor into FP8's range:

    delayed     one a tensor, from the largest values of past steps (needs no second pass)
    tensorwise  one a tensor, from its own largest value
    blockwise   one for 1 x 128 activations and for 128 x 128 weights
    mxfp8       one for 32 values, in hardware

With `delayed` the same input gives other results at another time, so that the ratio to the old
log-probs is not exactly 1 at the first update. The other three are functions of their input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from megatron_urpo.config import ConfigError, RolloutConfig, TrainingConfig
from megatron_urpo.device import DeviceFacts
from megatron_urpo.model_shape import ModelShape

_Release = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a recipe needs.

    Hardware and CUDA: the check_*_support functions of Transformer Engine's quantization.py.
    Transformer Engine: get_fp8_recipe of megatron-core's fp8_utils.py.
    """

    capability: _Release
    cuda: _Release
    transformer_engine: _Release
    multiple: int  # of rows and columns of every matrix: cuBLAS asks for 16, a block has 32 values
    capability_end: _Release = (99, 0)  # the first that does not have it any more


RECIPES = {
    "delayed": Requirements((8, 9), (12, 1), (2, 0), 16),
    "tensorwise": Requirements((8, 9), (12, 1), (2, 2), 16),
    "blockwise": Requirements((9, 0), (12, 9), (2, 3), 16),
    "mxfp8": Requirements((10, 0), (12, 8), (2, 1), 32, capability_end=(12, 0)),
}
# From Ada on vLLM multiplies in FP8. On older ones its kernels (Marlin) round the weights alone:
# other numbers than those that are meant, at the speed of bfloat16.
_ENGINE_CAPABILITY = (8, 9)
# Under sequence parallelism activations are gathered in FP8: whole blocks must lie on each rank.
_BLOCK_OF_BLOCKWISE = 128
# Transformer Engine's own defaults for delayed scaling; Megatron's are a history of one step.
_AMAX_HISTORY = {"fp8_amax_history_len": 1024, "fp8_amax_compute_algo": "max"}


def transformer_arguments(training: TrainingConfig) -> dict[str, Any]:
    """Keyword arguments of Megatron's TransformerConfig; none without FP8."""
    if training.fp8 == "off":
        return {}
    return {
        "fp8": training.fp8,
        "fp8_recipe": training.fp8_recipe,
        "fp8_param": training.fp8_param_gather,
        "first_last_layers_bf16": training.first_last_layers_bf16,
        "num_layers_at_start_in_bf16": training.num_layers_at_start_in_bf16,
        "num_layers_at_end_in_bf16": training.num_layers_at_end_in_bf16,
        **(_AMAX_HISTORY if training.fp8_recipe == "delayed" else {}),
    }


def ddp_arguments(training: TrainingConfig) -> dict[str, Any]:
    """Keyword arguments of Megatron's DistributedDataParallelConfig."""
    return {
        "fp8_param_gather": training.fp8_param_gather,
        "reuse_grad_buf_for_mxfp8_param_ag": _gathers_through_gradients(training),
    }


def optimizer_arguments(training: TrainingConfig) -> dict[str, Any]:
    """Keyword arguments of Megatron's OptimizerConfig."""
    return {
        "fp8_recipe": None if training.fp8 == "off" else training.fp8_recipe,
        "reuse_grad_buf_for_mxfp8_param_ag": _gathers_through_gradients(training),
    }


def row_multiple(training: TrainingConfig) -> int:
    """Tokens that a rank multiplies at a time come in multiples of this; 1 without FP8."""
    if training.fp8 == "off":
        return 1
    if training.fp8_recipe == "blockwise" and training.sequence_parallel:
        return _BLOCK_OF_BLOCKWISE
    return RECIPES[training.fp8_recipe].multiple


def check_device(training: TrainingConfig, facts: DeviceFacts) -> None:
    """Refuses FP8 that this machine does not have.

    Raises:
        ConfigError: names what is too old and what to change.
    """
    if training.fp8 == "off":
        return
    recipe = training.fp8_recipe
    needs = RECIPES[recipe]
    asked = f"training.fp8 = {training.fp8!r} with fp8_recipe = {recipe!r}"
    if facts.compute_capability is None:
        raise ConfigError(f"{asked} needs a CUDA device: set training.fp8 = 'off'")
    if not needs.capability <= facts.compute_capability < needs.capability_end:
        raise ConfigError(
            f"{asked} needs compute capability {_dotted(needs.capability)}"
            + (f" to below {_dotted(needs.capability_end)}" if needs.capability_end[0] < 99 else "")
            + f", this GPU has {_dotted(facts.compute_capability)}: {_alternatives(facts)}"
        )
    if facts.transformer_engine is None or facts.transformer_engine < needs.transformer_engine:
        installed = _dotted(facts.transformer_engine) if facts.transformer_engine else "none"
        raise ConfigError(
            f"{asked} needs Transformer Engine {_dotted(needs.transformer_engine)}, installed is "
            f"{installed}: install the release that requirements/gpu.txt pins"
        )
    if facts.cuda_version is None or facts.cuda_version < needs.cuda:
        built = _dotted(facts.cuda_version) if facts.cuda_version else "none"
        raise ConfigError(
            f"{asked} needs CUDA {_dotted(needs.cuda)}, torch is built for {built}: install the "
            f"torch that requirements/gpu.txt pins, or {_alternatives(facts)}"
        )


def check_engine_capability(rollout: RolloutConfig, capability: _Release | None) -> None:
    """Refuses rollout.quantization that a GPU of this compute capability does not have.

    Args:
        capability: None: no GPU, or one of which nothing is known; not checked.

    Raises:
        ConfigError: the GPU is too old.
    """
    if rollout.quantization == "fp8" and capability is not None and capability < _ENGINE_CAPABILITY:
        raise ConfigError(
            f"rollout.quantization = 'fp8' needs compute capability {_dotted(_ENGINE_CAPABILITY)}, "
            f"this GPU has {_dotted(capability)}: set rollout.quantization = 'none'"
        )


def check_shape(training: TrainingConfig, shape: ModelShape) -> None:
    """Refuses a model whose matrices FP8 cannot multiply in this layout.

    Raises:
        ConfigError: names the size, and the tensor-parallel sizes that would do.
    """
    if training.fp8 == "off":
        return
    tensor = training.tensor_model_parallel_size
    multiple = RECIPES[training.fp8_recipe].multiple
    uneven = _uneven_size(training, shape, tensor)
    if uneven is not None:
        fitting = [
            str(size)
            for size in range(1, tensor)
            if tensor % size == 0 and _uneven_size(training, shape, size) is None
        ]
        remedies = [f"training.tensor_model_parallel_size = {' or '.join(fitting)}"] * bool(fitting)
        if multiple > 16:
            remedies.append("an fp8_recipe that needs multiples of 16 only")
        remedies.append("training.fp8 = 'off'")
        raise ConfigError(
            f"training.fp8_recipe = {training.fp8_recipe!r} needs sizes that are multiples of "
            f"{uneven[2]}, the model's {uneven[0]} = {uneven[1]:g} is none: "
            f"set {', or '.join(remedies)}"
        )
    _check_first_and_last(training, shape)


def _uneven_size(
    training: TrainingConfig, shape: ModelShape, tensor: int
) -> tuple[str, float, int] | None:
    """Name, value and required divisor of the first size that FP8 cannot multiply."""
    multiple = RECIPES[training.fp8_recipe].multiple
    hidden_multiple = multiple
    if training.fp8_recipe == "blockwise" and training.sequence_parallel:
        hidden_multiple = _BLOCK_OF_BLOCKWISE
    heads = shape.num_attention_heads
    per_rank = f" / tensor_model_parallel_size = {tensor}" if tensor > 1 else ""
    qkv = (heads + 2 * shape.num_query_groups) * shape.kv_channels
    sizes = (
        ("hidden_size", shape.hidden_size, hidden_multiple),
        (f"query-key-value rows{per_rank}", qkv / tensor, multiple),
        (f"attention width{per_rank}", heads * shape.kv_channels / tensor, multiple),
        (f"ffn_hidden_size{per_rank}", shape.ffn_hidden_size / tensor, multiple),
    )
    return next((size for size in sizes if size[1] % size[2]), None)


def _check_first_and_last(training: TrainingConfig, shape: ModelShape) -> None:
    """Megatron allows no more layers in bf16 at either end than a pipeline stage has."""
    if not training.first_last_layers_bf16:
        return
    per_stage = shape.num_layers // training.pipeline_model_parallel_size
    for key in ("num_layers_at_start_in_bf16", "num_layers_at_end_in_bf16"):
        if getattr(training, key) > per_stage:
            raise ConfigError(
                f"training.{key} = {getattr(training, key)} exceeds the {per_stage} layers of a "
                "pipeline stage: lower it"
            )
    in_bf16 = training.num_layers_at_start_in_bf16 + training.num_layers_at_end_in_bf16
    if in_bf16 >= shape.num_layers:
        raise ConfigError(
            f"training.num_layers_at_start_in_bf16 + num_layers_at_end_in_bf16 = {in_bf16} leaves "
            f"none of the model's {shape.num_layers} layers in FP8: lower them, or set "
            "training.fp8 = 'off'"
        )


def _gathers_through_gradients(training: TrainingConfig) -> bool:
    """MXFP8 weights have no flat buffer of their own: bf16 ones travel in the gradients' buffer."""
    return training.fp8_param_gather and training.fp8_recipe == "mxfp8"


def _alternatives(facts: DeviceFacts) -> str:
    """Settings that this device could run."""
    capability, cuda = facts.compute_capability or (0, 0), facts.cuda_version or (0, 0)
    able = [
        name
        for name, needs in RECIPES.items()
        if needs.capability <= capability < needs.capability_end and needs.cuda <= cuda
    ]
    settings = [f"training.fp8_recipe = {' or '.join(map(repr, able))}"] if able else []
    return "set " + ", or ".join([*settings, "training.fp8 = 'off'"])


def _dotted(release: _Release) -> str:
    return f"{release[0]}.{release[1]}"
