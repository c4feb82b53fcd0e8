"""Process groups: torch.distributed, Megatron's parallel state, seeds.

Works under torchrun and in a single process without it. The rollout engine joins the same
torch.distributed world, so `initialize` comes before the engine is built.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.tensor_parallel import model_parallel_cuda_manual_seed

from megatron_urpo.config import Config, ConfigError, TrainingConfig
from megatron_urpo.training import platform as platforms
from megatron_urpo.training.fp8 import row_multiple
from megatron_urpo.training.platform import Launch, Platform
from megatron_urpo.types import RunError


@dataclass(frozen=True, slots=True)
class Parallel:
    """This process's place in the layout. Sizes count ranks, ranks count from 0."""

    platform: Platform
    rank: int
    world_size: int
    local_rank: int
    data_parallel_rank: int
    data_parallel_size: int
    tensor_parallel_rank: int
    tensor_parallel_size: int
    pipeline_parallel_rank: int
    pipeline_parallel_size: int
    virtual_pipeline_parallel_size: int  # chunks of layers a pipeline stage holds
    context_parallel_rank: int
    context_parallel_size: int
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
    def pad_multiple(self) -> int:
        """Tokens of a micro-batch come in multiples of this."""
        # Every tensor-parallel and context-parallel rank gets whole rows; the latter two stretches.
        stretches = 2 if self.context_parallel_size > 1 else 1
        rows = math.lcm(stretches, self.row_multiple)
        return rows * self.tensor_parallel_size * self.context_parallel_size

    @property
    def micro_batch_multiple(self) -> int:
        """Micro-batches come in multiples of this: the interleaved schedule runs them in rounds."""
        return self.pipeline_parallel_size if self.virtual_pipeline_parallel_size > 1 else 1

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
        ConfigError: the layout does not fit the number of ranks, or is not supported.
    """
    launch = platforms.read_launch()
    training = config.training
    _check_layout(training, launch.world_size)
    platform = platform or platforms.detect(launch)
    platforms.install(platform)
    if config.run.deterministic:
        platforms.use_deterministic_algorithms(platform)
    # A collective that autograd does not know would leave its gradient out.
    warnings.filterwarnings("error", message=".*an autograd kernel was not registered.*")
    if not dist.is_initialized():
        _join_world(platform, launch, config.run.distributed_timeout_minutes)
    virtual = training.virtual_pipeline_model_parallel_size
    parallel_state.initialize_model_parallel(
        tensor_model_parallel_size=training.tensor_model_parallel_size,
        pipeline_model_parallel_size=training.pipeline_model_parallel_size,
        virtual_pipeline_model_parallel_size=virtual if virtual > 1 else None,
        context_parallel_size=training.context_parallel_size,
        distributed_timeout_minutes=max(1, round(config.run.distributed_timeout_minutes)),
        create_gloo_process_groups=platform.is_cuda,
    )
    torch.manual_seed(config.run.seed)
    model_parallel_cuda_manual_seed(config.run.seed)
    return Parallel(
        platform=platform,
        rank=launch.rank,
        world_size=launch.world_size,
        local_rank=launch.local_rank,
        data_parallel_rank=parallel_state.get_data_parallel_rank(),
        data_parallel_size=parallel_state.get_data_parallel_world_size(),
        tensor_parallel_rank=parallel_state.get_tensor_model_parallel_rank(),
        tensor_parallel_size=training.tensor_model_parallel_size,
        pipeline_parallel_rank=parallel_state.get_pipeline_model_parallel_rank(),
        pipeline_parallel_size=training.pipeline_model_parallel_size,
        virtual_pipeline_parallel_size=virtual,
        context_parallel_rank=parallel_state.get_context_parallel_rank(),
        context_parallel_size=training.context_parallel_size,
        row_multiple=row_multiple(training),
        host_group=_host_group(platform, config.run.distributed_timeout_minutes),
    )


def shutdown() -> None:
    """Tears the process groups down."""
    parallel_state.destroy_model_parallel()
    if dist.is_initialized():
        dist.destroy_process_group()


def _join_world(platform: Platform, launch: Launch, timeout_minutes: float) -> None:
    timeout = timedelta(minutes=timeout_minutes)
    if launch.from_launcher:
        dist.init_process_group(platform.backend, timeout=timeout)
        return
    # Port 0: the system picks a free one, so that runs on one machine never collide.
    store = dist.TCPStore("127.0.0.1", 0, world_size=1, is_master=True, timeout=timeout)
    dist.init_process_group(platform.backend, store=store, rank=0, world_size=1, timeout=timeout)


def _host_group(platform: Platform, timeout_minutes: float) -> dist.ProcessGroup | None:
    if platform.backend == "gloo":
        return None
    return dist.new_group(backend="gloo", timeout=timedelta(minutes=timeout_minutes))


def _check_layout(training: TrainingConfig, world_size: int) -> None:
    model_ranks = (
        training.tensor_model_parallel_size
        * training.pipeline_model_parallel_size
        * training.context_parallel_size
    )
    if world_size % model_ranks:
        raise ConfigError(
            f"{world_size} ranks do not divide into copies of the model: "
            "training.tensor_model_parallel_size * pipeline_model_parallel_size * "
            f"context_parallel_size = {model_ranks}; start a multiple of {model_ranks} ranks"
        )
