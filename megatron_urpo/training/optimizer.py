"""DDP and the distributed optimizer: AdamW on fp32 master weights, sharded over the ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig
from megatron.core.optimizer import OptimizerConfig as MegatronOptimizerConfig
from megatron.core.optimizer import get_megatron_optimizer
from megatron.core.optimizer.clip_grads import (
    clip_grad_by_total_norm_fp32,
    get_grad_norm_fp32,
)
from megatron.core.optimizer.distrib_optimizer import DistributedOptimizer

from megatron_urpo import fp8
from megatron_urpo.config import OptimizerConfig, TrainingConfig
from megatron_urpo.training.platform import Platform, cuda_type_names

_NORM_ELEMENTS = 1 << 16


def learning_rate(config: OptimizerConfig, step_index: int, total_steps: int) -> float:
    """Linear warm-up, then cosine decay from lr to min_lr.

    Args:
        step_index: of the collected batch, from 0; all its epochs and mini-batches share the rate.
        total_steps: of the whole job. Beyond it the rate stays at min_lr.

    Returns:
        the learning rate of that step: lr right after the warm-up, min_lr in the last step's limit.
    """
    if step_index < config.lr_warmup_steps:
        return config.lr * (step_index + 1) / config.lr_warmup_steps
    decay_steps = max(total_steps - config.lr_warmup_steps, 1)
    progress = min((step_index - config.lr_warmup_steps) / decay_steps, 1.0)
    return config.min_lr + (config.lr - config.min_lr) * 0.5 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What one optimizer step did."""

    grad_norm: float  # global, before clipping; not finite when skipped
    skipped: bool  # the gradient was not finite: weights and optimizer state are untouched


def wrap_model(
    chunks: Sequence[torch.nn.Module], transformer_config: Any, training: TrainingConfig
) -> list[DistributedDataParallel]:
    """Gradient buffers in fp32, reduced once an update; summed, not averaged, over the ranks."""
    ddp_config = DistributedDataParallelConfig(
        grad_reduce_in_fp32=True,
        use_distributed_optimizer=True,
        overlap_grad_reduce=training.overlap_grad_reduce,
        overlap_param_gather=False,
        bucket_size=training.ddp_bucket_size or None,
        **fp8.ddp_arguments(training),
    )
    wrapped = [
        # As in Megatron: the gradients of later virtual stages are ready first, and are not cut.
        DistributedDataParallel(transformer_config, ddp_config, chunk, disable_bucketing=number > 0)
        for number, chunk in enumerate(chunks)
    ]
    if training.overlap_grad_reduce:
        # What keeps the schedule from reducing before the last micro-batch.
        functions = [chunk.no_sync for chunk in wrapped]
        transformer_config.no_sync_func = functions if len(functions) > 1 else functions[0]
    return wrapped


class Optimizer:
    """Steps, clips and skips. Weight decay leaves out biases and norms, as Megatron does."""

    def __init__(
        self,
        chunks: Sequence[DistributedDataParallel],
        config: OptimizerConfig,
        training: TrainingConfig,
        platform: Platform,
    ) -> None:
        dtype = next(chunks[0].parameters()).dtype
        megatron_config = MegatronOptimizerConfig(
            optimizer="adam",
            lr=config.lr,
            min_lr=config.min_lr,
            weight_decay=config.weight_decay,
            adam_beta1=config.adam_beta1,
            adam_beta2=config.adam_beta2,
            adam_eps=config.adam_eps,
            clip_grad=config.clip_grad,
            bf16=dtype == torch.bfloat16,
            params_dtype=dtype,
            use_distributed_optimizer=True,
            **fp8.optimizer_arguments(training),
        )
        self._config = config
        self._platform = platform
        self._chunks = list(chunks)
        with cuda_type_names(platform):
            self._chained = get_megatron_optimizer(
                megatron_config, self._chunks, use_gloo_process_groups=platform.is_cuda
            )
        if isinstance(self.distributed.optimizer, torch.optim.AdamW):
            # One pass over memory instead of ten. Megatron builds torch's AdamW without asking.
            for group in self.distributed.optimizer.param_groups:
                group["fused"] = True

    @property
    def distributed(self) -> DistributedOptimizer:
        """Megatron's optimizer of the dense parameters, the only one these models have."""
        (optimizer,) = self._chained.chained_optimizers
        return optimizer

    def tensors(self) -> list[torch.Tensor]:
        """Master weights, and the state of each."""
        states = self.distributed.optimizer.state
        return [*states, *(value for state in states.values() for value in state.values())]

    def zero_grad(self) -> None:
        for chunk in self._chunks:
            chunk.zero_grad_buffer()
        self._chained.zero_grad()

    @torch.no_grad()
    def step(self, lr: float) -> StepOutcome:
        """One AdamW step on the summed gradients, clipped to the configured global norm."""
        for group in self._chained.param_groups:
            group["lr"] = lr
            # Megatron leaves this product to its own scheduler, which is not used here.
            group["weight_decay"] = self._config.weight_decay * group["wd_mult"]
        with cuda_type_names(self._platform):
            self._chained.prepare_grads()
            grad_norm = self._grad_norm()
            if not math.isfinite(grad_norm):
                return StepOutcome(grad_norm, skipped=True)
            if self._config.clip_grad > 0:
                clip_grad_by_total_norm_fp32(
                    self._chained.chained_optimizers[0].get_parameters(),
                    max_norm=self._config.clip_grad,
                    total_norm=grad_norm,
                )
            self._chained.step_with_ready_grads()
        return StepOutcome(grad_norm, skipped=False)

    def _grad_norm(self) -> float:
        """Norm of the gradients of the whole model, on every rank."""
        if self._platform.is_cuda:
            return float(self._chained.get_grad_norm())
        # Torch's norm on the CPU adds a whole tensor up in float32. For an embedding of 28 million
        # values that is wrong by 4e-5, and by something else when it is cut over several ranks.
        distributed = self.distributed
        pieces = [
            piece
            for gradient in distributed.get_main_grads_for_grad_norm()
            for piece in gradient.view(-1).split(_NORM_ELEMENTS)
        ]
        return float(
            get_grad_norm_fp32(
                pieces, grad_stats_parallel_group=distributed.get_grad_stats_parallel_group()
            )
        )
