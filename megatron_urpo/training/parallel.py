"""Process groups: torch.distributed, Megatron's parallel state, seeds.

Works under torchrun and in a single process without it. The rollout engine joins the same
torch.distributed world, so `initialize` comes before the engine is built.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.tensor_parallel import model_parallel_cuda_manual_seed

from megatron_urpo.config import Config, ConfigError, RunConfig
from megatron_urpo.fp8 import row_multiple
from megatron_urpo.launch_environment import TorchRank, read_torch_rank
from megatron_urpo.layout import Layout, check_world, layout_of
from megatron_urpo.training import platform as platforms
from megatron_urpo.training.platform import Platform
from megatron_urpo.types import RunError


@dataclass(frozen=True, slots=True)
class Parallel:
    """This process's place in the layout. Ranks count from 0."""

    platform: Platform
    layout: Layout
    rank: int
    local_rank: int
    data_parallel_rank: int
    tensor_parallel_rank: int
    pipeline_parallel_rank: int
    context_parallel_rank: int
    row_multiple: int = 1  # of the tokens a rank multiplies at a time: what FP8 asks for
    # All ranks, on the host: objects shall take no memory of a GPU. None: the default group is.
    host_group: dist.ProcessGroup | None = None

    @property
    def device(self) -> torch.device:
        return self.platform.device

    @property
    def is_last_stage(self) -> bool:
        """Holds the output layer, so it computes log-probs and losses."""
        return self.pipeline_parallel_rank == self.pipeline_parallel_size - 1

    @property
    def is_main(self) -> bool:
        """The one rank that writes what all ranks know."""
        return self.rank == 0

    @property
    def world_size(self) -> int:
        return self.layout.world_size

    @property
    def data_parallel_size(self) -> int:
        return self.layout.data_parallel_size

    @property
    def tensor_parallel_size(self) -> int:
        return self.layout.tensor_model_parallel_size

    @property
    def pipeline_parallel_size(self) -> int:
        return self.layout.pipeline_model_parallel_size

    @property
    def virtual_pipeline_parallel_size(self) -> int:
        """Chunks of layers that a pipeline stage holds."""
        return self.layout.virtual_pipeline_model_parallel_size

    @property
    def context_parallel_size(self) -> int:
        return self.layout.context_parallel_size

    @property
    def pad_multiple(self) -> int:
        """Tokens of a micro-batch come in multiples of this."""
        return self.layout.pad_multiple(self.row_multiple)

    @property
    def micro_batch_multiple(self) -> int:
        """Micro-batches come in multiples of this."""
        return self.layout.micro_batch_multiple

    def barrier(self) -> None:
        """Waits for all ranks."""
        dist.barrier()

    def gather_objects(self, value: Any) -> list[Any]:
        """The (picklable) values of all ranks, in rank order, on every rank."""
        values: list[Any] = [value]
        if self.world_size > 1:
            values = [None] * self.world_size
            dist.all_gather_object(values, value, group=self.host_group)
        return values

    def on_main(self, action: Callable[[], None]) -> None:
        """Does on the main rank what is its alone, and fails on every rank where it fails there.

        A collective. Without it the others would wait in their next one for a rank that has left.

        Raises:
            OSError, ConfigError, RunError: the main rank's own.
            RunError: on the others, with the main rank's reason.
        """
        failure: Exception | None = None
        if self.is_main:
            try:
                action()
            except (OSError, ConfigError, RunError) as error:
                failure = error
        reason = self.gather_objects(None if failure is None else str(failure))[0]
        if failure is not None:
            raise failure
        if reason is not None:
            raise RunError(f"rank 0: {reason}")


def initialize(config: Config, platform: Platform | None = None) -> Parallel:
    """Joins torch.distributed, if need be, and builds the groups of config.training's layout.

    Args:
        platform: of what needs no GPU though there may be one; detected if absent.

    Raises:
        ConfigError: the layout does not fit the number of ranks.
    """
    rank = read_torch_rank(os.environ)
    check_world(config, rank.world_size)
    layout = layout_of(config, rank.world_size)
    platform = platform or platforms.detect(rank)
    platforms.install(platform)
    if config.run.deterministic:
        platforms.use_deterministic_algorithms(platform)
    # A collective that autograd does not know would leave its gradient out.
    warnings.filterwarnings("error", message=".*an autograd kernel was not registered.*")
    if not dist.is_initialized():
        _join_world(platform, rank, config.run.distributed_timeout_minutes)
    virtual = layout.virtual_pipeline_model_parallel_size
    parallel_state.initialize_model_parallel(
        tensor_model_parallel_size=layout.tensor_model_parallel_size,
        pipeline_model_parallel_size=layout.pipeline_model_parallel_size,
        virtual_pipeline_model_parallel_size=virtual if virtual > 1 else None,
        context_parallel_size=layout.context_parallel_size,
        distributed_timeout_minutes=max(1, round(config.run.distributed_timeout_minutes)),
        create_gloo_process_groups=platform.is_cuda,
    )
    torch.manual_seed(config.run.seed)
    model_parallel_cuda_manual_seed(config.run.seed)
    return Parallel(
        platform=platform,
        layout=layout,
        rank=rank.rank,
        local_rank=rank.local_rank,
        data_parallel_rank=parallel_state.get_data_parallel_rank(),
        tensor_parallel_rank=parallel_state.get_tensor_model_parallel_rank(),
        pipeline_parallel_rank=parallel_state.get_pipeline_model_parallel_rank(),
        context_parallel_rank=parallel_state.get_context_parallel_rank(),
        row_multiple=row_multiple(config.training),
        host_group=_host_group(platform, config.run),
    )


def shutdown() -> None:
    """Tears the process groups down."""
    parallel_state.destroy_model_parallel()
    if dist.is_initialized():
        dist.destroy_process_group()


def _join_world(platform: Platform, rank: TorchRank, timeout_minutes: float) -> None:
    timeout = timedelta(minutes=timeout_minutes)
    if rank.from_torchrun:
        dist.init_process_group(platform.backend, timeout=timeout)
        return
    # Port 0: the system picks a free one, so that runs on one machine never collide.
    store = dist.TCPStore("127.0.0.1", 0, world_size=1, is_master=True, timeout=timeout)
    dist.init_process_group(platform.backend, store=store, rank=0, world_size=1, timeout=timeout)


def _host_group(platform: Platform, run: RunConfig) -> dist.ProcessGroup | None:
    """Ranks wait here for the slowest one's share of a stage, however long a stage may take."""
    if platform.backend == "gloo":
        return None
    minutes = max(run.distributed_timeout_minutes, run.stage_timeout_minutes)
    return dist.new_group(backend="gloo", timeout=timedelta(minutes=minutes))
