"""Micro-batches through the stages of the model: Megatron's schedules, one way and both ways.

consumes   MicroBatches of this data-parallel rank, the same number on every rank
produces   what the losses report, on the last pipeline stage; or log-probs, everywhere
waits for  every rank of the model copy
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.pipeline_parallel import get_forward_backward_func
from torch import Tensor

from megatron_urpo.training.attention_plan import (
    PackedShard,
    pack_for_local,
    pack_for_transformer_engine,
)
from megatron_urpo.training.context_parallel import ContextShard
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.types import MicroBatch


@dataclass(frozen=True, slots=True)
class TokenScores:
    """What the model says of the predicted tokens of a micro-batch."""

    logprobs: Tensor  # (L,) float32, at the sampling temperature
    entropy: Tensor  # (L,) float32, nats, of the distribution each token was drawn from


# This rank's shard of a micro-batch, its log-probs (l,) and entropies (l,) -> the summed loss and
# statistics to be summed.
ShardLoss = Callable[[ContextShard, Tensor, Tensor], tuple[Tensor, Tensor]]


class Pipeline:
    """The chunks of the model this rank holds, run by Megatron's schedule."""

    def __init__(
        self, chunks: Sequence[torch.nn.Module], parallel: Parallel, implementation: str
    ) -> None:
        """
        Args:
            implementation: "local" or "transformer_engine", which pack micro-batches differently.
        """
        self._chunks = list(chunks)
        self._parallel = parallel
        self._pack = pack_for_local if implementation == "local" else pack_for_transformer_engine

    def forward_backward(
        self, micro_batches: Sequence[MicroBatch], losses: Sequence[ShardLoss]
    ) -> list[tuple[Tensor, Tensor]]:
        """Adds the gradients of all losses; returns (loss, statistics) a micro-batch.

        Those are this context-parallel rank's share, and empty before the last pipeline stage.
        """
        return self._run(self._packed(micro_batches), losses, forward_only=False)

    @torch.no_grad()
    def scores(self, micro_batches: Sequence[MicroBatch]) -> list[TokenScores]:
        """Scores of the predicted tokens, one entry a micro-batch, on every rank."""

        def keep(shard: ContextShard, logprobs: Tensor, entropy: Tensor) -> TokenScores:
            return TokenScores(logprobs, entropy)

        if not micro_batches:
            return []
        packed = self._packed(micro_batches)
        scores: list[Any] = self._run(packed, [keep] * len(packed), forward_only=True)
        if not self._parallel.is_last_stage:
            scores = [None] * len(packed)
        return [
            self._share(score, one.shard, batch.num_loss_tokens)
            for score, one, batch in zip(scores, packed, micro_batches, strict=True)
        ]

    def _packed(self, micro_batches: Sequence[MicroBatch]) -> list[PackedShard]:
        place = self._parallel
        return [
            self._pack(
                batch, place.device, place.context_parallel_rank, place.context_parallel_size
            )
            for batch in micro_batches
        ]

    def _run(
        self,
        packed: Sequence[PackedShard],
        losses: Sequence[Callable[..., Any]],
        forward_only: bool,
    ) -> list[Any]:
        """Runs Megatron's schedule; returns what the losses report, on the last stage only."""
        device = self._parallel.device

        def forward_step(items: Iterator[Any], model: torch.nn.Module) -> tuple[Any, Any]:
            one, loss = next(items)
            output = model(
                torch.from_numpy(one.shard.batch.token_ids).to(device)[None],
                torch.from_numpy(one.shard.batch.position_ids).to(device)[None],
                None,
                packed_seq_params=one.packing,
            )
            finish = _report if forward_only else _loss_and_report
            return output, partial(finish, one.shard, loss)

        work = list(zip(packed, losses, strict=True))
        iterators = [iter(work) for _ in self._chunks]
        return get_forward_backward_func()(
            forward_step_func=forward_step,
            data_iterator=iterators if len(iterators) > 1 else iterators[0],
            model=self._chunks,
            num_microbatches=len(work),
            seq_length=max(len(one.shard.batch.token_ids) for one in packed),
            micro_batch_size=1,
            forward_only=forward_only,
            collect_non_loss_data=forward_only,
        )

    def _share(
        self, score: TokenScores | None, shard: ContextShard, num_tokens: int
    ) -> TokenScores:
        """The scores of a micro-batch from its last stage, and its context-parallel shards."""
        place = self._parallel
        if score is not None and shard.loss_indices is None and place.pipeline_parallel_size == 1:
            return score
        pair = torch.zeros((2, num_tokens), device=place.device)
        if score is not None:
            mine = slice(None) if shard.loss_indices is None else shard.loss_indices
            pair[0, mine], pair[1, mine] = score.logprobs, score.entropy
            dist.all_reduce(pair, group=parallel_state.get_context_parallel_group())
        if place.pipeline_parallel_size > 1:
            dist.broadcast(
                pair,
                src=parallel_state.get_pipeline_model_parallel_last_rank(),
                group=parallel_state.get_pipeline_model_parallel_group(),
            )
        return TokenScores(pair[0], pair[1])


def _report(
    shard: ContextShard,
    keep: Callable[..., Any],
    output: tuple[Tensor, Tensor],
    non_loss_data: bool = True,  # Megatron's schedule names it
) -> Any:
    return keep(shard, *output)


def _loss_and_report(
    shard: ContextShard, compute: ShardLoss, output: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    loss, sums = compute(shard, *output)
    num_tokens = torch.tensor(shard.batch.num_loss_tokens, dtype=torch.int, device=loss.device)
    return loss, num_tokens, (loss.detach(), sums)
