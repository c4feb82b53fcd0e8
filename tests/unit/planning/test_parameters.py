"""Counts by formula, held to the published sizes and to what Megatron builds on every shard."""

import dataclasses
import json

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_urpo.layout import Layout
from megatron_urpo.model_shape import read_model_shape
from megatron_urpo.planning.models import MODELS
from megatron_urpo.planning.parameters import count_parameters, rank_parameters
from tests.built_parameters import built_parameters
from tests.model_configs import PUBLISHED_SIZES, WRITTEN_OUT, config_on_disk

# Tensor- and pipeline-parallel sizes that divide each model.
DIVISORS = {
    "Qwen2.5-0.5B": (2, 2),
    "Qwen2.5-7B": (4, 7),
    "Qwen2.5-72B": (8, 8),
    "Qwen3-0.6B": (8, 2),
    "Qwen3-8B": (8, 4),
    "Qwen3-32B": (8, 4),
    "Llama-3.1-8B": (8, 2),
    "Llama-3.1-70B": (8, 8),
    "SmolLM2-135M": (3, 5),
}


def shape_of(fields, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(fields))
    return read_model_shape(tmp_path)


def one_copy(tensor, pipeline, virtual=1):
    return Layout(
        world_size=tensor * pipeline,
        tensor_model_parallel_size=tensor,
        pipeline_model_parallel_size=pipeline,
        virtual_pipeline_model_parallel_size=virtual,
    )


def assert_planned(shape, layout, shards):
    """The formulas have what each shard holds, and all of it once."""
    assert [shard.held for shard in shards] == [
        rank_parameters(shape, layout, shard.pipeline_parallel_rank).total for shard in shards
    ]
    assert sum(shard.own for shard in shards) == count_parameters(shape)


@pytest.mark.parametrize("name", DIVISORS)
def test_shards_add_up_to_the_published_size(name, tmp_path):
    fields = WRITTEN_OUT.get(name) or config_on_disk(name)
    if fields is None:
        pytest.skip("URPO_TEST_DATA has no directory `configs` beside it with this model's file")
    shape, layout = shape_of(fields, tmp_path), one_copy(*DIVISORS[name])
    shards = built_parameters(shape, layout)
    places = {(shard.tensor_parallel_rank, shard.pipeline_parallel_rank) for shard in shards}
    assert len(places) == len(shards) == layout.world_size
    assert sum(shard.own for shard in shards) == PUBLISHED_SIZES[name]
    assert_planned(shape, layout, shards)


SMALL = dataclasses.replace(
    MODELS["SmolLM2-135M"],
    num_layers=4,
    hidden_size=24,
    num_attention_heads=6,
    num_query_groups=2,
    kv_channels=4,
    ffn_hidden_size=40,
    vocab_size=101,
)


def test_what_each_shard_holds():
    """By hand: tied embeddings of 101 rows on 2 x 2 ranks, so padded, and on both stages."""
    shards = built_parameters(SMALL, one_copy(2, 2))
    norms = 2 * 24  # of a layer, on both tensor-parallel ranks
    cut = (24 * (24 + 2 * 8) + 24 * 24 + 3 * 24 * 40) // 2  # of a layer, on each rank its half
    table = 51 * 24  # of 102 rows
    held = [2 * (norms + cut) + table, 2 * (norms + cut) + table + 24]
    assert [shard.held for shard in shards] == [held[0], held[0], held[1], held[1]]
    # The second stage's table and the second rank's norms are copies; its last row is padding.
    assert [shard.own for shard in shards] == [
        held[0],
        held[0] - 2 * norms - 24,
        held[1] - table,
        held[1] - table - 2 * norms - 24,
    ]


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([(1, 1, 1), (2, 1, 1), (1, 2, 1), (2, 2, 1), (1, 2, 2)]),
    st.integers(90, 110),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_the_formulas_have_what_megatron_builds(sizes, vocab_size, tied, qkv_bias, qk_layernorm):
    shape = dataclasses.replace(
        SMALL,
        vocab_size=vocab_size,
        tie_word_embeddings=tied,
        qkv_bias=qkv_bias,
        qk_layernorm=qk_layernorm,
    )
    layout = one_copy(*sizes)
    assert_planned(shape, layout, built_parameters(shape, layout))


def test_it_is_the_size_of_the_model_that_transformers_builds(tmp_path):
    fields = WRITTEN_OUT["SmolLM2-135M"] | {"num_hidden_layers": 2, "vocab_size": 101}
    shape = shape_of(fields, tmp_path)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(
            transformers.AutoConfig.from_pretrained(tmp_path)
        )
    assert count_parameters(shape) == sum(p.numel() for p in model.parameters())
