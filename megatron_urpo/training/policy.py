"""The policy: one model under training.

consumes   MicroBatches of this data-parallel rank, the same number on every rank
produces   log-probs, updates, Hugging Face weights, checkpoints
waits for  every rank: all methods are collectives

Losses are summed, never averaged: the denominators are in MicroBatch.loss_weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.distributed import finalize_model_grads
from megatron.core.pipeline_parallel import get_forward_backward_func
from megatron.core.utils import get_model_config
from torch import Tensor

from megatron_urpo.config import Config, ConfigError, OptimizerConfig
from megatron_urpo.training.attention_plan import pack_for_local, pack_for_transformer_engine
from megatron_urpo.training.hf_config import ModelShape, fingerprint, read_model_shape
from megatron_urpo.training.hf_export import export_hf_directory, refuse_overwriting
from megatron_urpo.training.hf_weights import load_hf_weights, stream_hf_weights
from megatron_urpo.training.loss import (
    approximate_kl,
    clipped_surrogate,
    importance_weights,
    kl_penalty,
)
from megatron_urpo.training.model import build_model
from megatron_urpo.training.optimizer import Optimizer, wrap_model
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.sharded_state import load_sharded_state, save_sharded_state
from megatron_urpo.types import MicroBatch, TaskKind


class NonFiniteUpdatesError(RuntimeError):
    """Too many updates in a row had a gradient that is not finite."""


@dataclass(frozen=True, slots=True)
class TokenScores:
    """What the model says of the predicted tokens of a micro-batch."""

    logprobs: Tensor  # (L,) float32, at the sampling temperature
    entropy: Tensor  # (L,) float32, nats, of the distribution each token was drawn from


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


# (log-probs, entropy) of a micro-batch -> its summed loss, and statistics to be summed.
_MicroBatchLoss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
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
        self.shares_prefix = _resolve_share_prefix(config.batching.share_prefix, implementation)
        local = implementation == "local"
        self._pack = pack_for_local if local else pack_for_transformer_engine
        model = build_model(shape, config, parallel)
        load_hf_weights(model, config.model.path, shape, parallel)
        self._transformer_config = get_model_config(model)
        self._model = wrap_model(model, self._transformer_config, config.training)
        self._optimizer = Optimizer(self._model, optimizer, config.training, parallel.platform)
        self._transformer_config.finalize_model_grads_func = _sum_gradients
        self._reference: list[Tensor] | None = None
        if config.training.kl_beta > 0:
            self._reference = [p.detach().to("cpu", copy=True) for p in self._model.parameters()]

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

        def keep(logprobs: Tensor, entropy: Tensor, **_: bool) -> TokenScores:
            return TokenScores(logprobs, entropy)

        if not micro_batches:
            return []
        with torch.no_grad():
            scores = self._run(micro_batches, [keep] * len(micro_batches), forward_only=True)
        return self._from_last_stage(scores, micro_batches)

    def reference_logprobs(self, micro_batches: Sequence[MicroBatch]) -> list[Tensor]:
        """Log-probs under the reference weights, (L,) float32 each. Needs training.kl_beta > 0."""
        if self._reference is None:
            raise ValueError("training.kl_beta = 0: no reference weights are kept")
        parameters = [p.data for p in self._model.parameters()]
        current = [p.clone() for p in parameters]
        _copy_into(parameters, self._reference)
        scores = self.logprobs(micro_batches)
        _copy_into(parameters, current)
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
            partial(self._surrogate_loss, batch, old.to(self.parallel.device), reference)
            for batch, old, reference in zip(micro_batches, old_logprobs, references, strict=True)
        ]
        return self._step(micro_batches, losses, lr)

    def update_supervised(self, micro_batches: Sequence[MicroBatch], lr: float) -> UpdateStatistics:
        """One optimizer step on demonstrations: loss = -sum(loss_weights * log-prob)."""
        losses = [partial(self._supervised_loss, batch) for batch in micro_batches]
        return self._step(micro_batches, losses, lr)

    def hf_weights(self) -> Iterator[tuple[str, Tensor]]:
        """All weights as (Hugging Face name, full tensor). Every rank must exhaust it."""
        return stream_hf_weights(self._model, self.shape, self.parallel)

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

    def identity(self) -> dict[str, Any]:
        """What a run is bound to, a checkpoint has to agree: the shape, and the starting weights.

        The weights are told apart by the first and last MiB of their files, which is cheap for
        models of any size.
        """
        return asdict(self.shape) | {"starting_weights": fingerprint(Path(self.config.model.path))}

    def save(self, directory: str | Path) -> None:
        """Writes model and optimizer state into an existing, empty directory."""
        save_sharded_state(Path(directory), self._model, self._optimizer, self.shape)

    def load(self, directory: str | Path) -> None:
        """Loads what `save` wrote; reference weights stay those of config.model.path."""
        load_sharded_state(Path(directory), self._model, self._optimizer, self.shape)

    def _surrogate_loss(
        self,
        batch: MicroBatch,
        old_logprobs: Tensor,
        reference: Tensor | None,
        logprobs: Tensor,
        entropy: Tensor,
    ) -> tuple[Tensor, Tensor]:
        training = self.config.training
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
        self, batch: MicroBatch, logprobs: Tensor, entropy: Tensor
    ) -> tuple[Tensor, Tensor]:
        loss = -(self._on_device(batch.loss_weights) * logprobs).sum()
        columns = torch.zeros((len(entropy), _NUM_STATISTICS), device=entropy.device)
        columns[:, 0], columns[:, 1], columns[:, 2] = 1.0, entropy, 1.0
        return loss, self._sum_by_kind(batch, columns)

    def _sum_by_kind(self, batch: MicroBatch, columns: Tensor) -> Tensor:
        """(L, statistics) -> (kinds, statistics) float64 sums."""
        codes = torch.from_numpy(batch.kind_codes).to(self.parallel.device, torch.int64)
        sums = columns.new_zeros((len(TaskKind), _NUM_STATISTICS), dtype=torch.float64)
        return sums.index_add_(0, codes, columns.double())

    def _step(
        self, micro_batches: Sequence[MicroBatch], losses: Sequence[_MicroBatchLoss], lr: float
    ) -> UpdateStatistics:
        self._optimizer.zero_grad()
        outputs = self._run(micro_batches, losses, forward_only=False)
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

    def _run(
        self,
        micro_batches: Sequence[MicroBatch],
        losses: Sequence[Callable[..., Any]],
        forward_only: bool,
    ) -> list[Any]:
        """Runs Megatron's schedule; returns what the losses report, on the last stage only."""

        def forward_step(items: Iterator[Any], model: torch.nn.Module) -> tuple[Any, Any]:
            batch, loss = next(items)
            output = model(
                self._on_device(batch.token_ids)[None],
                self._on_device(batch.position_ids)[None],
                None,
                packed_seq_params=self._pack(batch, self.parallel.device),
            )
            finish = _report if forward_only else _loss_and_report
            return output, partial(finish, batch, loss)

        return get_forward_backward_func()(
            forward_step_func=forward_step,
            data_iterator=iter(zip(micro_batches, losses, strict=True)),
            model=[self._model],
            num_microbatches=len(micro_batches),
            seq_length=max(len(batch.token_ids) for batch in micro_batches),
            micro_batch_size=1,
            forward_only=forward_only,
            collect_non_loss_data=forward_only,
        )

    def _reduce(self, outputs: Sequence[tuple[Tensor, Tensor]]) -> tuple[float, Tensor]:
        """Loss and statistics summed over micro-batches and data-parallel ranks, on all ranks."""
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

    def _from_last_stage(
        self, scores: list[TokenScores], micro_batches: Sequence[MicroBatch]
    ) -> list[TokenScores]:
        if self.parallel.pipeline_parallel_size == 1:
            return scores
        group = parallel_state.get_pipeline_model_parallel_group()
        last = parallel_state.get_pipeline_model_parallel_last_rank()
        received = []
        for number, batch in enumerate(micro_batches):
            pair = torch.empty((2, batch.num_loss_tokens), device=self.parallel.device)
            if self.parallel.is_last_stage:
                pair[0], pair[1] = scores[number].logprobs, scores[number].entropy
            dist.broadcast(pair, src=last, group=group)
            received.append(TokenScores(pair[0], pair[1]))
        return received

    def _on_device(self, array: Any) -> Tensor:
        tensor = torch.from_numpy(array).to(self.parallel.device)
        return tensor.float() if tensor.is_floating_point() else tensor


