"""Estimated seconds of each stage of a step, from stated rates. For comparing layouts.

A forward pass costs two operations a weight and token, plus attention over half the sequence on
average; a backward pass twice that; full recomputation one forward pass more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from megatron_urpo.config import Config
from megatron_urpo.layout import Layout
from megatron_urpo.model_shape import ModelShape
from megatron_urpo.planning.activations import TrainingLoad
from megatron_urpo.planning.engine import EngineMemory
from megatron_urpo.planning.hardware import Hardware
from megatron_urpo.planning.packing import MiniBatch, Packing
from megatron_urpo.planning.parameters import (
    count_parameters,
    key_size,
    layer_linear_parameters,
    query_size,
    rank_parameters,
)
from megatron_urpo.planning.tokens import Lengths, StepTokens
from megatron_urpo.types import TaskKind

_GRADIENT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds of one step."""

    rollout: float
    judging: float
    logprobs: float
    training: float
    weight_sync: float

    @property
    def step(self) -> float:
        return self.rollout + self.judging + self.logprobs + self.training + self.weight_sync


def estimate_durations(
    shape: ModelShape,
    layout: Layout,
    load: TrainingLoad,
    config: Config,
    engine: EngineMemory,
    tokens: StepTokens,
    packing: Packing,
    lengths: Lengths,
    hardware: Hardware,
) -> Durations:
    """Seconds of each stage of a step with these token counts and this packing of them."""
    context = lengths.prompt + lengths.response
    references = 2 if load.keeps_reference else 1
    passes = 4 if load.recompute_granularity == "full" else 3
    logprobs = epoch = 0.0
    for part in packing.mini_batches:
        forward, head = _pass_seconds(shape, layout, load, part, context, hardware)
        bubble = _bubble(layout, part)
        logprobs += references * (forward + head) * bubble
        # The head computes its logits twice: nothing of them is kept.
        epoch += (passes * forward + 4 * head) * bubble
    epochs = config.training.epochs
    updates = epochs * len(packing.mini_batches)
    judge_context = engine.judge_tokens - lengths.judgement
    return Durations(
        rollout=_generation_seconds(
            shape,
            layout,
            engine,
            hardware,
            fp8=config.rollout.quantization == "fp8",
            groups=sum(tokens.prompts.values()),
            prefill=tokens.prompt_tokens,
            sequences=tokens.samples,
            sampled=tokens.answer_tokens + tokens.judgement_tokens,
            concurrency=engine.player_sequences,
            context=lengths.prompt + lengths.response / 2,
        ),
        judging=_generation_seconds(
            shape,
            layout,
            engine,
            hardware,
            fp8=config.rollout.quantization == "fp8",
            groups=tokens.prompts[TaskKind.INSTRUCTION],
            prefill=tokens.judge_prompt_tokens,
            sequences=tokens.judge_requests,
            sampled=tokens.judge_response_tokens,
            concurrency=engine.judge_sequences,
            context=judge_context + lengths.judgement / 2,
        ),
        logprobs=logprobs,
        training=epochs * epoch + updates * _update_seconds(shape, layout, load, hardware),
        weight_sync=_sync_seconds(shape, layout, load, hardware),
    )


def _pass_seconds(
    shape: ModelShape,
    layout: Layout,
    load: TrainingLoad,
    part: MiniBatch,
    context: float,
    hardware: Hardware,
) -> tuple[float, float]:
    """Of one pass over a mini-batch through the layers, and through the output layer.

    Each copy of the model computes its own groups, and the busiest is waited for.
    """
    ranks = layout.model_parallel_size
    head = _head_seconds(shape, part.loss_tokens, hardware) / ranks
    forward = _layer_seconds(shape, part.tokens, context, hardware, load.fp8) / ranks
    return forward + _exchange_seconds(shape, layout, load, part.tokens, hardware), head


def _bubble(layout: Layout, part: MiniBatch) -> float:
    """How much longer a pipeline takes than its stages work."""
    chunks = part.micro_batches * layout.virtual_pipeline_model_parallel_size
    return 1 + (layout.pipeline_model_parallel_size - 1) / chunks


