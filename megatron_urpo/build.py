"""Builds the parts of a run from its configuration, in the one order that works.

Megatron's process groups come first, then the model, then the engine, which joins the same
torch.distributed world and takes its memory last.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch.distributed as dist

from megatron_urpo.config import Config, ConfigError, OptimizerConfig
from megatron_urpo.console import say
from megatron_urpo.data.demonstration_batches import load_demonstrations
from megatron_urpo.data.prompts import PromptEncoder, load_encoder
from megatron_urpo.evaluation.held_out import HeldOut
from megatron_urpo.fp8 import check_engine_capability
from megatron_urpo.inputs import check_judge_prompt, load_held_out, load_inputs, load_probe_tasks
from megatron_urpo.launch_environment import TorchRank, read_torch_rank
from megatron_urpo.layout import check_world, engines_alone, training_alone
from megatron_urpo.model_shape import read_model_shape
from megatron_urpo.monitoring.monitor import RefereeMonitor
from megatron_urpo.monitoring.probe import Probe
from megatron_urpo.rewards.score import RewardScorer
from megatron_urpo.rollout.engine import VLLMEngine
from megatron_urpo.rollout.interface import RolloutEngine
from megatron_urpo.supervised import SupervisedTrainer
from megatron_urpo.trainer import Trainer
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.hf_weights import open_model_files
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.platform import detect
from megatron_urpo.training.policy import Policy


def _show(text: str) -> None:
    """Says it once, however many ranks there are."""
    if read_torch_rank(os.environ).rank == 0:
        say(text)


@dataclass(frozen=True, slots=True)
class _Inference:
    """What measures the weights of model.path without a trainer."""

    scorer: RewardScorer
    engine: RolloutEngine
    process_group: dist.ProcessGroup | None  # see gather.gather
    is_main: bool  # this rank records what all of them know


@contextmanager
def _open_engine(config: Config, encoder: PromptEncoder) -> Iterator[_Inference]:
    rank = read_torch_rank(os.environ)
    config = engines_alone(config)
    _check_engines(config, rank)
    check_engine_capability(config.rollout, detect(rank).facts.compute_capability)
    open_model_files(Path(config.model.path), read_model_shape(config.model.path))
    process_group = None
    if rank.from_torchrun:
        # The engines of several ranks find each other in the trainer's process groups.
        process_group = parallelism.initialize(config).host_group
    try:
        with (
            closing(RewardScorer(config.rewards, config.run.seed)) as scorer,
            closing(VLLMEngine(config, encoder.eos_ids)) as engine,
        ):
            yield _Inference(scorer, engine, process_group, rank.rank == 0)
    finally:
        if rank.from_torchrun:
            parallelism.shutdown()


def _check_engines(config: Config, rank: TorchRank) -> None:
    """Raises ConfigError, with the command to type, where the ranks do not divide into engines."""
    try:
        check_world(config, rank.world_size)
    except ConfigError as error:
        if rank.from_torchrun:
            raise
        ranks = f"--nproc-per-node={config.rollout.tensor_model_parallel_size}"
        command = shlex.join(["torchrun", ranks, "-m", "megatron_urpo.cli", *sys.argv[1:]])
        raise ConfigError(f"{error}:\n    {command}") from error


@contextmanager
def open_inference(config: Config) -> Iterator[tuple[HeldOut, bool]]:
    """Held-out evaluation of the weights of model.path, without a trainer.

    Yields what evaluates, and whether this rank is the one to record it.
    """
    encoder = load_encoder(config.model)
    prompts = load_held_out(config, encoder, _show)
    with _open_engine(config, encoder) as parts:
        held_out = HeldOut(
            prompts, parts.engine, encoder, parts.scorer, config, parts.process_group
        )
        yield held_out, parts.is_main


@contextmanager
def open_probe(config: Config) -> Iterator[tuple[Probe, bool]]:
    """`urpo probe` of the weights of model.path.

    Yields the probe, and whether this rank is the one to print it.

    Raises:
        ConfigError: there are no reasoning or no preference sources, or the context is too small
            for the referee.
    """
    encoder = load_encoder(config.model)
    tasks = load_probe_tasks(config, _show)
    check_judge_prompt(config, encoder)
    with _open_engine(config, encoder) as parts:
        probe = Probe(
            tasks, parts.engine, encoder, parts.scorer, config, parts.process_group, _show
        )
        yield probe, parts.is_main


@contextmanager
def open_policy(config: Config, optimizer: OptimizerConfig) -> Iterator[tuple[Parallel, Policy]]:
    """Process groups and the policy; torn down at the end.

    Raises:
        ConfigError: the layout does not fit the ranks or the model.
    """
    parallel = parallelism.initialize(config)
    try:
        yield parallel, Policy.from_pretrained(config, parallel, optimizer)
    finally:
        parallelism.shutdown()


@contextmanager
def open_supervised(config: Config) -> Iterator[SupervisedTrainer]:
    """A supervised run."""
    encoder = load_encoder(config.model)
    demonstrations = load_demonstrations(config)
    # The likelihood of a demonstration is that of the model itself, at temperature 1, and nothing
    # holds it to the weights it starts from.
    config = training_alone(
        replace(
            config,
            rollout=replace(config.rollout, temperature=1.0),
            training=replace(config.training, kl_beta=0.0),
        )
    )
    with open_policy(config, config.sft.optimizer) as (parallel, policy):
        yield SupervisedTrainer(
            config,
            parallel=parallel,
            policy=policy,
            encoder=encoder,
            demonstrations=demonstrations,
        )


@contextmanager
def open_trainer(config: Config) -> Iterator[Trainer]:
    """A URPO run.

    Raises:
        ConfigError: among others, this GPU has no FP8 for the engine; the policy is not read first.
    """
    check_engine_capability(
        config.rollout, detect(read_torch_rank(os.environ)).facts.compute_capability
    )
    inputs = load_inputs(config, _show)
    encoder = inputs.encoder
    with (
        open_policy(config, config.training.optimizer) as (parallel, policy),
        closing(RewardScorer(config.rewards, config.run.seed)) as scorer,
        closing(VLLMEngine(config, encoder.eos_ids)) as engine,
    ):
        held_out = monitor = None
        if config.evaluation.every:
            held_out = HeldOut(
                inputs.held_out, engine, encoder, scorer, config, parallel.host_group
            )
        if config.monitoring.every:
            monitor = RefereeMonitor(inputs.monitored, engine, encoder, config, parallel.host_group)
        yield Trainer(
            config,
            parallel=parallel,
            policy=policy,
            engine=engine,
            encoder=encoder,
            mixture=inputs.mixture,
            scorer=scorer,
            held_out=held_out,
            monitor=monitor,
        )