def _resolve_share_prefix(choice: str, implementation: str) -> bool:
    """Whether micro-batches hold a prompt once for all its branches (batching.share_prefix)."""
    local = implementation == "local"
    if choice == "always" and not local:
        raise ConfigError(
            "batching.share_prefix = 'always': the attention of Transformer Engine computes every "
            "branch with its own prompt; choose 'auto' or 'never'"
        )
    return local and choice != "never"


def _report(
    batch: MicroBatch,
    keep: Callable[..., Any],
    output: tuple[Tensor, Tensor],
    non_loss_data: bool = True,  # Megatron's schedule names it
) -> Any:
    return keep(*output)


def _loss_and_report(
    batch: MicroBatch, compute: _MicroBatchLoss, output: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    loss, sums = compute(*output)
    num_tokens = torch.tensor(batch.num_loss_tokens, dtype=torch.int, device=loss.device)
    return loss, num_tokens, (loss.detach(), sums)


def _sum_gradients(
    model: list[torch.nn.Module], num_tokens: Tensor | None = None, **kwargs: Any
) -> None:
    """Megatron's reduction of gradients without its division by the number of tokens."""
    finalize_model_grads(model, None, **kwargs)


def _copy_into(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for target, source in zip(targets, sources, strict=True):
            target.copy_(source)
