"""urpo train --dry-run: everything a start checks, and the plan, without weights or an engine."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from megatron_urpo.config import Config, ConfigError, TrainingConfig
from megatron_urpo.fp8 import check_device
from megatron_urpo.inputs import load_inputs
from megatron_urpo.launch_environment import read_torch_rank
from megatron_urpo.layout import check_world, layout_of
from megatron_urpo.main_memory import total_memory
from megatron_urpo.model_shape import read_model_shape
from megatron_urpo.planning.hardware import Hardware, cpu, gpu
from megatron_urpo.planning.models import find_model
from megatron_urpo.planning.options import PlanOptions
from megatron_urpo.planning.plan import make_plan
from megatron_urpo.planning.report import assumptions, describe_model, describe_plan
from megatron_urpo.planning.steps import describe_steps
from megatron_urpo.training.hf_weights import open_model_files
from megatron_urpo.training.platform import Platform, detect


def dry_run(
    config: Config, options: PlanOptions, model_name: str | None = None
) -> tuple[list[str], tuple[str, ...]]:
    """Checks a configuration as a start does, and plans it.

    Args:
        options: without gpus, the ranks that torchrun started, or one; without gpu_memory, this
            machine's GPU, or its memory.
        model_name: of planning.models. Model files and data are not read then.

    Returns:
        the plan's lines, and why the run cannot fit; empty when it does.

    Raises:
        ConfigError, DataError, SandboxUnavailableError: what a start would raise.
    """
    rank = read_torch_rank(os.environ)
    world_size = options.gpus or rank.world_size
    here = _this_machine(options.ranks_per_node(world_size))
    check_world(config, world_size)
    stated = options.stated_gpu(world_size)
    hardware = stated or options.rated(here)
    platform = detect(rank)
    choices = options.choices(config, capability_here=platform.facts.compute_capability)
    _check_kernels(config.training, None if stated else platform)
    notes: list[str] = []
    if model_name is None:
        shape = read_model_shape(config.model.path)
        open_model_files(Path(config.model.path), shape)
        load_inputs(config, notes.append)
        checked = "model files and data were read; weights were not loaded"
    else:
        shape = find_model(model_name)
        checked = f"model.path = {config.model.path!r} and the data were not looked at"
    plan = make_plan(shape, config, layout_of(config, world_size), hardware, choices)
    lines = [
        checked,
        *notes,
        *describe_steps(config, world_size),
        describe_model(model_name or config.model.path, shape),
        *describe_plan(plan),
        *assumptions(plan, choices.engine_sleeps),
    ]
    return lines, plan.problems


def _check_kernels(training: TrainingConfig, platform: Platform | None) -> None:
    """Whether training.transformer_impl and its FP8 can run on this machine; on another (None), as
    far as that can be told."""
    if platform is not None:
        platform.transformer_impl(training.transformer_impl)
        check_device(training, platform.facts)
    elif training.transformer_impl == "local":
        raise ConfigError(
            "training.transformer_impl = 'local' runs on the CPU: use 'transformer_engine' or "
            "'auto' with --gpu-memory"
        )


def _this_machine(ranks_per_node: int) -> Hardware:
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory
        return gpu(memory, ranks_per_node=ranks_per_node)
    return cpu(total_memory(), ranks_per_node)
