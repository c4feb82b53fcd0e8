"""Leaving a layout in a process that goes on with another one."""

import torch.distributed as dist
from megatron.core import parallel_state


def leave_layout() -> None:
    """Ends all process groups but the world, which a process joins only once under torchrun.

    Megatron forgets its groups without ending them, and each has threads that go on polling.
    """
    parallel_state.destroy_model_parallel()
    for group in list(dist.distributed_c10d._world.pg_map):
        if group is not dist.group.WORLD:
            dist.destroy_process_group(group)
