"""The arithmetic of a run, before it starts: what a step collects, and how often it steps."""

from __future__ import annotations

from dataclasses import replace

from megatron_urpo.config import Config
from megatron_urpo.layout import check_world, layout_of
from megatron_urpo.planning.tokens import Lengths, prompts_by_kind, step_tokens
from megatron_urpo.types import TaskKind


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
