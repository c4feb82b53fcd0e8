"""The mapping against Megatron's own classes, the checks against real models' sizes."""

import dataclasses

import pytest
import torch
from megatron.core.distributed import DistributedDataParallelConfig
from megatron.core.optimizer import OptimizerConfig as MegatronOptimizerConfig
from megatron.core.transformer.transformer_config import TransformerConfig

from megatron_urpo.config import ConfigError, TrainingConfig
from megatron_urpo.device import DeviceFacts
from megatron_urpo.fp8 import (
    RECIPES,
    check_device,
    check_shape,
    ddp_arguments,
    optimizer_arguments,
    row_multiple,
    transformer_arguments,
)
from megatron_urpo.planning.models import MODELS

ADA = DeviceFacts((8, 9), (13, 0), (2, 11))
HOPPER = DeviceFacts((9, 0), (13, 0), (2, 11))
BLACKWELL = DeviceFacts((10, 0), (13, 0), (2, 11))

QWEN2_72B = MODELS["Qwen2.5-72B"]
SMOLLM2 = MODELS["SmolLM2-135M"]


def fp8(recipe="tensorwise", **values):
    return TrainingConfig(**{"fp8": "hybrid", "fp8_recipe": recipe} | values)


def transformer_config(training):
    return TransformerConfig(
        num_layers=8, hidden_size=64, num_attention_heads=4, **transformer_arguments(training)
    )


def test_without_fp8_megatron_keeps_its_defaults():
    off = TrainingConfig()
    assert transformer_arguments(off) == {}
    assert row_multiple(off) == 1
    assert DistributedDataParallelConfig(**ddp_arguments(off)) == DistributedDataParallelConfig()
    assert MegatronOptimizerConfig(**optimizer_arguments(off)).fp8_recipe is None
    check_device(off, DeviceFacts())
    check_shape(off, dataclasses.replace(SMOLLM2, hidden_size=7))


def test_the_configuration_reaches_megatron():
    training = fp8(
        "blockwise",
        fp8="e4m3",
        first_last_layers_bf16=True,
        num_layers_at_start_in_bf16=2,
        num_layers_at_end_in_bf16=3,
        fp8_param_gather=True,
    )
    config = transformer_config(training)
    assert (config.fp8, config.fp8_recipe, config.fp8_param) == ("e4m3", "blockwise", True)
    assert config.first_last_layers_bf16
    assert (config.num_layers_at_start_in_bf16, config.num_layers_at_end_in_bf16) == (2, 3)
    ddp = DistributedDataParallelConfig(**ddp_arguments(training))
    assert ddp.fp8_param_gather
    assert not ddp.reuse_grad_buf_for_mxfp8_param_ag
    assert MegatronOptimizerConfig(**optimizer_arguments(training)).fp8_recipe == "blockwise"


def test_delayed_scaling_looks_back_as_transformer_engine_does_by_default():
    config = transformer_config(fp8("delayed"))
    assert (config.fp8_amax_history_len, config.fp8_amax_compute_algo) == (1024, "max")
    assert transformer_config(fp8("tensorwise")).fp8_amax_history_len == 1


def test_mxfp8_weights_are_gathered_in_the_buffer_of_the_gradients():
    training = fp8("mxfp8", fp8_param_gather=True)
    ddp = DistributedDataParallelConfig(**ddp_arguments(training))
    assert ddp.fp8_param_gather
    assert ddp.reuse_grad_buf_for_mxfp8_param_ag
    optimizer = MegatronOptimizerConfig(**optimizer_arguments(training))
    assert optimizer.reuse_grad_buf_for_mxfp8_param_ag
    assert not ddp_arguments(fp8("mxfp8"))["reuse_grad_buf_for_mxfp8_param_ag"]


@pytest.mark.parametrize(
    ("recipe", "sequence_parallel", "expected"),
    [
        ("delayed", True, 16),
        ("tensorwise", False, 16),
        ("blockwise", False, 16),
        ("blockwise", True, 128),
        ("mxfp8", False, 32),
    ],
)
def test_row_multiple(recipe, sequence_parallel, expected):
    layout = {"sequence_parallel": sequence_parallel, "tensor_model_parallel_size": 2}
    assert row_multiple(fp8(recipe, **layout)) == expected


@pytest.mark.parametrize(
    ("facts", "possible"),
    [
        (DeviceFacts((8, 0), (13, 0), (2, 11)), set()),
        (ADA, {"delayed", "tensorwise"}),
        (HOPPER, {"delayed", "tensorwise", "blockwise"}),
        (dataclasses.replace(HOPPER, cuda_version=(12, 8)), {"delayed", "tensorwise"}),
        (dataclasses.replace(HOPPER, transformer_engine=(2, 1)), {"delayed"}),
        (BLACKWELL, set(RECIPES)),
        (DeviceFacts((12, 0), (13, 0), (2, 11)), {"delayed", "tensorwise", "blockwise"}),
    ],
)
def test_what_a_machine_can_do(facts, possible):
    able = set()
    for recipe in RECIPES:
        try:
            check_device(fp8(recipe), facts)
        except ConfigError:
            continue
        able.add(recipe)
    assert able == possible


