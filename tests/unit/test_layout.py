"""The arithmetic of layouts, by hand, by properties, and held to Megatron's own."""

import dataclasses
import itertools
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from megatron.core.transformer.transformer_layer import get_transformer_layer_offset

from megatron_urpo.config import Config, ConfigError, RolloutConfig, TrainingConfig
from megatron_urpo.layout import (
    Layout,
    check_world,
    model_misfits,
    padded_vocab_size,
    refuse,
    vocab_rows,
)
from megatron_urpo.planning.models import MODELS

few = st.integers(1, 6)


def shape(layers=4, heads=4, groups=2, ffn=6):
    return dataclasses.replace(
        MODELS["SmolLM2-135M"],
        num_layers=layers,
        num_attention_heads=heads,
        num_query_groups=groups,
        ffn_hidden_size=ffn,
    )


@pytest.mark.parametrize(
    ("training", "rollout", "message"),
    [
        (TrainingConfig(tensor_model_parallel_size=4), RolloutConfig(), "multiple of 4 ranks"),
        (
            TrainingConfig(pipeline_model_parallel_size=2, context_parallel_size=2),
            RolloutConfig(),
            "6 ranks cannot hold .* = 4",
        ),
        (
            TrainingConfig(),
            RolloutConfig(tensor_model_parallel_size=4),
            "into engines .* = 4: start a multiple of 4 ranks",
        ),
    ],
)
def test_a_layout_that_does_not_fit_the_ranks(training, rollout, message):
    config = Config(training=training, rollout=rollout)
    check_world(config, world_size=8)
    with pytest.raises(ConfigError, match=message):
        check_world(config, world_size=6)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (
            Layout(tensor_model_parallel_size=3),
            "= 3 does not divide the model's num_attention_heads = 4, num_query_groups = 2: "
            "choose a divisor of 2",
        ),
        (Layout(pipeline_model_parallel_size=3), "= 3 does not divide the model's num_layers = 4"),
        (
            Layout(pipeline_model_parallel_size=4, virtual_pipeline_model_parallel_size=2),
            "= 4 \\* virtual_pipeline_model_parallel_size = 2 does not divide the model's num_lay",
        ),
        (
            Layout(tensor_model_parallel_size=4, pipeline_model_parallel_size=3),
            "num_query_groups = 2, ffn_hidden_size = 6: choose a divisor of 2; .*num_layers = 4",
        ),
    ],
)
def test_a_layout_that_does_not_divide_a_model(layout, message):
    with pytest.raises(ConfigError, match=message):
        refuse(model_misfits(shape(), layout))


@given(few, few, few, few)
def test_the_tensor_parallel_sizes_that_the_remedy_names_are_those_that_fit(a, b, c, tensor):
    model = shape(heads=a * b * c, groups=a * b, ffn=b * c)
    misfits = model_misfits(model, Layout(tensor_model_parallel_size=tensor))
    if misfits:
        common = int(misfits[0].remedy.removeprefix("choose a divisor of "))
        assert common % tensor
        assert not model_misfits(model, Layout(tensor_model_parallel_size=common))


@given(few, few, few)
def test_layers_lie_where_megatron_puts_them(pipeline, virtual, per_chunk):
    if pipeline == 1:
        virtual = 1
    layout = Layout(
        pipeline_model_parallel_size=pipeline, virtual_pipeline_model_parallel_size=virtual
    )
    num_layers = pipeline * virtual * per_chunk
    megatron = SimpleNamespace(
        num_layers=num_layers,
        pipeline_model_parallel_size=pipeline,
        virtual_pipeline_model_parallel_size=virtual if virtual > 1 else None,
        pipeline_model_parallel_layout=None,
        num_layers_in_first_pipeline_stage=None,
        num_layers_in_last_pipeline_stage=None,
        account_for_embedding_in_pipeline_split=False,
        account_for_loss_in_pipeline_split=False,
    )
    places = {}
    for stage, chunk in itertools.product(range(pipeline), range(virtual)):
        first = get_transformer_layer_offset(megatron, chunk if virtual > 1 else None, stage)
        assert layout.first_layer(stage, chunk, num_layers) == first
        places |= dict.fromkeys(range(first, first + per_chunk), (stage, chunk))
    assert layout.layers_per_chunk(num_layers) == per_chunk
    assert [layout.place_of_layer(n, num_layers) for n in range(num_layers)] == [
        places[n] for n in range(num_layers)
    ]


@pytest.mark.parametrize(
    ("layout", "rows", "expected"),
    [
        (Layout(), 1, 1),
        (Layout(tensor_model_parallel_size=4), 1, 4),
        (Layout(context_parallel_size=2), 1, 4),  # two stretches on each of two ranks
        (Layout(tensor_model_parallel_size=2, context_parallel_size=2), 1, 8),
        (Layout(), 16, 16),
        (Layout(tensor_model_parallel_size=4), 16, 64),  # 16 rows a rank under SP
        (Layout(context_parallel_size=2), 16, 32),
        (Layout(tensor_model_parallel_size=8, context_parallel_size=2), 32, 512),
    ],
)
def test_every_rank_gets_whole_rows(layout, rows, expected):
    assert layout.pad_multiple(rows) == expected


def test_micro_batches_fill_the_rounds_of_virtual_stages():
    assert Layout(pipeline_model_parallel_size=4).micro_batch_multiple == 1
    virtual = Layout(pipeline_model_parallel_size=4, virtual_pipeline_model_parallel_size=2)
    assert virtual.micro_batch_multiple == 4


def test_vocabulary_is_padded_to_equal_slices():
    assert [vocab_rows(97, ranks) for ranks in (1, 2, 4)] == [97, 49, 25]
    assert [padded_vocab_size(97, ranks) for ranks in (1, 2, 4)] == [97, 98, 100]
