"""Supervised fine-tuning: the warm start that teaches the formats (paper, "starting from SFT").

The same Megatron policy, packing and checkpoints as the URPO loop. Prompts are not trained on: a
demonstration is a prompt with one branch, and the loss is the mean negative log-likelihood of the
branch tokens of the whole step.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from megatron_urpo.batching import pack_mini_batch
from megatron_urpo.checkpoints.run import RunCheckpoints
from megatron_urpo.config import BatchingConfig, Config
from megatron_urpo.data.demonstration_batches import DemonstrationBatches, Demonstrations
from megatron_urpo.data.prompts import PromptEncoder
from megatron_urpo.metrics import MetricsWriter, Timers
from megatron_urpo.progress import ProgressLine
from megatron_urpo.run_files import SFT_DIRECTORY
from megatron_urpo.step_statistics import PackingLoad, batching_metrics
from megatron_urpo.stop_request import IN_STEPS, StopRequest
from megatron_urpo.training.optimizer import learning_rate
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.policy import NonFiniteUpdatesError, Policy
from megatron_urpo.types import StepStatistics, TrainingGroup


class SupervisedTrainer:
    """One supervised run, resumable like a URPO run."""

    def __init__(
        self,
        config: Config,
        *,
        parallel: Parallel,
        policy: Policy,
        encoder: PromptEncoder,
        demonstrations: Demonstrations,
    ) -> None:
        self.config = config
        self.parallel = parallel
        self.policy = policy
        self.directory = Path(config.run.directory) / SFT_DIRECTORY
        self.checkpoints = RunCheckpoints(self.directory, config, policy, parallel)
        self.batches = DemonstrationBatches(
            demonstrations,
            encoder,
            max_tokens=config.sft.max_sequence_tokens,
            tokens_per_step=config.sft.tokens_per_step,
            seed=config.run.seed,
        )
        self.timers = Timers()
        self._skipped_in_a_row = 0

    def run(self, stop: StopRequest) -> bool:
        """Trains to sft.steps; returns whether it got there (False after a signal).

        stop: asked after every step, and before the first one.
        """
        sft = self.config.sft
        saved = self.checkpoints.resume()
        completed = 0 if saved is None else saved.manifest.step
        metrics = MetricsWriter(
            self.directory,
            self.config.metrics,
            total_steps=sft.steps,
            completed=completed,
            ranks=self.parallel,
            progress=ProgressLine(sft.steps, completed=completed, label="sft"),
        )
        for _ in range(completed):
            self.batches.next()
        pending: dict[str, float] = {}
        stopping = stop.is_asked_of(self.parallel)
        stop.consequence = IN_STEPS
        while completed < sft.steps and not stopping:
            step = completed + 1
            with self.timers("run"):
                values = self._step(self.batches.next(), step)
            values = self._finish_values(values) | pending
            pending = {}
            completed = step
            metrics.log(StepStatistics(step, values))
            stopping = stop.is_asked_of(self.parallel)
            manifest = partial(_manifest, step)
            with self.timers("run"):
                pending = self.checkpoints.after_step(
                    step, self.timers, manifest, stopping=stopping
                )
        self.checkpoints.at_end(completed, self.timers, partial(_manifest, completed))
        metrics.close()
        return completed == sft.steps

    def _step(self, batch: list[TrainingGroup], step: int) -> dict[str, float]:
        with self.timers("sft"):
            micro_batches = pack_mini_batch(
                batch,
                BatchingConfig(micro_batch_tokens=self.config.batching.micro_batch_tokens),
                self.policy.packing,
                self.parallel.data_parallel_rank,
            )
            lr = learning_rate(self.config.sft.optimizer, step - 1, self.config.sft.steps)
            update = self.policy.update_supervised(micro_batches, lr)
        self._skipped_in_a_row = self._skipped_in_a_row + 1 if update.skipped else 0
        if self._skipped_in_a_row > self.config.training.max_skipped_updates:
            raise NonFiniteUpdatesError(
                f"{self._skipped_in_a_row} supervised updates in a row had a gradient norm of "
                f"{update.grad_norm} (step {step}, learning rate {lr:g}). Lower sft.optimizer.lr"
            )
        load = PackingLoad.of([micro_batches], self.parallel.data_parallel_rank)
        batching = batching_metrics(self.parallel.gather_objects(load))
        return {
            "sft/all/loss": update.loss,
            "sft/all/grad_norm": update.grad_norm,
            "sft/all/lr": lr,
            "sft/all/skipped_updates": float(update.skipped),
            "sft/all/demonstrations": float(len(batch)),
            "sft/all/too_long_demonstrations": float(self.batches.num_too_long),
            "sft/all/loss_tokens": batching["batching/all/loss_tokens"],
            "sft/all/packed_tokens": batching["batching/all/packed_tokens"],
        }

    def _finish_values(self, values: dict[str, float]) -> dict[str, float]:
        values |= self.timers.take()
        values["run/all/tokens_per_second"] = (
            values["sft/all/packed_tokens"] / values["run/all/seconds"]
        )
        return values


def _manifest(step: int) -> dict[str, Any]:
    """What a checkpoint has to say: the order of the demonstrations follows from seed and step."""
    return {"policy_version": step, "data_state": {}}
