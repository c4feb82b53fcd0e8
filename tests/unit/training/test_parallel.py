"""What a layout asks of the shapes of micro-batches."""

import pytest
import torch

from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.platform import Platform


def layout(tensor=1, context=1, rows=1):
    return Parallel(
        platform=Platform(torch.device("cpu"), "gloo"),
        rank=0,
        world_size=tensor * context,
        local_rank=0,
        data_parallel_rank=0,
        data_parallel_size=1,
        tensor_parallel_rank=0,
        tensor_parallel_size=tensor,
        pipeline_parallel_rank=0,
        pipeline_parallel_size=1,
        virtual_pipeline_parallel_size=1,
        context_parallel_rank=0,
        context_parallel_size=context,
        row_multiple=rows,
    )


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({}, 1),
        ({"tensor": 4}, 4),
        ({"context": 2}, 4),  # two stretches on each of two ranks
        ({"tensor": 2, "context": 2}, 8),
        ({"rows": 16}, 16),
        ({"tensor": 4, "rows": 16}, 64),  # 16 rows a rank under sequence parallelism
        ({"context": 2, "rows": 16}, 32),
        ({"tensor": 8, "context": 2, "rows": 32}, 512),
    ],
)
def test_every_rank_gets_whole_rows(sizes, expected):
    assert layout(**sizes).pad_multiple == expected
