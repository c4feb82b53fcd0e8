"""All that a run reads besides its weights: the tokenizer, and tasks of every section.

It is read, line by line, before process groups, weights and engine exist, so that an error in a
file costs seconds and not the start of a large model. `urpo train --dry-run` reads the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.data.mixture import Mixture
from megatron_urpo.data.prompts import PromptEncoder, PromptTooLongError, load_encoder
from megatron_urpo.data.sources import Source, load_sources
from megatron_urpo.evaluation.held_out import held_out_prompts
from megatron_urpo.judging import SHORTENING_MARKER
from megatron_urpo.monitoring.judge import judge_prompts
from megatron_urpo.monitoring.judged import KnownGroup
from megatron_urpo.monitoring.probe import ProbeTasks
from megatron_urpo.rewards.sandbox_check import ensure_sandbox
from megatron_urpo.types import ChatMessage, PreferenceTask, Prompt, Task, TaskKind


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a URPO run reads."""

    encoder: PromptEncoder
    mixture: Mixture
    held_out: tuple[Prompt, ...]  # of [evaluation]; empty where evaluation.every is 0
    monitored: tuple[PreferenceTask, ...]  # of [monitoring]; empty where monitoring.every is 0


def load_inputs(config: Config, show: Callable[[str], None]) -> Inputs:
    """Reads the data of every section that the run will use, and sees to the sandbox they need.

    Args:
        show: is told what was left out, and how programs are run.

    Raises:
        ConfigError: a source is missing, or a context is too small for a prompt.
        DataError: a line of a file is wrong.
        SandboxUnavailableError: a task has tests of code that cannot be run.
    """
    if not config.data.sources:
        raise ConfigError("data.sources is empty: add a [[data.sources]] table")
    encoder = load_encoder(config.model)
    if config.data.instruction_ratio > 0 or config.monitoring.every:
        check_judge_prompt(config, encoder)
    sources = load_sources(config.data.sources, "train", config.run.seed)
    for source in sources:
        if source.dropped_ties:
            show(
                f"{source.config.path}: {source.dropped_ties} preference records left out, all "
                "their responses are tied"
            )
    evaluated = _evaluated(config) if config.evaluation.every else []
    _ensure_sandbox(config, [*sources, *evaluated], show)
    return Inputs(
        encoder=encoder,
        mixture=Mixture(config.data, sources, config.run.seed),
        held_out=_held_out_prompts(config, evaluated, encoder) if evaluated else (),
        monitored=_monitored(config, encoder) if config.monitoring.every else (),
    )


def load_held_out(
    config: Config, encoder: PromptEncoder, show: Callable[[str], None]
) -> tuple[Prompt, ...]:
    """The prompts of [evaluation], for an evaluation by itself.

    Arguments and errors are those of load_inputs.
    """
    sources = _evaluated(config)
    _ensure_sandbox(config, sources, show)
    return _held_out_prompts(config, sources, encoder)


def load_probe_tasks(config: Config, show: Callable[[str], None]) -> ProbeTasks:
    """The tasks of `urpo probe`.

    Those of [monitoring] or [evaluation] or, for a kind that they lack, since nothing has been
    trained on yet, of [data].

    Args:
        show: is told how programs are run.

    Raises:
        ConfigError: there are no reasoning or no preference sources.
        DataError: a line of a file is wrong.
        SandboxUnavailableError: a task has tests of code that cannot be run.
    """
    sources = load_sources(config.monitored_sources(), "heldout", config.run.seed)
    sources += load_sources(config.unmonitored_sources(), "train", config.run.seed)
    _ensure_sandbox(config, sources, show)
    return ProbeTasks.of(_monitored_of(config, sources))


def check_judge_prompt(config: Config, encoder: PromptEncoder) -> None:
    """Refuses a context that cannot hold the template around G answers, however they are cut.

    Without it a run would stop at its first long group of phase 2.

    Raises:
        ConfigError: rollout.max_model_len is too small.
    """
    rollout = config.rollout
    shortest = [SHORTENING_MARKER] * rollout.group_size
    question = (ChatMessage("user", SHORTENING_MARKER),)
    room = rollout.max_judge_prompt_tokens
    try:
        encoder.encode_judge(question, shortest, range(rollout.group_size), room)
    except PromptTooLongError as error:
        raise ConfigError(
            f"rollout.max_model_len = {rollout.max_model_len} less rollout.max_judgement_tokens = "
            f"{rollout.max_judgement_tokens} leaves {room} tokens for the judge prompt of "
            f"rollout.group_size = {rollout.group_size} answers, which is too few even with every "
            "answer cut to nothing: raise the first or lower one of the others"
        ) from error


def _evaluated(config: Config) -> list[Source]:
    if not config.evaluation.sources:
        raise ConfigError("evaluation.sources is empty: add an [[evaluation.sources]] table")
    return load_sources(config.evaluation.sources, "heldout", config.run.seed)


def _held_out_prompts(
    config: Config, sources: Sequence[Source], encoder: PromptEncoder
) -> tuple[Prompt, ...]:
    limit = config.evaluation.max_prompts_per_source or None
    tasks = [task for source in sources for task in source.tasks[:limit]]
    return held_out_prompts(tasks, encoder, config)


def _monitored(config: Config, encoder: PromptEncoder) -> tuple[PreferenceTask, ...]:
    sources = load_sources(config.monitored_sources(), "heldout", config.run.seed)
    tasks = _monitored_of(config, sources)
    preferences = tuple(task for task in tasks if isinstance(task, PreferenceTask))
    known = [KnownGroup(TaskKind.PREFERENCE, task) for task in preferences]
    judge_prompts(known, encoder, config)  # raises where one does not fit
    return preferences


def _monitored_of(config: Config, sources: Sequence[Source]) -> list[Task]:
    limit = config.monitoring.groups_per_source or None
    return [task for source in sources for task in source.tasks[:limit]]


def _ensure_sandbox(config: Config, sources: Sequence[Source], show: Callable[[str], None]) -> None:
    is_needed = any(source.has_code_tests for source in sources)
    for note in ensure_sandbox(config.rewards, is_needed=is_needed):
        show(note)
