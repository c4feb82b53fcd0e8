"""The policy: one model under training.

consumes   MicroBatches of this data-parallel rank, the same number on every rank
produces   log-probs, updates, Hugging Face weights, checkpoints
waits for  every rank: all methods are collectives

Losses are summed, never averaged: the denominators are in MicroBatch.loss_weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from megatron.core.distributed import finalize_model_grads
from megatron.core.utils import get_model_config
from torch import Tensor

from megatron_urpo.batching import packing_layout
from megatron_urpo.config import Config, OptimizerConfig
from megatron_urpo.model_shape import ModelShape, read_model_shape
from megatron_urpo.training.checkpoint_writing import CheckpointWriting
from megatron_urpo.training.context_parallel import ContextShard
from megatron_urpo.training.hf_export import export_hf_directory, refuse_overwriting
from megatron_urpo.training.hf_weights import load_hf_weights
from megatron_urpo.training.loss import (
    approximate_kl,
    clipped_surrogate,
    importance_weights,
    kl_penalty,
)
from megatron_urpo.training.model import build_model
from megatron_urpo.training.optimizer import Optimizer, wrap_model
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.pipeline import Pipeline, ShardLoss, TokenScores
from megatron_urpo.training.sharded_state import load_sharded_state, plan_sharded_save
from megatron_urpo.training.weight_stream import stream_hf_weights
from megatron_urpo.types import MicroBatch, RunError, TaskKind


class NonFiniteUpdatesError(RunError):
    """Too many updates in a row had a gradient that is not finite."""


@dataclass(frozen=True, slots=True)
class KindStatistics:
    """Means over the trained tokens of one kind of task, all ranks."""

    tokens: int
    entropy: float
    ratio: float  # pi / pi_old
    clip_fraction_low: float
    clip_fraction_high: float
    approx_kl: float  # how far this update's epochs have moved the policy
    reference_kl: float  # to the reference weights; 0 without a KL term


@dataclass(frozen=True, slots=True)
class UpdateStatistics:
    """What one optimizer step did."""

    loss: float  # summed over all ranks, denominators applied
    grad_norm: float  # global, before clipping
    lr: float
    skipped: bool  # the gradient was not finite; nothing was changed
    by_kind: dict[TaskKind, KindStatistics] = field(default_factory=dict)


_NUM_STATISTICS = 7  # per kind: the fields of KindStatistics


class Policy:
    """The model, its optimizer, and optionally a reference copy of the weights it started from."""

    def __init__(
        self, config: Config, parallel: Parallel, shape: ModelShape, optimizer: OptimizerConfig
    ) -> None:
        """Use `from_pretrained`: this reads the weights of config.model.path too."""
        self.config = config
        self.parallel = parallel
        self.shape = shape
        implementation = parallel.platform.transformer_impl(config.training.transformer_impl)
        self.packing = packing_layout(
            config.batching,
            implementation,
            data_parallel_size=parallel.data_parallel_size,
            context_parallel_size=parallel.context_parallel_size,
            pad_multiple=parallel.pad_multiple,
            micro_batch_multiple=parallel.micro_batch_multiple,
        )
        chunks = build_model(shape, config, parallel)
        load_hf_weights(chunks, config.model.path, shape, parallel)
        transformer_config = get_model_config(chunks[0])
        transformer_config.finalize_model_grads_func = _sum_gradients
        self._chunks = wrap_model(chunks, transformer_config, config.training)
        self._pipeline = Pipeline(self._chunks, parallel, implementation)
        self._optimizer = Optimizer(self._chunks, optimizer, config.training, parallel.platform)
        self._reference: list[Tensor] | None = None
        if config.training.kl_beta > 0:
            self._reference = self._weights_on_host()

    @classmethod
    def from_pretrained(
        cls, config: Config, parallel: Parallel, optimizer: OptimizerConfig
    ) -> Policy:
        """Builds the model of config.model.path in config.training's layout.

        Raises:
            ConfigError: config.json is not supported, the weights are not whole, or the layout does
                not divide the model.
        """
        return cls(config, parallel, read_model_shape(config.model.path), optimizer)

    def logprobs(self, micro_batches: Sequence[MicroBatch]) -> list[TokenScores]:
        """Scores of the predicted tokens, one entry a micro-batch, on all pipeline stages.

        With the packing of an update the result is bitwise what that update computes first.
        """

        return self._pipeline.scores(micro_batches)

    def reference_logprobs(self, micro_batches: Sequence[MicroBatch]) -> list[Tensor]:
        """Log-probs under the reference weights, (L,) float32 each. Needs training.kl_beta > 0."""
        if self._reference is None:
            raise ValueError("training.kl_beta = 0: no reference weights are kept")
        current = self._weights_on_host()
        _copy_into(self._parameters(), self._reference)
        scores = self.logprobs(micro_batches)
        _copy_into(self._parameters(), current)
        return [score.logprobs for score in scores]

    def update(
        self,
        micro_batches: Sequence[MicroBatch],
        old_logprobs: Sequence[Tensor],
        lr: float,
        reference_logprobs: Sequence[Tensor] | None = None,
    ) -> UpdateStatistics:
        """One optimizer step on one mini-batch with the clipped surrogate.

        Args:
            micro_batches: of this rank; their loss_weights hold the global denominator.
            old_logprobs: frozen log-probs of the batch, (L,) float32 a micro-batch.
            lr: learning rate of the step.
            reference_logprobs: for the KL term, required when training.kl_beta > 0.
        """
        if (reference_logprobs is None) != (self.config.training.kl_beta == 0):
            raise ValueError("reference_logprobs go together with training.kl_beta > 0")
        references: Sequence[Tensor | None] = reference_logprobs or [None] * len(micro_batches)
        losses = [
            partial(self._surrogate_loss, old.to(self.parallel.device), reference)
            for old, reference in zip(old_logprobs, references, strict=True)
        ]
        return self._step(micro_batches, losses, lr)

    def update_supervised(self, micro_batches: Sequence[MicroBatch], lr: float) -> UpdateStatistics:
        """One optimizer step on demonstrations: loss = -sum(loss_weights * log-prob)."""
        return self._step(micro_batches, [self._supervised_loss] * len(micro_batches), lr)

    def hf_weights(self) -> Iterator[tuple[str, Tensor]]:
        """All weights as (Hugging Face name, full tensor). Every rank must exhaust it."""
        bucket_bytes = self.config.weight_sync.bucket_mib << 20
        return stream_hf_weights(self._chunks, self.shape, self.parallel, bucket_bytes)

    def export(self, directory: str | Path) -> None:
        """Writes a Hugging Face directory with the tokenizer of config.model.path."""
        refuse_overwriting(Path(self.config.model.path), Path(directory))
        model = self.config.model
        export_hf_directory(
            self.hf_weights(),
            Path(model.path),
            Path(directory),
            self.parallel,
            Path(model.chat_template) if model.chat_template else None,
        )
        dist.barrier()

    def state_bytes(self) -> int:
        """About what `save` writes, all ranks together. A collective."""
        place = self.parallel
        mine = 12 * sum(p.numel() for p in self._optimizer.distributed.get_parameters())
        if place.data_parallel_rank == 0 and place.context_parallel_rank == 0:
            mine += sum(p.numel() * p.element_size() for p in self._parameters())
        total = torch.tensor(mine, dtype=torch.int64, device=place.device)
        dist.all_reduce(total)
        return int(total)

    def save(self, directory: str | Path) -> None:
        """Writes model and optimizer state into an existing, empty directory."""
        self._begin_save(Path(directory), ()).finish()

    def begin_save(self, directory: str | Path) -> CheckpointWriting:
        """Begins `save`: the policy may change at once, its files are there after finish()."""
        changing = [*self._parameters(), *self._optimizer.tensors()]
        return self._begin_save(Path(directory), changing)

    def _begin_save(self, directory: Path, changing: Sequence[Tensor]) -> CheckpointWriting:
        request = plan_sharded_save(directory, self._chunks, self._optimizer, self.shape)
        return CheckpointWriting(directory, request, changing)

    def load(self, directory: str | Path) -> None:
        """Loads what `save` wrote; reference weights stay those of config.model.path."""
        load_sharded_state(Path(directory), self._chunks, self._optimizer, self.shape)

    def _parameters(self) -> list[Tensor]:
        return [p.data for chunk in self._chunks for p in chunk.parameters()]

    def _weights_on_host(self) -> list[Tensor]:
        return [p.to("cpu", copy=True) for p in self._parameters()]

    def _surrogate_loss(
        self,
        old_logprobs: Tensor,
        reference: Tensor | None,
        shard: ContextShard,
        logprobs: Tensor,
        entropy: Tensor,
    ) -> tuple[Tensor, Tensor]:
        training, batch = self.config.training, shard.batch
        if shard.loss_indices is not None:
            old_logprobs = old_logprobs[shard.loss_indices]
            reference = reference if reference is None else reference[shard.loss_indices]
        surrogate = clipped_surrogate(
            logprobs,
            old_logprobs,
            self._on_device(batch.advantages),
            training.clip_ratio_low,
            training.clip_ratio_high,
        )
        token_loss = surrogate.loss
        if training.importance_cap > 0:
            rollout_logprobs = self._on_device(batch.rollout_logprobs)
            token_loss = token_loss * importance_weights(
                old_logprobs, rollout_logprobs, training.importance_cap
            )
        reference_kl = torch.zeros_like(old_logprobs)
        if reference is not None:
            penalty = kl_penalty(logprobs, reference.to(self.parallel.device))
            token_loss = token_loss + training.kl_beta * penalty
            reference_kl = penalty.detach()
        loss = (self._on_device(batch.loss_weights) * token_loss).sum()
        columns = torch.stack(
            (
                torch.ones_like(entropy),
                entropy,
                surrogate.ratio,
                surrogate.clipped_low.float(),
                surrogate.clipped_high.float(),
                approximate_kl(logprobs, old_logprobs),
                reference_kl,
            ),
            dim=1,
        )
        return loss, self._sum_by_kind(batch, columns)

    def _supervised_loss(
        self, shard: ContextShard, logprobs: Tensor, entropy: Tensor
    ) -> tuple[Tensor, Tensor]:
        loss = -(self._on_device(shard.batch.loss_weights) * logprobs).sum()
        columns = torch.zeros((len(entropy), _NUM_STATISTICS), device=entropy.device)
        columns[:, 0], columns[:, 1], columns[:, 2] = 1.0, entropy, 1.0
        return loss, self._sum_by_kind(shard.batch, columns)

    def _sum_by_kind(self, batch: MicroBatch, columns: Tensor) -> Tensor:
        """(L, statistics) -> (kinds, statistics) float64 sums."""
        codes = torch.from_numpy(batch.kind_codes).to(self.parallel.device, torch.int64)
        sums = columns.new_zeros((len(TaskKind), _NUM_STATISTICS), dtype=torch.float64)
        return sums.index_add_(0, codes, columns.double())

    def _step(
        self, micro_batches: Sequence[MicroBatch], losses: Sequence[ShardLoss], lr: float
    ) -> UpdateStatistics:
        self._optimizer.zero_grad()
        outputs = self._pipeline.forward_backward(micro_batches, losses)
        outcome = self._optimizer.step(lr)
        loss, sums = self._reduce(outputs)
        return UpdateStatistics(
            loss=loss,
            grad_norm=outcome.grad_norm,
            lr=lr,
            skipped=outcome.skipped,
            by_kind={
                kind: KindStatistics(int(row[0]), *(row[1:] / row[0]).tolist())
                for kind, row in zip(TaskKind, sums, strict=True)
                if row[0] > 0
            },
        )

    def _reduce(self, outputs: Sequence[tuple[Tensor, Tensor]]) -> tuple[float, Tensor]:
        """Loss and statistics summed over micro-batches, data- and context-parallel ranks."""
        total = torch.zeros(
            1 + len(TaskKind) * _NUM_STATISTICS, dtype=torch.float64, device=self.parallel.device
        )
        # Tensor-parallel ranks compute the same numbers: one of them speaks.
        if self.parallel.is_last_stage and self.parallel.tensor_parallel_rank == 0:
            for loss, sums in outputs:
                total[0] += loss
                total[1:] += sums.flatten()
        dist.all_reduce(total)
        total = total.cpu()
        return float(total[0]), total[1:].view(len(TaskKind), _NUM_STATISTICS)

    def _on_device(self, array: Any) -> Tensor:
        tensor = torch.from_numpy(array).to(self.parallel.device)
        return tensor.float() if tensor.is_floating_point() else tensor


def _sum_gradients(
    model: list[torch.nn.Module], num_tokens: Tensor | None = None, **kwargs: Any
) -> None:
    """Megatron's reduction of gradients without its division by the number of tokens."""
    finalize_model_grads(model, None, **kwargs)


def _copy_into(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for target, source in zip(targets, sources, strict=True):
            target.copy_(source)