@pytest.mark.parametrize(
    ("recipe", "facts", "message"),
    [
        ("tensorwise", DeviceFacts(), "'tensorwise' needs a CUDA device: set training.fp8 = 'off'"),
        (
            "tensorwise",
            DeviceFacts((8, 0), (13, 0), (2, 11)),
            r"needs compute capability 8.9, this GPU has 8.0: set training.fp8 = 'off'$",
        ),
        (
            "blockwise",
            ADA,
            "needs compute capability 9.0, this GPU has 8.9: set training.fp8_recipe = 'delayed' "
            "or 'tensorwise', or training.fp8 = 'off'",
        ),
        ("mxfp8", DeviceFacts((12, 0), (13, 0), (2, 11)), "10.0 to below 12.0, this GPU has 12.0"),
        (
            "blockwise",
            DeviceFacts((9, 0), (12, 8), (2, 11)),
            "needs CUDA 12.9, torch is built for 12.8: install the torch that requirements/gpu.txt",
        ),
        (
            "blockwise",
            DeviceFacts((9, 0), (13, 0), (2, 2)),
            "needs Transformer Engine 2.3, installed is 2.2: install the release that requirements",
        ),
        ("delayed", DeviceFacts((9, 0), (13, 0), None), "installed is none"),
    ],
)
def test_a_machine_that_cannot_is_told_what_to_change(recipe, facts, message):
    with pytest.raises(ConfigError, match=message):
        check_device(fp8(recipe), facts)


@pytest.mark.parametrize(
    ("shape", "training", "message"),
    [
        # 29568 / 8 = 3696 = 16 * 231
        (QWEN2_72B, fp8("tensorwise", tensor_model_parallel_size=8), None),
        (
            QWEN2_72B,
            fp8("mxfp8", tensor_model_parallel_size=8),
            "multiples of 32, the model's ffn_hidden_size / tensor_model_parallel_size = 8 = 3696 "
            "is none: set training.tensor_model_parallel_size = 1 or 2 or 4, or an fp8_recipe that "
            "needs multiples of 16 only, or training.fp8 = 'off'",
        ),
        (SMOLLM2, fp8("mxfp8", tensor_model_parallel_size=3), None),
        # 576 = 4.5 * 128
        (
            SMOLLM2,
            fp8("blockwise", tensor_model_parallel_size=3, sequence_parallel=True),
            "multiples of 128, the model's hidden_size = 576 is none",
        ),
        (
            dataclasses.replace(SMOLLM2, hidden_size=584),
            fp8(),
            "hidden_size = 584 is none: set training.fp8 = 'off'$",
        ),
        (
            dataclasses.replace(QWEN2_72B, num_query_groups=4, kv_channels=4),
            fp8(tensor_model_parallel_size=4),
            r"query-key-value rows / tensor_model_parallel_size = 4 = 72 is none: set "
            r"training.tensor_model_parallel_size = 1 or 2,",
        ),
        (
            QWEN2_72B,
            fp8(
                pipeline_model_parallel_size=10,
                first_last_layers_bf16=True,
                num_layers_at_end_in_bf16=9,
            ),
            "num_layers_at_end_in_bf16 = 9 exceeds the 8 layers of a pipeline stage: lower it",
        ),
        (
            dataclasses.replace(SMOLLM2, num_layers=2),
            fp8(first_last_layers_bf16=True),
            "num_layers_at_end_in_bf16 = 2 leaves none of the model's 2 layers in FP8",
        ),
    ],
)
def test_sizes_that_fp8_cannot_multiply_are_named(shape, training, message):
    if message is None:
        check_shape(training, shape)
        return
    with pytest.raises(ConfigError, match=message):
        check_shape(training, shape)


def test_megatron_refuses_too_what_is_refused_here():
    """Else the rule has gone, and with it the reason to refuse."""
    arguments = transformer_arguments(fp8("delayed")) | {"first_last_layers_bf16": True}
    with pytest.raises(ValueError, match="Delayed scaling does not support first / last layer"):
        TransformerConfig(num_layers=8, hidden_size=64, num_attention_heads=4, **arguments)
    arguments = transformer_arguments(fp8(first_last_layers_bf16=True)) | {
        "num_layers_at_start_in_bf16": 5,
        "pipeline_model_parallel_size": 2,
        "pipeline_dtype": torch.bfloat16,
    }
    with pytest.raises(ValueError, match="number of layers per pipeline stage"):
        TransformerConfig(num_layers=8, hidden_size=64, num_attention_heads=4, **arguments)
