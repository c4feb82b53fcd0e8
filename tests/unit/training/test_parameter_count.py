"""Sizes of models as their authors publish them, added up over the shards of a layout."""

import json

import pytest
import torch
import transformers

from megatron_urpo.config import Config, ConfigError, TrainingConfig
from megatron_urpo.model_shape import read_model_shape
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.parameter_count import count_parameters
from tests.model_configs import WRITTEN_OUT, config_on_disk

# Tensor- and pipeline-parallel sizes that divide each model.
PUBLISHED = {
    "Qwen2.5-0.5B": (494_032_768, 2, 2),
    "Qwen2.5-7B": (7_615_616_512, 4, 7),
    "Qwen2.5-72B": (72_706_203_648, 8, 8),
    "Qwen3-0.6B": (596_049_920, 8, 2),
    "Qwen3-8B": (8_190_735_360, 8, 4),
    "Qwen3-32B": (32_762_123_264, 8, 4),
    "Llama-3.1-8B": (8_030_261_248, 8, 2),
    "Llama-3.1-70B": (70_553_706_496, 8, 8),
    "SmolLM2-135M": (134_515_008, 3, 5),
}


def shape_of(fields, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(fields))
    return read_model_shape(tmp_path)


def layout(tensor, pipeline, **others):
    return TrainingConfig(
        tensor_model_parallel_size=tensor, pipeline_model_parallel_size=pipeline, **others
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_shards_add_up_to_the_published_size(name, tmp_path):
    fields = WRITTEN_OUT.get(name) or config_on_disk(name)
    if fields is None:
        pytest.skip("URPO_TEST_DATA has no directory `configs` beside it with this model's file")
    published, tensor, pipeline = PUBLISHED[name]
    shards = count_parameters(shape_of(fields, tmp_path), layout(tensor, pipeline))
    assert len(shards) == tensor * pipeline
    assert sum(shard.own for shard in shards) == published
    places = {(shard.tensor_parallel_rank, shard.pipeline_parallel_rank) for shard in shards}
    assert len(places) == tensor * pipeline


SMALL = WRITTEN_OUT["SmolLM2-135M"] | {
    "num_hidden_layers": 4,
    "hidden_size": 24,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 40,
    "vocab_size": 101,
}


def test_what_each_shard_holds(tmp_path):
    """By hand: tied embeddings of 101 rows on 2 x 2 ranks, so padded, and on both stages."""
    shards = count_parameters(shape_of(SMALL, tmp_path), layout(2, 2))
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


@pytest.mark.parametrize(
    "others",
    [
        {"virtual_pipeline_model_parallel_size": 2},
        {"sequence_parallel": True, "context_parallel_size": 4},
    ],
)
def test_what_cuts_tokens_or_orders_layers_changes_no_count(tmp_path, others):
    shape = shape_of(SMALL, tmp_path)
    assert count_parameters(shape, layout(2, 2, **others)) == count_parameters(shape, layout(2, 2))


def test_it_is_the_size_of_the_model_that_transformers_builds(tmp_path):
    shape = shape_of(SMALL, tmp_path)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(
            transformers.AutoConfig.from_pretrained(tmp_path)
        )
    (shard,) = count_parameters(shape, layout(1, 1))
    assert shard.own == shard.held == sum(p.numel() for p in model.parameters())


def test_a_layout_that_does_not_divide_the_model_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="= 3 does not divide the model's num_layers = 4"):
        count_parameters(shape_of(SMALL, tmp_path), layout(1, 3))


def test_it_leaves_no_trace(tmp_path):
    shape = shape_of(SMALL, tmp_path)
    count_parameters(shape, layout(2, 1))
    parallel = parallelism.initialize(Config())
    try:
        assert (parallel.world_size, parallel.tensor_parallel_size) == (1, 1)
        with pytest.raises(RuntimeError, match="before torch.distributed is initialised"):
            count_parameters(shape, layout(2, 1))
    finally:
        parallelism.shutdown()
