"""The arithmetic of a run, before it starts: what a step collects, and how often it steps."""

from __future__ import annotations

from dataclasses import replace

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.planning.layout import layout_of
from megatron_urpo.planning.tokens import Lengths, prompts_by_kind, step_tokens
from megatron_urpo.types import TaskKind


def check_world(config: Config, world_size: int) -> None:
    """Refuses a layout that does not fit the number of ranks.

    Raises:
        ConfigError: names the keys and the numbers that would fit.
    """
    layout = layout_of(config, world_size)
    if world_size % layout.model_parallel_size:
        raise ConfigError(
            f"{world_size} ranks cannot hold training.tensor_model_parallel_size x "
            f"pipeline_model_parallel_size x context_parallel_size = {layout.model_parallel_size}: "
            f"start a multiple of {layout.model_parallel_size} ranks, or lower one of the three"
        )
    if world_size % layout.engine_tensor_parallel_size:
        raise ConfigError(
            f"{world_size} ranks cannot be divided into engines of "
            f"rollout.tensor_model_parallel_size = {layout.engine_tensor_parallel_size}: start a "
            "multiple of it"
        )


def describe_steps(config: Config, world_size: int) -> list[str]:
    """Sentences that say what the run will do, for --dry-run."""
    check_world(config, world_size)
    data, rollout, training = config.data, config.rollout, config.training
    layout = layout_of(config, world_size)
    phase1 = min(data.phase1_steps, config.run.steps)
    lines = [
        f"{world_size} ranks: {layout.data_parallel_size} data-parallel for training, "
        f"{layout.engines} rollout engines",
        f"{config.run.steps} steps: {phase1} in phase 1 (reasoning, preference), "
        f"{config.run.steps - phase1} in phase 2 (instructions added)",
    ]
    for phase in phases_of(config):
        shares = prompts_by_kind(config, phase)
        described = ", ".join(
            f"{shares[kind]:g} {kind}"
            for kind in (TaskKind.PREFERENCE, TaskKind.REASONING, TaskKind.INSTRUCTION)
            if shares[kind]
        )
        lines.append(
            f"phase {phase}: {data.prompts_per_step} prompts a step ({described}), "
            f"{data.prompts_per_step * rollout.group_size} samples"
            + (f", {shares[TaskKind.INSTRUCTION]:g} judgements" if phase == 2 else "")
        )
    updates = config.batching.mini_batches * training.epochs
    worst = replace(Lengths.longest(config), judge_attempts=1 + rollout.judge_retries)
    sampled = step_tokens(config, phases_of(config)[-1], worst).sampled_tokens
    return [
        *lines,
        f"{updates} optimizer steps a batch: {config.batching.mini_batches} mini-batches of about "
        f"{data.prompts_per_step / config.batching.mini_batches:g} groups x {training.epochs} "
        f"epochs; {updates * config.run.steps} in all",
        f"at most {round(sampled):,} sampled tokens a step; micro-batches of at most "
        f"{config.batching.micro_batch_tokens:,} packed tokens",
    ]


def phases_of(config: Config) -> list[int]:
    """The curriculum phases a run goes through."""
    phase1 = min(config.data.phase1_steps, config.run.steps)
    return [phase for phase, steps in ((1, phase1), (2, config.run.steps - phase1)) if steps]
