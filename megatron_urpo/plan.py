"""The arithmetic of a run, before it starts: what a step collects, and how often it steps."""

from __future__ import annotations

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.types import TaskKind


def check_world(config: Config, world_size: int) -> None:
    """Refuses a layout that does not fit the number of ranks.

    Raises:
        ConfigError: names the keys and the numbers that would fit.
    """
    training, rollout = config.training, config.rollout
    model_parallel = (
        training.tensor_model_parallel_size
        * training.pipeline_model_parallel_size
        * training.context_parallel_size
    )
    if world_size % model_parallel:
        raise ConfigError(
            f"{world_size} ranks cannot hold training.tensor_model_parallel_size x "
            f"pipeline_model_parallel_size x context_parallel_size = {model_parallel}: start a "
            f"multiple of {model_parallel} ranks, or lower one of the three"
        )
    if world_size % rollout.tensor_model_parallel_size:
        raise ConfigError(
            f"{world_size} ranks cannot be divided into engines of "
            f"rollout.tensor_model_parallel_size = {rollout.tensor_model_parallel_size}: start a "
            "multiple of it"
        )


def describe_plan(config: Config, world_size: int) -> list[str]:
    """Sentences that say what the run will do, for --dry-run and the head of the log."""
    check_world(config, world_size)
    data, rollout, training = config.data, config.rollout, config.training
    model_parallel = (
        training.tensor_model_parallel_size
        * training.pipeline_model_parallel_size
        * training.context_parallel_size
    )
    phase1 = min(data.phase1_steps, config.run.steps)
    lines = [
        f"{world_size} ranks: {world_size // model_parallel} data-parallel for training, "
        f"{world_size // rollout.tensor_model_parallel_size} rollout engines",
        f"{config.run.steps} steps: {phase1} in phase 1 (reasoning, preference), "
        f"{config.run.steps - phase1} in phase 2 (instructions added)",
    ]
    for phase in (1, 2):
        if (phase == 1 and phase1 == 0) or (phase == 2 and phase1 == config.run.steps):
            continue
        ratio = data.ratio(phase)
        total = sum(ratio.values())
        if total == 0:
            raise ConfigError(f"phase {phase} has no task: raise one of the data.*_ratio keys")
        shares = {kind: data.prompts_per_step * r / total for kind, r in ratio.items()}
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
    lines += [
        f"{updates} optimizer steps a batch: {config.batching.mini_batches} mini-batches of about "
        f"{data.prompts_per_step / config.batching.mini_batches:g} groups x {training.epochs} "
        f"epochs; {updates * config.run.steps} in all",
        f"at most {_step_tokens(config):,} sampled tokens a step; micro-batches of at most "
        f"{config.batching.micro_batch_tokens:,} packed tokens",
    ]
    return lines


def _step_tokens(config: Config) -> int:
    """Upper bound of the tokens sampled in a step of phase 2."""
    data, rollout = config.data, config.rollout
    ratio = data.ratio(2)
    total = sum(ratio.values()) or 1.0
    preference = data.prompts_per_step * ratio[TaskKind.PREFERENCE] / total
    instruction = data.prompts_per_step * ratio[TaskKind.INSTRUCTION] / total
    answers = (data.prompts_per_step - preference) * rollout.group_size
    attempts = 1 + rollout.judge_retries
    return round(
        answers * rollout.max_response_tokens
        + preference * rollout.group_size * rollout.max_judgement_tokens
        + instruction * attempts * rollout.max_judgement_tokens
    )
