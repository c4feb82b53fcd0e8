"""The loop.

    data -> rollout -> rewards -> advantages -> batching -> training -> weight_sync -> checkpoint

Trainer.run_step() is that pipeline, one verb a line. Every rank runs the same program: a Megatron
shard and a slice of a rollout engine live in each process, and after a rollout every rank knows the
whole batch, so that everything behind it is a pure function computed alike everywhere.

`step` is the number of a step, from 1: checkpoint N is written after step N, and records, files and
messages count so. `step_index`, from 0, is what seeds, schedules and the order of the data follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from megatron_urpo.advantages import make_training_groups
from megatron_urpo.batching import make_mini_batches, pack_mini_batch, split_sequences
from megatron_urpo.checkpoints.run import RunCheckpoints
from megatron_urpo.config import Config
from megatron_urpo.data.mixture import Mixture
from megatron_urpo.data.prompts import PromptEncoder, build_prompts
from megatron_urpo.evaluation.held_out import HeldOut
from megatron_urpo.evaluation.records import cut_off_evaluations, record_evaluation
from megatron_urpo.metrics import MetricsWriter, Timers
from megatron_urpo.monitoring.monitor import RefereeMonitor
from megatron_urpo.rewards.score import RewardScorer
from megatron_urpo.rollout.collect import RolloutStatistics, collect
from megatron_urpo.rollout.gather import deal, gather, mean_response_tokens, this_replica
from megatron_urpo.rollout.interface import RolloutEngine
from megatron_urpo.rollout_log import RolloutLog
from megatron_urpo.step_statistics import (
    PackingLoad,
    batching_metrics,
    group_metrics,
    mismatch_metrics,
    rollout_metrics,
    throughput_metrics,
    update_metrics,
)
from megatron_urpo.stop_request import IN_STEPS, StopRequest
from megatron_urpo.training.model import DTYPES
from megatron_urpo.training.optimizer import learning_rate
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.policy import (
    NonFiniteUpdatesError,
    Policy,
    TokenScores,
    UpdateStatistics,
)
from megatron_urpo.types import (
    Float32Array,
    Group,
    MicroBatch,
    Prompt,
    StepStatistics,
    TaskKind,
    TrainingGroup,
)
from megatron_urpo.weight_sync import (
    Mismatch,
    WeightSync,
    check_mismatch,
    check_versions,
    merge,
    mismatch,
)


@dataclass(slots=True)
class RunState:
    """What changes from step to step besides tensors and the position in the data."""

    completed: int = 0  # steps; the number of the last one
    policy_version: int = 0  # of the weights in the engine, raised by every sync
    skipped_in_a_row: int = 0  # updates left out because their gradient was not finite
    # Mean response length of each kind in the last step that had it; the limits before.
    expected_tokens: dict[TaskKind, float] = field(default_factory=dict)


class Trainer:
    """One URPO run. Builds nothing itself: see megatron_urpo.build."""

    def __init__(
        self,
        config: Config,
        *,
        parallel: Parallel,
        policy: Policy,
        engine: RolloutEngine,
        encoder: PromptEncoder,
        mixture: Mixture,
        scorer: RewardScorer,
        held_out: HeldOut | None = None,
        monitor: RefereeMonitor | None = None,
    ) -> None:
        self.config = config
        self.parallel = parallel
        self.policy = policy
        self.engine = engine
        self.encoder = encoder
        self.mixture = mixture
        self.scorer = scorer
        self.held_out = held_out
        self.monitor = monitor
        self.state = RunState()
        self.replica = this_replica(config.rollout.tensor_model_parallel_size)
        engine_dtype = DTYPES[config.engine_dtype]
        self.weight_sync = WeightSync(policy, engine, config.weight_sync, engine_dtype)
        self.directory = Path(config.run.directory)
        self.checkpoints = RunCheckpoints(self.directory, config, policy, parallel)
        self.rollout_log = RolloutLog(self.directory, encoder.decode)
        self.timers = Timers()
        self.metrics: MetricsWriter | None = None

    def run(self, stop: StopRequest) -> bool:
        """Trains from the newest checkpoint, or from the start, to run.steps.

        Args:
            stop: asked after every step, and before the first one, when weights are loaded.

        Returns:
            whether the run is complete; False after a signal, with a checkpoint written, unless no
            step was done.

        Raises:
            CheckpointError: the last checkpoint could not be written.
            RefereeAlarmError: an alarm of monitoring.stop_on; a checkpoint is written.
            WeightMismatchError, StaleWeightsError, NonFiniteUpdatesError: see there.
        """
        self._resume()
        self.metrics = MetricsWriter(
            self.directory,
            self.config.metrics,
            total_steps=self.config.run.steps,
            completed=self.state.completed,
            ranks=self.parallel,
        )
        stopping = stop.is_asked_of(self.parallel) or self._begin(stop)
        stop.consequence = IN_STEPS
        pending: dict[str, float] = {}
        while self.state.completed < self.config.run.steps and not stopping:
            values = self.run_step() | pending
            pending = {}
            # Logged before it is saved: a record that no checkpoint follows is cut off on
            # resuming, a checkpoint without its record could never be completed.
            self.metrics.log(StepStatistics(self.state.completed, values))
            stopping = stop.is_asked_of(self.parallel)
            stopping |= self.monitor is not None and self.monitor.stops
            with self.timers("run"):
                pending = self.checkpoints.after_step(
                    self.state.completed, self.timers, self._manifest, stopping=stopping
                )
        self.checkpoints.at_end(self.state.completed, self.timers, self._manifest)
        self.metrics.close()
        complete = self.state.completed == self.config.run.steps
        if self.monitor is not None:
            self.monitor.raise_alarm(self.state.completed)
        return complete

    def _begin(self, stop: StopRequest) -> bool:
        """What precedes the first step; returns whether the run is to stop before it."""
        with self.timers("run"):
            self._sync_weights()
            if self.monitor is not None:
                with self.timers("monitoring"):
                    self.monitor.begin(self.state.completed, self.parallel, self.timers.tick)
        return stop.is_asked_of(self.parallel)

    def run_step(self) -> dict[str, float]:
        """Collects a batch, learns from it, and gives the engine the new weights."""
        step_index = self.state.completed
        step = step_index + 1
        with self.timers("run"):
            prompts, values = self._draw_prompts(step_index)
            groups = self._collect(prompts, step, values)
            self.engine.sleep()
            try:
                values |= self.learn(groups, step)
            except NonFiniteUpdatesError:  # on all ranks
                self._record_rollouts(groups, step)  # its message names the file
                raise
            self._sync_weights()
            self.state.completed = step
            values |= self._evaluate(step)
            values |= self._monitor(groups, step)
        values |= self.timers.take()
        return values | throughput_metrics(values, self.config.training.epochs)

    def learn(self, groups: Sequence[Group], step: int) -> dict[str, float]:
        """Everything between the rewards and the new weights, for collected or replayed groups."""
        with self.timers("advantages"):
            training_groups, statistics = make_training_groups(groups, self.config.advantages)
            values = group_metrics(groups, statistics)
        with self.timers("batching"):
            mini_batches = [
                self._pack(mini_batch)
                for mini_batch in make_mini_batches(
                    training_groups,
                    self.config.batching.mini_batches,
                    kl_beta=self.config.training.kl_beta,
                )
            ]
            load = PackingLoad.of(mini_batches, self.parallel.data_parallel_rank)
            values |= batching_metrics(self.parallel.gather_objects(load))
        with self.timers("training"):
            scores = [self.policy.logprobs(micro_batches) for micro_batches in mini_batches]
            values |= self._check_mismatch(mini_batches, scores)
            old_logprobs = [[score.logprobs for score in part] for part in scores]
            updates = self._update(mini_batches, old_logprobs, step)
        return values | update_metrics(updates)

    def _draw_prompts(self, step_index: int) -> tuple[list[Prompt], dict[str, float]]:
        with self.timers("data"):
            tasks = self.mixture.next_batch(step_index)
            prompts, skipped = build_prompts(
                tasks, self.encoder, self.config, seed=self.config.run.seed, step_index=step_index
            )
        return prompts, {
            "data/all/phase": self.config.data.phase(step_index),
            "data/all/prompts": len(prompts),
            "data/all/skipped_prompts": len(skipped),
        }

    def _collect(
        self, prompts: Sequence[Prompt], step: int, values: dict[str, float]
    ) -> list[Group]:
        """The rewarded groups of the whole batch, on every rank, in the order of the prompts."""
        step_index = step - 1
        counters = RolloutStatistics()
        shares = deal(prompts, self.replica.count, self.config.rollout, self.state.expected_tokens)
        share = shares[self.replica.index]
        seeds = np.random.SeedSequence([self.config.run.seed, step_index])
        self.scorer.start_step(step_index)
        rollouts = collect(
            self.engine,
            share,
            self.encoder,
            self.config,
            self.replica.seed(int(seeds.generate_state(1)[0])),
            statistics=counters,
        )
        is_generating = True
        while is_generating:
            with self.timers("rollout"):
                rollout = next(rollouts, None)
                self._show(f"rollout {counters.prompts}/{len(share)} groups")
            is_generating = rollout is not None
            if rollout is not None and self.replica.is_lead:
                with self.timers("rewards"):  # the engine waits for it
                    self.scorer.submit(rollout)
        with self.timers("rewards"):
            finished = self.scorer.drain()
        with self.timers("rollout"):
            groups = gather(finished, prompts, self.replica, self.parallel.host_group)
        check_versions((group.rollout for group in groups), self.state.policy_version)
        self.state.expected_tokens |= mean_response_tokens(groups)
        # The ranks of one engine count the same.
        mine = counters if self.replica.is_lead else None
        replicas = [found for found in self.parallel.gather_objects(mine) if found is not None]
        values |= rollout_metrics(replicas)
        if self._is_due(self.config.metrics.rollout_every, step):
            self._record_rollouts(groups, step)
        return groups

    def _record_rollouts(self, groups: Sequence[Group], step: int) -> None:
        self.parallel.on_main(lambda: self.rollout_log.write(step, groups))

    def _pack(self, mini_batch: Sequence[TrainingGroup]) -> list[MicroBatch]:
        return pack_mini_batch(
            mini_batch,
            self.config.batching,
            self.policy.packing,
            self.parallel.data_parallel_rank,
            kl_beta=self.config.training.kl_beta,
        )

    def _check_mismatch(
        self,
        mini_batches: Sequence[Sequence[MicroBatch]],
        scores: Sequence[Sequence[TokenScores]],
    ) -> dict[str, float]:
        """Measures how far engine and trainer are apart; the gate at every step."""
        engine: list[Float32Array] = []
        trainer: list[Float32Array] = []
        for batches, parts in zip(mini_batches, scores, strict=True):
            for batch, score in zip(batches, parts, strict=True):
                engine += split_sequences(batch, batch.rollout_logprobs)
                trainer += split_sequences(batch, score.logprobs.cpu().numpy())
        mine = (self.parallel.data_parallel_rank, mismatch(engine, trainer))
        # The ranks of one model copy hold the same numbers: one of them counts.
        by_rank: dict[int, Mismatch] = dict(self.parallel.gather_objects(mine))
        measured = merge(list(by_rank.values()))
        check_mismatch(measured, self.config.weight_sync)
        return mismatch_metrics(measured)

    def _update(
        self,
        mini_batches: Sequence[Sequence[MicroBatch]],
        old_logprobs: Sequence[Sequence[Tensor]],
        step: int,
    ) -> list[UpdateStatistics]:
        """All epochs over the batch, with the old log-probs frozen."""
        training = self.config.training
        lr = learning_rate(training.optimizer, step - 1, self.config.run.steps)
        references: list[list[Tensor] | None] = [None] * len(mini_batches)
        if training.kl_beta > 0:
            references = [self.policy.reference_logprobs(batches) for batches in mini_batches]
        updates = []
        for epoch in range(training.epochs):
            for number, micro_batches in enumerate(mini_batches):
                self._show(f"training epoch {epoch + 1}/{training.epochs}, mini-batch {number + 1}")
                update = self.policy.update(
                    micro_batches, old_logprobs[number], lr, references[number]
                )
                updates.append(update)
                self._count_skipped(update, step)
        return updates

    def _evaluate(self, step: int) -> dict[str, float]:
        if self.held_out is None or not self._is_due(self.config.evaluation.every, step):
            return {}
        with self.timers("evaluation"):
            evaluation = self.held_out.evaluate(f"step {step}", step, self.timers.tick)
        self.parallel.on_main(lambda: record_evaluation(self.directory, evaluation, in_run=True))
        return {f"evaluation/{name}": value for name, value in evaluation.values.items()}

    def _monitor(self, groups: Sequence[Group], step: int) -> dict[str, float]:
        if self.monitor is None or not self._is_due(self.config.monitoring.every, step):
            return {}
        with self.timers("monitoring"):
            return self.monitor.measure(groups, step, self.timers.tick)

    def _count_skipped(self, update: UpdateStatistics, step: int) -> None:
        self.state.skipped_in_a_row = self.state.skipped_in_a_row + 1 if update.skipped else 0
        if self.state.skipped_in_a_row > self.config.training.max_skipped_updates:
            raise NonFiniteUpdatesError(
                f"{self.state.skipped_in_a_row} updates in a row had a gradient norm of "
                f"{update.grad_norm} (step {step}, learning rate {update.lr:g}). Lower "
                "training.optimizer.lr, or look at this step's rollouts in "
                f"{self.rollout_log.path(step)}"
            )

    def _sync_weights(self) -> None:
        with self.timers("weight_sync"):
            self.state.policy_version += 1
            self.engine.wake_up()
            self.weight_sync.sync(self.state.policy_version)

    def _is_due(self, every: int, step: int) -> bool:
        return every > 0 and step % every == 0

    def _manifest(self) -> dict[str, Any]:
        """What a checkpoint has to say of the loop."""
        return {
            "policy_version": self.state.policy_version,
            "data_state": self.mixture.state(),
            "counters": {"skipped_in_a_row": self.state.skipped_in_a_row}
            | ({} if self.monitor is None else self.monitor.counters()),
            "expected_tokens": {
                kind.value: tokens for kind, tokens in self.state.expected_tokens.items()
            },
        }

    def _resume(self) -> None:
        """Takes up the newest whole checkpoint, and removes what was written after it."""
        saved = self.checkpoints.resume()
        if saved is not None:
            manifest = saved.manifest
            self.mixture.load_state(manifest.data_state)
            # The sync that follows raises the version to the one the run had.
            self.state = RunState(
                manifest.step,
                manifest.policy_version - 1,
                manifest.counters["skipped_in_a_row"],
                {TaskKind(kind): tokens for kind, tokens in manifest.expected_tokens.items()},
            )
            if self.monitor is not None:
                self.monitor.load_counters(manifest.counters)
        self.parallel.on_main(self._cut_off_records)

    def _cut_off_records(self) -> None:
        self.rollout_log.cut_off(self.state.completed)
        cut_off_evaluations(self.directory, self.state.completed)

    def _show(self, text: str) -> None:
        if self.metrics is not None and self.parallel.is_main:
            self.metrics.progress.show_stage(text)
