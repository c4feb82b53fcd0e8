"""What a layout asks of the shapes of micro-batches, and what ranks owe each other."""

import pytest
import torch
import torch.distributed as dist

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.platform import Platform
from megatron_urpo.types import RunError


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


def test_a_collective_that_autograd_does_not_know_is_an_error():
    parallelism.initialize(Config())
    try:
        doubled = 2 * torch.ones(3, requires_grad=True)
        dist.all_reduce(doubled)
        with pytest.raises(UserWarning, match="an autograd kernel was not registered"):
            doubled.sum().backward()
    finally:
        parallelism.shutdown()


@pytest.mark.parametrize("error", [OSError(28, "No space"), ConfigError("x"), RunError("y")])
def test_the_main_rank_raises_its_own_error(error):
    def fail():
        raise error

    with pytest.raises(type(error)) as raised:
        layout().on_main(fail)
    assert raised.value is error
    done = []
    layout().on_main(lambda: done.append(1))
    assert done == [1]
