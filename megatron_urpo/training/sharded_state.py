"""Model and optimizer state on disk, in Megatron's resharding checkpoint format.

A checkpoint written under one layout (TP, PP, DP) loads under another; on the same layout it loads
bitwise. The optimizer needs help around Megatron 0.16's functions: gathered_state.py gathers its
state, and torch's AdamW keeps its step count per parameter, where Megatron expects one for all.

Megatron would start a process of its own that hands the writers' results over and lives as long as
the program, or longer when that is killed. checkpoint_writing.py writes in this process, where a
queue serves as well.
"""

from __future__ import annotations

import errno
import os
import queue
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from megatron.core import dist_checkpointing
from megatron.core.dist_checkpointing.mapping import ShardedObject
from megatron.core.dist_checkpointing.serialization import load_sharded_metadata
from megatron.core.dist_checkpointing.strategies import filesystem_async
from megatron.core.dist_checkpointing.strategies.async_utils import AsyncRequest
from megatron.core.distributed import DistributedDataParallel
from megatron.core.optimizer.distrib_optimizer import DistributedOptimizer
from torch.distributed.checkpoint import CheckpointException

from megatron_urpo.config import ConfigError
from megatron_urpo.model_shape import ModelShape
from megatron_urpo.training.collective_save import plan_save
from megatron_urpo.training.gathered_state import empty_state, gathered_state
from megatron_urpo.training.host_memory import exempt_living_objects, release_freed_memory
from megatron_urpo.training.optimizer import Optimizer

SHAPE_KEY = "model_shape"
_FULL_DISK_BYTES = 16 << 20  # the writers' blocks no longer fit


def plan_sharded_save(
    directory: Path,
    chunks: Sequence[DistributedDataParallel],
    optimizer: Optimizer,
    shape: ModelShape,
) -> AsyncRequest:
    """All of a save of model and optimizer but the writing of tensors and what follows it.

    Args:
        directory: existing and empty.
    """
    state = _state(chunks, optimizer, shape)
    with explained_failures(directory):
        return plan_save(state, directory, checkpoint_metadata())


def _state(
    chunks: Sequence[DistributedDataParallel], optimizer: Optimizer, shape: ModelShape
) -> dict[str, Any]:
    """What is saved, and a place for the writers' results."""
    exempt_living_objects()
    release_freed_memory()  # copies follow
    distributed = optimizer.distributed
    _ensure_adam_state(distributed)
    model_state = sharded_model_state([chunk.module for chunk in chunks])
    with _gathering(distributed, gathered_state(distributed)):
        optimizer_state = distributed.sharded_state_dict(
            model_state, metadata=checkpoint_metadata()
        )
    filesystem_async._results_queue = queue.SimpleQueue()
    return {**model_state, "optimizer": optimizer_state, SHAPE_KEY: asdict(shape)}


@contextmanager
def explained_failures(directory: Path) -> Iterator[None]:
    """Turns the ways in which checkpoint writers fail into an OSError that says why.

    torch's writers hide it: a full disk is a wrong position in a file to them.
    """
    try:
        yield
    except (CheckpointException, RuntimeError) as error:
        if shutil.disk_usage(directory).free < _FULL_DISK_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory)) from error
        if isinstance(error, CheckpointException):
            reasons = "; ".join(str(failure[0]) for failure in error.failures.values())
            raise OSError(errno.EIO, f"writing failed: {reasons}", str(directory)) from error
        raise


def load_sharded_state(
    directory: Path,
    chunks: Sequence[DistributedDataParallel],
    optimizer: Optimizer,
    shape: ModelShape,
) -> None:
    """Loads what was saved, under this or another layout. A collective.

    Raises:
        ConfigError: the checkpoint holds a model of another shape.
    """
    check_shape(directory, shape)
    distributed = optimizer.distributed
    _ensure_adam_state(distributed)
    model_state = sharded_model_state([chunk.module for chunk in chunks])
    with _gathering(distributed, empty_state(distributed)):
        wanted = distributed.sharded_state_dict(
            model_state, is_loading=True, metadata=checkpoint_metadata()
        )
    absent = _take_absent_extra_state(directory, model_state)
    state = dist_checkpointing.load({**model_state, "optimizer": wanted}, str(directory))
    for number, chunk in enumerate(chunks):
        name = f"model{number}"
        chunk.module.load_state_dict(state[name] | dict.fromkeys(absent[name]))
    optimizer_state: dict[str, Any] = state["optimizer"]
    parameter_state = optimizer_state.pop("param_state")
    with _own_settings(distributed):
        distributed.load_state_dict(optimizer_state)
    steps = _take_steps(distributed)
    distributed.load_parameter_state_from_fully_reshardable(parameter_state)
    _return_steps(distributed, steps)


