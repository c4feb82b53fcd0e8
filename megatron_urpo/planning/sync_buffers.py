"""Memory of a weight sync beside model and engine (training/weight_stream.py).

Parameters are put into buckets in the order of the model, gathered over the tensor-parallel ranks,
put together to whole tensors, and broadcast from their pipeline stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from megatron_urpo.layout import Layout
from megatron_urpo.model_shape import ModelShape
from megatron_urpo.planning.parameters import key_size, query_size


@dataclass(slots=True)
class _Bucket:
    """Bytes of the whole tensors of a bucket."""

    stage: int
    size: int = 0
    making: int = 0  # at the worst moment of putting them together
    last: int = 0  # of its last tensor


def sync_buffer_bytes(
    shape: ModelShape, layout: Layout, element_bytes: int, bucket_bytes: int
) -> int:
    """The most that one sync holds at a time.

    Under tensor parallelism first the slices sent, those received and the backend's own copy of
    these, then those received and the tensors made of them. Under pipeline parallelism the tensors
    and the row they are sent in. Beside either, of the bucket before: the tensor that the engine
    still holds, or the whole row when it is a part of one.
    """
    alike = Layout(
        tensor_model_parallel_size=layout.tensor_model_parallel_size,
        pipeline_model_parallel_size=layout.pipeline_model_parallel_size,
        virtual_pipeline_model_parallel_size=layout.virtual_pipeline_model_parallel_size,
    )
    return _peak(shape, alike, element_bytes, bucket_bytes)


@lru_cache(maxsize=256)  # a ranking asks for the same few hundreds of times
def _peak(shape: ModelShape, layout: Layout, element_bytes: int, bucket_bytes: int) -> int:
    tensor, pipeline = layout.tensor_model_parallel_size, layout.pipeline_model_parallel_size
    peak = held = 0
    for bucket in _buckets(shape, layout, element_bytes, bucket_bytes):
        moments = [bucket.making]
        if tensor > 1:
            moments = [2 * bucket.size + bucket.size // tensor, bucket.size + bucket.making]
        if pipeline > 1:
            moments.append(2 * bucket.size)
        peak = max(peak, held + max(moments))
        held = bucket.size if pipeline > 1 else bucket.last
    return peak


def _buckets(
    shape: ModelShape, layout: Layout, element_bytes: int, bucket_bytes: int
) -> list[_Bucket]:
    """A parameter larger than a bucket makes one of its own; no bucket spans two stages."""
    buckets: list[_Bucket] = []
    for stage, tensors in _parameters(shape, layout):
        size = element_bytes * sum(tensors)
        if not buckets or buckets[-1].stage != stage or buckets[-1].size + size > bucket_bytes:
            buckets.append(_Bucket(stage))
        bucket = buckets[-1]
        bucket.size += size
        # Queries, keys and values are cut from a whole that is put together first.
        whole = size if len(tensors) == 3 else 0
        bucket.making = max(bucket.making, bucket.size + whole)
        bucket.last = element_bytes * tensors[-1]
    return buckets


def _parameters(shape: ModelShape, layout: Layout) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(stage, elements of each Hugging Face tensor it is made of) of every parameter, in order."""
    hidden, ffn = shape.hidden_size, shape.ffn_hidden_size
    queries, keys = query_size(shape), key_size(shape)
    layer = [(hidden,), (queries * hidden, keys * hidden, keys * hidden)]
    if shape.qkv_bias:
        layer.append((queries, keys, keys))
    if shape.qk_layernorm:
        layer += [(shape.kv_channels,), (shape.kv_channels,)]
    layer += [(hidden * queries,), (hidden,), (ffn * hidden, ffn * hidden), (hidden * ffn,)]
    last_stage = layout.pipeline_model_parallel_size - 1
    yield 0, (shape.vocab_size * hidden,)
    for number in range(shape.num_layers):
        stage, _ = layout.place_of_layer(number, shape.num_layers)
        for tensors in layer:
            yield stage, tensors
    yield last_stage, (hidden,)
    if not shape.tie_word_embeddings:
        yield last_stage, (shape.vocab_size * hidden,)
