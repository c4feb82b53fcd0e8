"""Memory of a weight sync beside model and engine (training/weight_stream.py).

Parameters are put into buckets in the order of the model, gathered over the tensor-parallel ranks,
put together to whole tensors, and broadcast from their pipeline stage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from megatron_urpo.layout import Layout
from megatron_urpo.model_shape import ModelShape
from megatron_urpo.weight_map import Cut, StageEntry, hf_shapes, stage_buckets


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
    for bucket in stage_buckets(shape, layout, element_bytes, bucket_bytes):
        size, making, last = _bytes_of(bucket, shape, element_bytes)
        moments = [making]
        if tensor > 1:
            moments = [2 * size + size // tensor, size + making]
        if pipeline > 1:
            moments.append(2 * size)
        peak = max(peak, held + max(moments))
        held = size if pipeline > 1 else last
    return peak


def _bytes_of(
    bucket: Sequence[StageEntry], shape: ModelShape, element_bytes: int
) -> tuple[int, int, int]:
    """Of a bucket's whole tensors, of the worst moment of putting them together, of the last."""
    size = making = last = 0
    for entry in bucket:
        tensors = [element_bytes * math.prod(dims) for dims in hf_shapes(entry.rule, shape)]
        size += sum(tensors)
        # Queries, keys and values are cut from a whole that is put together first.
        whole = sum(tensors) if entry.rule.cut is Cut.QKV else 0
        making = max(making, size + whole)
        last = tensors[-1]
    return size, making, last