def sharded_model_state(chunks: Sequence[Any]) -> dict[str, Any]:
    """The sharded state of bare chunks by number. On disk only the parameters' names count."""
    return {
        f"model{number}": chunk.sharded_state_dict(metadata=checkpoint_metadata())
        for number, chunk in enumerate(chunks)
    }


def _take_absent_extra_state(
    directory: Path, model_state: dict[str, dict[str, Any]]
) -> dict[str, list[str]]:
    """Removes the modules' extra state that a checkpoint lacks; returns its names, by chunk.

    Transformer Engine's attention has some where the local one, of the CPU and of converted
    checkpoints, has none. Without it FP8 begins with no history of scales, as at a start.
    """
    saved = load_sharded_metadata(str(directory))
    absent = {
        chunk: [
            name
            for name, value in state.items()
            if isinstance(value, ShardedObject)
            and name.endswith("_extra_state")
            and value.unique_key not in saved
        ]
        for chunk, state in model_state.items()
    }
    for chunk, names in absent.items():
        for name in names:
            del model_state[chunk][name]
    return absent


def checkpoint_metadata() -> dict[str, Any]:
    """A new one each time: Megatron writes the current process groups into what it is given."""
    return {"distrib_optim_sharding_type": "fully_reshardable"}


def check_shape(directory: Path, shape: ModelShape) -> None:
    """Raises ConfigError unless a checkpoint was saved from a model of this shape."""
    saved = dist_checkpointing.load_common_state_dict(str(directory)).get(SHAPE_KEY)
    expected = asdict(shape)
    if saved == expected:
        return
    differing = [name for name in expected if (saved or {}).get(name) != expected[name]]
    raise ConfigError(
        f"{directory} was saved from another model: it differs in {', '.join(differing)}; set "
        "model.path to the model of that run, or checkpoint.resume = false"
    )


@contextmanager
def _gathering(distributed: DistributedOptimizer, state: dict[Any, Any]) -> Iterator[None]:
    """Within it, the optimizer takes `state` for what it would gather."""
    distributed.get_parameter_state_dp_zero = lambda **_: state
    try:
        yield
    finally:
        del distributed.get_parameter_state_dp_zero  # the class's method shows again


@contextmanager
def _own_settings(distributed: DistributedOptimizer) -> Iterator[None]:
    """After it, everything but the count of steps is as this run configured it: Megatron loads
    betas, epsilon and the choice of kernels with the moments."""
    settings = [
        {name: value for name, value in group.items() if name not in ("params", "step")}
        for group in distributed.optimizer.param_groups
    ]
    yield
    for group, own in zip(distributed.optimizer.param_groups, settings, strict=True):
        group.update(own)


def _ensure_adam_state(distributed: DistributedOptimizer) -> None:
    """Zero moments and step 0 where AdamW has not stepped yet: Megatron asks for them by name."""
    adam = distributed.optimizer
    if not isinstance(adam, torch.optim.AdamW):
        distributed.init_state_fn(adam, distributed.config)
        return
    for parameter in distributed.get_parameters():
        state = adam.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)


def _take_steps(distributed: DistributedOptimizer) -> list[torch.Tensor]:
    """Removes the per-parameter step counts, which Megatron's loader cannot place."""
    if not isinstance(distributed.optimizer, torch.optim.AdamW):
        return []
    states = [distributed.optimizer.state[p] for p in distributed.get_parameters()]
    return [state.pop("step") for state in states]


def _return_steps(distributed: DistributedOptimizer, steps: list[torch.Tensor]) -> None:
    """Puts them back, each its own tensor: a shared one would advance once per parameter."""
    if not isinstance(distributed.optimizer, torch.optim.AdamW):
        return
    for parameter, step in zip(distributed.get_parameters(), steps, strict=True):
        distributed.optimizer.state[parameter]["step"] = step.clone()
