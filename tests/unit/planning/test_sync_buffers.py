"""Peaks by hand; test_measured_memory.py measures a sync on one rank and on several."""

import dataclasses

import pytest

from megatron_urpo.layout import Layout
from megatron_urpo.planning.models import MODELS
from megatron_urpo.planning.sync_buffers import sync_buffer_bytes

QWEN = MODELS["Qwen2.5-7B"]
TABLE = 2 * 152064 * 3584
MIB = 1 << 20


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
