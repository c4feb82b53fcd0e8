"""Supervised fine-tuning: the warm start that teaches the formats (paper, "starting from SFT").

The same Megatron policy, packing and checkpoints as the URPO loop. Prompts are not trained on: a
demonstration is a prompt with one branch, and the loss is the mean negative log-likelihood of the
branch tokens of the whole step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from megatron_urpo.batching import pack_mini_batch
from megatron_urpo.config import BatchingConfig, Config, ConfigError
from megatron_urpo.data.demonstrations import Demonstration, demonstrate
from megatron_urpo.data.prompts import PromptEncoder
from megatron_urpo.data.sources import load_sources
from megatron_urpo.data.splits import generator
from megatron_urpo.metrics import MetricsWriter, Timers
from megatron_urpo.progress import ProgressLine
from megatron_urpo.run_checkpoints import RunCheckpoints
from megatron_urpo.step_statistics import PackingLoad
from megatron_urpo.stop_request import StopRequest
from megatron_urpo.training.optimizer import learning_rate
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.policy import NonFiniteUpdatesError, Policy
from megatron_urpo.types import StepStatistics, TrainingGroup


def load_demonstrations(config: Config) -> list[Demonstration]:
    """One demonstration of every training task of sft.sources.

    Raises:
        ConfigError: sft.sources is empty.
    """
    if not config.sft.sources:
        raise ConfigError("sft.sources is empty: add an [[sft.sources]] table")
    seed = config.run.seed
    return [
        demonstrate(
            task,
            generator("demonstration", seed, source.config.name, task.key),
            terse_share=config.sft.terse_judgement_share,
        )
        for source in load_sources(config.sft.sources, "train", seed)
        for task in source.tasks
    ]


def encode_demonstrations(
    demonstrations: Sequence[Demonstration], encoder: PromptEncoder, max_tokens: int
) -> tuple[list[TrainingGroup], int]:
    """Demonstrations as prompts with one branch, which ends with the model's end token.

    Args:
        max_tokens: of prompt and target together; longer ones are left out.

    Returns:
        the groups in order, and how many demonstrations were too long.

    Raises:
        ConfigError: every demonstration is too long.
    """
    groups = []
    for index, demonstration in enumerate(demonstrations):
        prompt = np.array(encoder.encode_chat(demonstration.messages), dtype=np.int64)
        target = np.array(encoder.encode_target(demonstration.target), dtype=np.int64)
        if len(prompt) + len(target) <= max_tokens:
            groups.append(
                TrainingGroup(
                    index=index,
                    kind=demonstration.kind,
                    prompt_ids=prompt,
                    response_ids=(target,),
                    rollout_logprobs=(np.zeros(len(target), dtype=np.float32),),
                    advantages=np.ones(1),
                )
            )
    if not groups:
        raise ConfigError(
            f"sft.max_sequence_tokens = {max_tokens}: all {len(demonstrations)} demonstrations are "
            "longer; raise it"
        )
    return groups, len(demonstrations) - len(groups)


def draw_batches(
    groups: Sequence[TrainingGroup], tokens_per_step: int, seed: int
) -> Iterator[list[TrainingGroup]]:
    """Endless batches of about tokens_per_step packed tokens, every epoch in its own order.

    A batch takes demonstrations until the next one would exceed the budget, and one at the least.
    """
    order = _endless_order(len(groups), seed)
    batch: list[TrainingGroup] = []
    tokens = 0
    for position in order:
        group = groups[position]
        length = len(group.prompt_ids) + group.num_tokens
        if batch and tokens + length > tokens_per_step:
            yield batch
            batch, tokens = [], 0
        batch.append(group)
        tokens += length


class SupervisedTrainer:
    """One supervised run, resumable like a URPO run."""

    def __init__(
        self,
        config: Config,
        *,
        parallel: Parallel,
        policy: Policy,
        encoder: PromptEncoder,
        demonstrations: Sequence[Demonstration],
    ) -> None:
        self.config = config
        self.parallel = parallel
        self.policy = policy
        self.directory = Path(config.run.directory) / "sft"
        self.checkpoints = RunCheckpoints(self.directory, config, policy, parallel)
        self.groups, self.num_skipped = encode_demonstrations(
            demonstrations, encoder, config.sft.max_sequence_tokens
        )
        self.timers = Timers()
        self._skipped_in_a_row = 0

    def run(self) -> bool:
        """Trains to sft.steps; returns whether it got there (False after a signal)."""
        sft = self.config.sft
        saved = self.checkpoints.resume()
        step = 0 if saved is None else saved.manifest.step
        metrics = MetricsWriter(
            self.directory,
            self.config.metrics,
            total_steps=sft.steps,
            next_step=step,
            ranks=self.parallel,
            progress=ProgressLine(sft.steps, next_step=step, label="sft"),
        )
        batches = draw_batches(self.groups, sft.tokens_per_step, self.config.run.seed)
        for _ in range(step):
            next(batches)
        pending: dict[str, float] = {}
        with StopRequest() as stop:
            while step < sft.steps:
                values = self._step(next(batches), step) | pending
                pending = {}
                step += 1
                metrics.log(StepStatistics(step - 1, values))
                stopping = any(self.parallel.gather_objects(stop.requested is not None))
                manifest = partial(_manifest, step)
                pending = self.checkpoints.after_step(
                    step, self.timers, manifest, stopping=stopping
                )
                if stopping:
                    break
        self.checkpoints.at_end(step, self.timers, partial(_manifest, step))
        metrics.close()
        return step == sft.steps

    def _step(self, batch: list[TrainingGroup], step: int) -> dict[str, float]:
        with self.timers("sft"):
            micro_batches = pack_mini_batch(
                batch,
                BatchingConfig(micro_batch_tokens=self.config.batching.micro_batch_tokens),
                self.policy.packing,
                self.parallel.data_parallel_rank,
            )
            lr = learning_rate(self.config.sft.optimizer, step, self.config.sft.steps)
            update = self.policy.update_supervised(micro_batches, lr)
        self._skipped_in_a_row = self._skipped_in_a_row + 1 if update.skipped else 0
        if self._skipped_in_a_row > self.config.training.max_skipped_steps:
            raise NonFiniteUpdatesError(
                f"{self._skipped_in_a_row} supervised updates in a row had a gradient norm of "
                f"{update.grad_norm} (step {step}, learning rate {lr:g}). Lower sft.optimizer.lr"
            )
        load = PackingLoad.of([micro_batches], self.parallel.data_parallel_rank)
        loads = {x.data_parallel_rank: x for x in self.parallel.gather_objects(load)}.values()
        packed = sum(x.packed_tokens for x in loads)
        values = {
            "sft/all/loss": update.loss,
            "sft/all/grad_norm": update.grad_norm,
            "sft/all/lr": lr,
            "sft/all/skipped_updates": float(update.skipped),
            "sft/all/demonstrations": float(len(batch)),
            "sft/all/too_long_demonstrations": float(self.num_skipped),
            "sft/all/loss_tokens": float(sum(x.loss_tokens for x in loads)),
            "sft/all/packed_tokens": float(packed),
            "run/all/tokens_per_second": packed / self.timers.seconds("sft"),
        }
        return values | self.timers.take()


def _manifest(step: int) -> dict[str, Any]:
    """What a checkpoint has to say: the order of the demonstrations follows from seed and step."""
    return {"policy_version": step, "data_state": {}}


def _endless_order(count: int, seed: int) -> Iterator[int]:
    epoch = 0
    while True:
        yield from np.random.default_rng([seed, epoch]).permutation(count).tolist()
        epoch += 1
