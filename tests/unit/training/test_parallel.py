"""A rank's place in the layout, and what ranks owe each other."""

import dataclasses

import pytest
import torch
import torch.distributed as dist

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.layout import Layout
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.platform import Platform
from megatron_urpo.types import RunError

ALONE = Parallel(
    platform=Platform(torch.device("cpu"), "gloo"),
    layout=Layout(),
    rank=0,
    local_rank=0,
    data_parallel_rank=0,
    tensor_parallel_rank=0,
    pipeline_parallel_rank=0,
    context_parallel_rank=0,
)


def test_micro_batches_are_padded_for_layout_and_fp8():
    layout = Layout(tensor_model_parallel_size=4, context_parallel_size=2)
    parallel = dataclasses.replace(ALONE, layout=layout, row_multiple=16)
    assert parallel.pad_multiple == layout.pad_multiple(16) == 128


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
        ALONE.on_main(fail)
    assert raised.value is error
    done = []
    ALONE.on_main(lambda: done.append(1))
    assert done == [1]
