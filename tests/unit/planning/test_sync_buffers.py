"""The planner's buckets held to those of training/weight_stream.py, and peaks by hand."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.layout import Layout
from megatron_urpo.planning import sync_buffers
from megatron_urpo.planning.models import MODELS
from megatron_urpo.planning.sync_buffers import sync_buffer_bytes
from megatron_urpo.training import weight_stream
from megatron_urpo.training.hf_weights import hf_shapes, stage_entries
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.platform import Platform

QWEN = MODELS["Qwen2.5-7B"]
TABLE = 2 * 152064 * 3584
MIB = 1 << 20


@given(
    pipeline=st.integers(1, 4),
    virtual=st.integers(1, 3),
    per_chunk=st.integers(1, 3),
    bias=st.booleans(),
    norm=st.booleans(),
    tied=st.booleans(),
    bucket_kib=st.integers(1, 4000),
)
def test_the_buckets_of_the_stream(pipeline, virtual, per_chunk, bias, norm, tied, bucket_kib):
    virtual = virtual if pipeline > 1 else 1
    shape = dataclasses.replace(
        QWEN,
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
    place = Parallel(
        platform=Platform(torch.device("cpu"), "gloo"),
        layout=layout,
        rank=0,
        local_rank=0,
        data_parallel_rank=0,
        tensor_parallel_rank=0,
        pipeline_parallel_rank=0,
        context_parallel_rank=0,
    )
    buckets = weight_stream._buckets(stage_entries(shape, place), shape, 2, bucket_kib << 10)
    streamed = [
        (
            bucket[0].stage,
            sum(2 * math.prod(dims) for e in bucket for dims in hf_shapes(e.rule, shape)),
        )
        for bucket in buckets
    ]
    planned = sync_buffers._buckets(shape, layout, 2, bucket_kib << 10)
    assert [(bucket.stage, bucket.size) for bucket in planned] == streamed


@pytest.mark.parametrize(
    ("layout", "low", "high"),
    [
        # The embedding is beyond a bucket of 512 MiB: it goes alone, and the engine still holds it
        # while the next bucket is made: half a GiB at most, in whole parameters.
        (Layout(), TABLE + 256 * MIB, TABLE + 512 * MIB),
        # Slices sent, all slices, the backend's copy: 1/4 + 1 + 1 of the embedding.
        (Layout(tensor_model_parallel_size=4), 2.14 * TABLE, 2.36 * TABLE),
    ],
)
def test_peaks_of_a_large_embedding(layout, low, high):
    assert low < sync_buffer_bytes(QWEN, layout, 2, 512 * MIB) <= high


def test_a_bucket_ends_with_a_virtual_stage():
    """Equal layers and next to no vocabulary: a bucket is a whole chunk of layers. Its tensors, the
    row they are sent in, and the row of the chunk before, are there at a time."""
    shape = dataclasses.replace(QWEN, num_layers=16, vocab_size=2)
    hidden, ffn, qkv = 3584, 18944, (28 + 2 * 4) * 128
    layer = 2 * hidden + qkv * (hidden + 1) + hidden * hidden + 3 * hidden * ffn
    for virtual in (1, 2, 4):
        layout = Layout(
            pipeline_model_parallel_size=2, virtual_pipeline_model_parallel_size=virtual
        )
        chunk = 2 * layer * 16 // (2 * virtual)
        assert sync_buffer_bytes(shape, layout, 2, 1 << 40) == pytest.approx(3 * chunk, rel=0.001)
