"""Builds the parts of a run from its configuration, in the one order that works.

Megatron's process groups come first, then the model, then the engine, which joins the same
torch.distributed world and takes its memory last.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from megatron_urpo.config import Config, ConfigError, OptimizerConfig, SourceConfig
from megatron_urpo.data.demonstration_batches import load_demonstrations
from megatron_urpo.data.mixture import Mixture
from megatron_urpo.data.prompts import PromptEncoder, PromptTooLongError, load_encoder
from megatron_urpo.data.sources import load_sources
from megatron_urpo.evaluation.held_out import HeldOut
from megatron_urpo.judging import SHORTENING_MARKER
from megatron_urpo.monitoring.monitor import RefereeMonitor
from megatron_urpo.monitoring.probe import Probe, ProbeTasks
from megatron_urpo.planning.steps import check_world
from megatron_urpo.rewards.sandbox_check import ensure_sandbox
from megatron_urpo.rewards.score import RewardScorer
from megatron_urpo.rollout.engine import VLLMEngine
from megatron_urpo.rollout.interface import RolloutEngine
from megatron_urpo.supervised import SupervisedTrainer
from megatron_urpo.trainer import Trainer
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.hf_config import read_model_shape
from megatron_urpo.training.hf_weights import open_model_files
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.platform import read_launch
from megatron_urpo.training.policy import Policy
from megatron_urpo.types import ChatMessage, PreferenceTask, Task


def load_held_out(
    config: Config, engine: RolloutEngine, encoder: PromptEncoder, scorer: RewardScorer
) -> HeldOut:
    """The held-out tasks of [evaluation], measured with this engine."""
    limit = config.evaluation.max_prompts_per_source or None
    sources = load_sources(config.evaluation.sources, "heldout", config.run.seed)
    tasks = [task for source in sources for task in source.tasks[:limit]]
    ensure_sandbox(config.rewards, is_needed=any(source.has_code_tests for source in sources))
    if not tasks:
        raise ConfigError("evaluation.sources is empty: add an [[evaluation.sources]] table")
    return HeldOut(tasks, engine, encoder, scorer, config)


def load_monitor(config: Config, engine: RolloutEngine, encoder: PromptEncoder) -> RefereeMonitor:
    """The measurements of [monitoring] inside a run, of the referee in this engine."""
    tasks = _monitored_tasks(config, config.monitored_sources(), "heldout")
    held_out = [task for task in tasks if isinstance(task, PreferenceTask)]
    return RefereeMonitor(held_out, engine, encoder, config)


def _monitored_tasks(config: Config, sources: Sequence[SourceConfig], split: str) -> list[Task]:
    limit = config.monitoring.groups_per_source or None
    return [
        task
        for source in load_sources(sources, split, config.run.seed)
        for task in source.tasks[:limit]
    ]


def _check_judge_prompt(config: Config, encoder: PromptEncoder) -> None:
    """Refuses a context that cannot hold the template around G answers, however they are cut.

    Without it a run would stop at its first long group of phase 2.
    """
    rollout = config.rollout
    room = rollout.max_model_len - rollout.max_judgement_tokens
    shortest = [SHORTENING_MARKER] * rollout.group_size
    try:
        encoder.encode_judge(
            (ChatMessage("user", SHORTENING_MARKER),), shortest, range(rollout.group_size), room
        )
    except PromptTooLongError as error:
        raise ConfigError(
            f"rollout.max_model_len = {rollout.max_model_len} less rollout.max_judgement_tokens = "
            f"{rollout.max_judgement_tokens} leaves {room} tokens for the judge prompt of "
            f"rollout.group_size = {rollout.group_size} answers, which is too few even with every "
            "answer cut to nothing: raise the first or lower one of the others"
        ) from error


@dataclass(frozen=True, slots=True)
class _Inference:
    """What measures the weights of model.path without a trainer."""

    encoder: PromptEncoder
    scorer: RewardScorer
    engine: RolloutEngine
    is_main: bool  # this rank records what all of them know


@contextmanager
def _open_engine(config: Config) -> Iterator[_Inference]:
    encoder = load_encoder(config.model)
    open_model_files(Path(config.model.path), read_model_shape(config.model.path))
    launch = read_launch()
    if launch.from_launcher:
        check_world(config, launch.world_size)
        # The engines of several ranks find each other in the trainer's process groups.
        parallelism.initialize(config)
    with (
        closing(RewardScorer(config.rewards, config.run.seed)) as scorer,
        closing(VLLMEngine(config, encoder.eos_ids)) as engine,
    ):
        yield _Inference(encoder, scorer, engine, launch.rank == 0)
    if launch.from_launcher:
        parallelism.shutdown()


@contextmanager
def open_inference(config: Config) -> Iterator[tuple[HeldOut, bool]]:
    """Held-out evaluation of the weights of model.path, without a trainer.

    Yields what evaluates, and whether this rank is the one to record it.
    """
    with _open_engine(config) as parts:
        held_out = load_held_out(config, parts.engine, parts.encoder, parts.scorer)
        yield held_out, parts.is_main


@contextmanager
def open_probe(config: Config) -> Iterator[tuple[Probe, bool]]:
    """`urpo probe` of the weights of model.path.

    Its tasks are those of [monitoring] or [evaluation] or, for a kind that they lack, since nothing
    has been trained on yet, of [data]. Yields the probe, and whether this rank is the one to print
    it.

    Raises:
        ConfigError: there are no reasoning or no preference sources, or the context is too small
            for the referee.
    """
    held_out, others = config.monitored_sources(), config.unmonitored_sources()
    tasks = ProbeTasks.of(
        _monitored_tasks(config, held_out, "heldout") + _monitored_tasks(config, others, "train")
    )
    with _open_engine(config) as parts:
        _check_judge_prompt(config, parts.encoder)

        def show(text: str) -> None:
            if parts.is_main:
                print(text, file=sys.stderr, flush=True)

        probe = Probe(tasks, parts.engine, parts.encoder, parts.scorer, config, show)
        yield probe, parts.is_main


@contextmanager
def open_policy(config: Config, optimizer: OptimizerConfig) -> Iterator[tuple[Parallel, Policy]]:
    """Process groups and the policy; torn down at the end."""
    parallel = parallelism.initialize(config)
    try:
        check_world(config, parallel.world_size)
        yield parallel, Policy.from_pretrained(config, parallel, optimizer)
    finally:
        parallelism.shutdown()


@contextmanager
def open_supervised(config: Config) -> Iterator[SupervisedTrainer]:
    """A supervised run."""
    encoder = load_encoder(config.model)
    demonstrations = load_demonstrations(config)
    # The likelihood of a demonstration is that of the model itself, at temperature 1.
    config = replace(config, rollout=replace(config.rollout, temperature=1.0))
    with open_policy(config, config.sft.optimizer) as (parallel, policy):
        yield SupervisedTrainer(
            config,
            parallel=parallel,
            policy=policy,
            encoder=encoder,
            demonstrations=demonstrations,
        )


def load_inputs(config: Config) -> tuple[PromptEncoder, Mixture]:
    """All that a URPO run reads besides the weights: the tokenizer, and the data, line by line.

    Raises:
        ConfigError: a source is missing, or the context is too small for the referee.
        DataError: a line of a file is wrong.
    """
    if not config.data.sources:
        raise ConfigError("data.sources is empty: add a [[data.sources]] table")
    encoder = load_encoder(config.model)
    if config.data.instruction_ratio > 0 or config.monitoring.every:
        _check_judge_prompt(config, encoder)
    seed = config.run.seed
    sources = load_sources(config.data.sources, "train", seed)
    for source in sources:
        if source.dropped_ties:
            print(
                f"{source.config.path}: {source.dropped_ties} preference records left out, all "
                "their responses are tied"
            )
    return encoder, Mixture(config.data, sources, seed)


@contextmanager
def open_trainer(config: Config) -> Iterator[Trainer]:
    """A URPO run."""
    encoder, mixture = load_inputs(config)
    ensure_sandbox(config.rewards, is_needed=mixture.has_code_tests)
    with (
        open_policy(config, config.training.optimizer) as (parallel, policy),
        closing(RewardScorer(config.rewards, config.run.seed)) as scorer,
        closing(VLLMEngine(config, encoder.eos_ids)) as engine,
    ):
        held_out = None
        if config.evaluation.every:
            held_out = load_held_out(config, engine, encoder, scorer)
        monitor = load_monitor(config, engine, encoder) if config.monitoring.every else None
        yield Trainer(
            config,
            parallel=parallel,
            policy=policy,
            engine=engine,
            encoder=encoder,
            mixture=mixture,
            scorer=scorer,
            held_out=held_out,
            monitor=monitor,
        )
