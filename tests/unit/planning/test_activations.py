"""Arithmetic by hand; test_measured_memory.py holds the local kernels to autograd."""

import dataclasses

import pytest

from megatron_urpo.layout import Layout
from megatron_urpo.planning.activations import (
    TrainingLoad,
    layer_bytes_per_token,
    layers_in_flight,
    saved_activations,
)
from megatron_urpo.planning.models import MODELS

LLAMA = MODELS["Llama-3.1-8B"]  # hidden 4096, 32 heads and 8 groups of 128, ffn 14336
LOAD = TrainingLoad(tokens=1000, loss_tokens=600, prompt_tokens=400, response_tokens=600)
LOCAL = dataclasses.replace(LOAD, implementation="local")
TP4 = Layout(world_size=4, tensor_model_parallel_size=4)


def test_transformer_engine_by_hand():
    # Norms: input and output in bfloat16, 4 bytes of deviation; twice. Rotary tables 4 x 128.
    norms, rotary = 2 * (2 * 2 * 4096 + 4), 4 * 128 * 2
    # Rotated queries and keys, the projection, the result; log-sum-exp of 32 heads.
    attention = 2 * ((4096 + 1024) + (4096 + 2 * 1024) + 4096) + 4 * 32
    mlp = 2 * 3 * 14336
    assert layer_bytes_per_token(LLAMA, Layout(), LOAD) == norms + rotary + attention + mlp
    assert layer_bytes_per_token(LLAMA, TP4, LOAD) == norms + rotary + (attention + mlp) // 4
    sequence = dataclasses.replace(TP4, sequence_parallel=True)
    assert layer_bytes_per_token(LLAMA, sequence, LOAD) == rotary + (norms + attention + mlp) // 4


def test_published_count_for_plain_heads():
    """Korthikanti et al., section 4.1, in bytes a token and hidden unit: input of the attention 2,
    queries and keys 4, values 2, input of the output matrix 2, two norms 4. Here there are also the
    MLP's input, 2, which they count with the MLP, and 4 for queries and keys before their rotation,
    which stay because the values are a view of the same tensor. No dropout: no masks.
    """
    plain = dataclasses.replace(LLAMA, num_query_groups=32)
    per_token = layer_bytes_per_token(plain, Layout(), LOAD)
    mlp, rotary, statistics = 6 * 14336, 4 * 128 * 2, 2 * 4 + 4 * 32
    published = 2 + 4 + 2 + 2 + 4
    assert per_token - mlp - rotary - statistics == (published + 4 + 2) * 4096


def test_fp8_stores_the_inputs_of_matrices_in_one_byte():
    fp8 = dataclasses.replace(LOAD, fp8=True)
    # Two norm outputs and the down projection's input shrink; the attention's result is kept twice.
    saved = 2 * 4096 + 14336 - 4096
    difference = layer_bytes_per_token(LLAMA, Layout(), LOAD) - layer_bytes_per_token(
        LLAMA, Layout(), fp8
    )
    assert difference == saved


def test_local_kernels_by_hand():
    # Torch's norm keeps float32 rows twice; SiLU(gate), up and their product besides gate and up.
    norms, rotary = 2 * (8 * 4096 + 4 + 2 * 4096), 4 * 128 * 2
    attention = 2 * ((4096 + 1024) + (4096 + 2 * 1024) + 4096)
    assert layer_bytes_per_token(LLAMA, Layout(), LOCAL) == (
        norms + rotary + attention + 2 * 5 * 14336
    )
    # Two context ranks: keys and values of both ranks' tokens in place of the projection.
    ring = Layout(world_size=2, context_parallel_size=2)
    gathered = 2 * (2 * 4096 + 2 * 1024 * 2)
    assert layer_bytes_per_token(LLAMA, ring, LOCAL) == (norms + rotary + gathered + 2 * 5 * 14336)


@pytest.mark.parametrize(
    ("pipeline", "virtual", "stage", "micro_batches", "layers"),
    [
        (1, 1, 0, 8, 32),
        (4, 1, 0, 8, 4 * 8),  # 4 micro-batches of 8 layers
        (4, 1, 3, 8, 8),
        (4, 1, 0, 2, 2 * 8),  # no more micro-batches than there are
        (4, 2, 0, 8, (3 * 2 + 4 + 1) * 4),  # Korthikanti: 32 * (1 + 3 / 8) = 44
        (4, 2, 3, 8, (4 + 1) * 4),
        (4, 2, 0, 4, 8 * 4),
    ],
)
def test_layers_in_flight(pipeline, virtual, stage, micro_batches, layers):
    layout = Layout(
        pipeline_model_parallel_size=pipeline, virtual_pipeline_model_parallel_size=virtual
    )
    assert layers_in_flight(layout, 32, stage, micro_batches) == layers


def test_full_recomputation_keeps_hidden_states_only():
    full = dataclasses.replace(LOAD, recompute_granularity="full")
    head = 600 * (2 * 4096 + 40)
    final_norm = 1000 * (2 * 4096 + 4)
    assert saved_activations(LLAMA, Layout(), full, 0) == 32 * 1000 * 2 * 4096 + final_norm + head
    # First of two stages, two micro-batches of 16 layers in flight; and what came and went.
    two = Layout(world_size=2, pipeline_model_parallel_size=2)
    load = dataclasses.replace(full, micro_batches=8)
    assert saved_activations(LLAMA, two, load, 0) == 2 * (16 + 2) * 1000 * 2 * 4096
