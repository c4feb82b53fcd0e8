"""The table against the model's published size, and the buckets it is sent in, by properties."""

import dataclasses
import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.layout import Layout
from megatron_urpo.planning.models import MODELS
from megatron_urpo.weight_map import (
    all_hf_names,
    find_rule,
    hf_shapes,
    megatron_names,
    stage_buckets,
    stage_entries,
    whole_model,
)
from tests.model_configs import PUBLISHED_SIZES


def elements(rule, shape):
    return sum(math.prod(dims) for dims in hf_shapes(rule, shape))


@pytest.mark.parametrize("name", MODELS)
def test_the_tensors_of_a_model_have_its_published_size(name):
    shape = MODELS[name]
    assert sum(elements(rule, shape) for rule, _ in whole_model(shape)) == PUBLISHED_SIZES[name]
    names = all_hf_names(shape)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["SmolLM2-135M", "Qwen2.5-7B", "Qwen3-8B"])
def test_a_parameter_is_found_by_each_of_its_names(name):
    shape = MODELS[name]
    for rule, layer in whole_model(shape):
        for megatron in megatron_names(rule, layer):
            found, found_layer = find_rule(megatron, shape)
            assert (found.hf, found.cut, found_layer) == (rule.hf, rule.cut, layer)


@given(
    pipeline=st.integers(1, 4),
    virtual=st.integers(1, 3),
    per_chunk=st.integers(1, 3),
    bias=st.booleans(),
    norm=st.booleans(),
    tied=st.booleans(),
    bucket_kib=st.integers(1, 4000),
)
def test_buckets_are_as_large_as_may_be(pipeline, virtual, per_chunk, bias, norm, tied, bucket_kib):
    virtual = virtual if pipeline > 1 else 1
    shape = dataclasses.replace(
        MODELS["Qwen2.5-7B"],
        num_layers=pipeline * virtual * per_chunk,
        hidden_size=64,
        ffn_hidden_size=160,
        num_attention_heads=4,
        num_query_groups=2,
        kv_channels=16,
        vocab_size=500,
        qkv_bias=bias,
        qk_layernorm=norm,
        tie_word_embeddings=tied,
    )
    layout = Layout(
        world_size=pipeline,
        pipeline_model_parallel_size=pipeline,
        virtual_pipeline_model_parallel_size=virtual,
    )
    limit = bucket_kib << 10
    buckets = list(stage_buckets(shape, layout, 2, limit))
    assert list(itertools.chain(*buckets)) == list(stage_entries(shape, layout))
    sizes = [[2 * elements(entry.rule, shape) for entry in bucket] for bucket in buckets]
    for bucket, size in zip(buckets, sizes, strict=True):
        assert len({entry.stage for entry in bucket}) == 1
        assert sum(size) <= limit or len(bucket) == 1
    for (bucket, size), (after, next_size) in itertools.pairwise(zip(buckets, sizes, strict=True)):
        assert after[0].stage != bucket[0].stage or sum(size) + next_size[0] > limit