def _layer_seconds(
    shape: ModelShape, tokens: float, context: float, hardware: Hardware, fp8: bool
) -> float:
    """A forward pass of one device through all layers. FP8 concerns the matrix products alone."""
    products = 2 * layer_linear_parameters(shape) / (hardware.fp8_rate if fp8 else hardware.flops)
    attention = 2 * query_size(shape) * context / hardware.flops
    return shape.num_layers * tokens * (products + attention) / hardware.efficiency


def _head_seconds(shape: ModelShape, tokens: float, hardware: Hardware) -> float:
    operations = 2 * shape.hidden_size * shape.vocab_size * tokens
    return operations / (hardware.flops * hardware.efficiency)


def _exchange_seconds(
    shape: ModelShape, layout: Layout, load: TrainingLoad, tokens: float, hardware: Hardware
) -> float:
    """Tensor parallelism sums hidden states twice a layer and pass, context parallelism passes
    keys and values around.

    Args:
        tokens: of one copy of the model.
    """
    tensor, ring = layout.tensor_model_parallel_size, layout.context_parallel_size
    per_rank = tokens / ring
    hidden = 2 * 2 * (tensor - 1) / tensor * shape.hidden_size
    keys = 2 * key_size(shape, tensor) * (ring - 1)
    layers = shape.num_layers / layout.pipeline_model_parallel_size
    amount = layers * per_rank * load.element_bytes
    across = hardware.network_bandwidth
    if tensor * ring <= hardware.ranks_per_node:
        across = hardware.node_bandwidth
    return amount * (hidden / hardware.node_bandwidth + keys / across)


def _update_seconds(
    shape: ModelShape, layout: Layout, load: TrainingLoad, hardware: Hardware
) -> float:
    """Gradients reduced, Adam's state read and written, weights gathered."""
    parameters = rank_parameters(shape, layout, stage=0).total
    shards = layout.optimizer_shards
    within = layout.world_size <= hardware.ranks_per_node
    bandwidth = hardware.node_bandwidth if within else hardware.network_bandwidth
    moved = (_GRADIENT_BYTES + load.element_bytes) * parameters * (shards - 1) / shards
    state = 2 * (12 + _GRADIENT_BYTES) * parameters / shards
    return moved / bandwidth + state / hardware.memory_bandwidth


def _sync_seconds(
    shape: ModelShape, layout: Layout, load: TrainingLoad, hardware: Hardware
) -> float:
    """Every rank receives what other ranks of its model copy hold, and copies all of it once."""
    size = load.element_bytes * count_parameters(shape)
    ranks = layout.tensor_model_parallel_size * layout.pipeline_model_parallel_size
    bandwidth = hardware.network_bandwidth
    if ranks <= hardware.ranks_per_node:
        bandwidth = hardware.node_bandwidth
    return size * (ranks - 1) / ranks / bandwidth + 2 * size / hardware.memory_bandwidth


def _generation_seconds(
    shape: ModelShape,
    layout: Layout,
    engine: EngineMemory,
    hardware: Hardware,
    *,
    fp8: bool,
    groups: float,
    prefill: float,
    sequences: float,
    sampled: float,
    concurrency: int,
    context: float,
) -> float:
    """Prompts at the rate of products; then steps that read weights and cache once each.

    Args:
        groups: prompts whose samples are written. Each goes whole to one of the engines, of which
            the busiest is waited for.
        prefill, sequences, sampled: of all engines together.
    """
    if sampled == 0 or concurrency == 0:
        return 0.0 if sampled == 0 else math.inf
    ranks = layout.engine_tensor_parallel_size
    share = math.ceil(groups / layout.engines) / groups
    prefill_seconds = _layer_seconds(shape, prefill * share, context, hardware, fp8) / ranks
    together = min(concurrency, max(sequences * share, 1))
    steps = sampled * share / together
    bandwidth = hardware.memory_bandwidth * hardware.bandwidth_efficiency
    read = (engine.weights + together * context * engine.kv_bytes_per_token) / bandwidth
    layers = _layer_seconds(shape, together, context, hardware, fp8)
    computed = (layers + _head_seconds(shape, together, hardware)) / ranks
    exchanged = 0.0
    if ranks > 1:
        amount = 2 * 2 * (ranks - 1) / ranks * shape.hidden_size * 2 * together * shape.num_layers
        exchanged = amount / hardware.node_bandwidth
    return prefill_seconds + steps * (max(read, computed) + exchanged)
