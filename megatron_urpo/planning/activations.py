"""What the autograd graph keeps of a token between forward and backward pass, and for how many.

Two sets of kernels, two sets of tensors. `local` was counted tensor by tensor on the CPU and is
tested against autograd. `transformer_engine` follows Korthikanti et al. 2022 (2205.05198), section
4, for grouped queries, gated MLPs, flash attention and no dropout; not measured on a GPU.

Sizes are in bytes. h hidden size, q and k elements of queries and keys on one tensor-parallel
rank, f its share of ffn_hidden_size, d a head's dimension, e bytes of an element.
"""

from __future__ import annotations

from dataclasses import dataclass

from megatron_urpo.layout import Layout
from megatron_urpo.model_shape import ModelShape
from megatron_urpo.planning.parameters import key_size, query_size

_FLOAT32 = 4


@dataclass(frozen=True, slots=True)
class TrainingLoad:
    """How one rank trains: kernels, precision and the packed micro-batch."""

    tokens: int  # of a micro-batch, prompts included, before context parallelism cuts it
    loss_tokens: int  # of these, how many are predicted
    prompt_tokens: int  # of one prompt
    response_tokens: int  # of one response
    branches: int = 1  # responses that share one copy of their prompt in a micro-batch
    implementation: str = "transformer_engine"  # or local
    element_bytes: int = 2  # of a weight and an activation: 2 bfloat16, 4 float32
    recompute_granularity: str = "none"
    logprob_chunk_tokens: int = 1024
    micro_batches: int = 1  # of a mini-batch on one data-parallel rank
    keeps_reference: bool = False  # training.kl_beta > 0
    fp8: bool = False  # of all layers: training.first_last_layers_bf16 is not looked at
    fp8_param_gather: bool = False

    @property
    def is_local(self) -> bool:
        return self.implementation == "local"


def layer_bytes_per_token(shape: ModelShape, layout: Layout, load: TrainingLoad) -> int:
    """What one layer keeps of one token without full recomputation.

    `selective` recomputes the attention scores. Neither kernel keeps them in the first place, so
    it saves nothing of note and counts as none.
    """
    tensor = layout.tensor_model_parallel_size
    hidden, dim = shape.hidden_size, shape.kv_channels
    shared = 4 * dim * load.element_bytes  # cosines and sines of queries and of keys
    residual = 2 * _norm_bytes(hidden, load) + 2 * hidden * _linear_input_bytes(load)
    if layout.sequence_parallel:
        residual //= tensor
    return (
        shared + residual + _attention_bytes(shape, layout, load) + mlp_bytes(shape, tensor, load)
    )


def _norm_bytes(width: int, load: TrainingLoad) -> int:
    """A norm's input and one over its deviation; torch's own also keeps the normalised rows."""
    if load.is_local:
        return 2 * _FLOAT32 * width + _FLOAT32
    return load.element_bytes * width + _FLOAT32


def _linear_input_bytes(load: TrainingLoad) -> int:
    """An element that a matrix of a layer keeps for its weight gradient."""
    return 1 if load.fp8 else load.element_bytes


def _attention_bytes(shape: ModelShape, layout: Layout, load: TrainingLoad) -> int:
    tensor, context = layout.tensor_model_parallel_size, layout.context_parallel_size
    queries, keys = query_size(shape, tensor), key_size(shape, tensor)
    heads, groups = queries // shape.kv_channels, keys // shape.kv_channels
    if load.is_local and context > 1:
        # Rotated queries and the result; keys and values of the tokens of all ranks.
        size = load.element_bytes * (2 * queries + 2 * keys * context)
    else:
        # Rotated queries and keys; the projection's output, of which the values are a view; the
        # result.
        size = load.element_bytes * ((queries + keys) + (queries + 2 * keys) + queries)
    if not load.is_local:
        size += _FLOAT32 * heads  # log-sum-exp
        if load.fp8:
            size += queries  # the result once more, as the output matrix keeps it
    if shape.qk_layernorm:
        size += _qk_norm_bytes(queries, keys, heads + groups, load)
    return size


def _qk_norm_bytes(queries: int, keys: int, rows: int, load: TrainingLoad) -> int:
    if not load.is_local:
        return load.element_bytes * (queries + keys) + _FLOAT32 * rows
    # Keys in float32 are read where the projection wrote them.
    inputs = queries if load.element_bytes == _FLOAT32 else queries + keys
    return _FLOAT32 * (inputs + queries + keys + rows)


def mlp_bytes(shape: ModelShape, tensor: int, load: TrainingLoad) -> int:
    """Gate and up projection; the local kernels also keep SiLU(gate) and a copy of up; the product,
    which is the down projection's input."""
    ffn = shape.ffn_hidden_size // tensor
    if load.is_local:
        return 5 * load.element_bytes * ffn
    return (2 * load.element_bytes + _linear_input_bytes(load)) * ffn


def final_norm_bytes_per_token(shape: ModelShape, layout: Layout, load: TrainingLoad) -> int:
    size = _norm_bytes(shape.hidden_size, load)
    return size // layout.tensor_model_parallel_size if layout.sequence_parallel else size


def layers_in_flight(layout: Layout, num_layers: int, stage: int, micro_batches: int) -> int:
    """Layers whose activations a stage holds at once, each of one micro-batch.

    One forward, one backward: stage s of p holds p - s micro-batches. Interleaved over v model
    chunks it starts (p - s - 1) * 2 + (v - 1) * p chunks before its first backward pass and has one
    more in hand (Narayanan et al. 2021, 2104.04473, section 2.2; the schedule of megatron-core).
    """
    pipeline, virtual = (
        layout.pipeline_model_parallel_size,
        layout.virtual_pipeline_model_parallel_size,
    )
    chunk_layers = num_layers // (pipeline * virtual)
    if virtual == 1:
        chunks = pipeline - stage
    else:
        chunks = (pipeline - stage - 1) * 2 + (virtual - 1) * pipeline + 1
    return min(chunks, micro_batches * virtual) * chunk_layers


def saved_activations(shape: ModelShape, layout: Layout, load: TrainingLoad, stage: int) -> int:
    """Bytes that a stage keeps for backward passes when it holds most."""
    tokens = tokens_of_rank(load.tokens, layout)
    pipeline = layout.pipeline_model_parallel_size
    layers = layers_in_flight(layout, shape.num_layers, stage, load.micro_batches)
    per_layer = layer_bytes_per_token(shape, layout, load)
    if load.recompute_granularity == "full":
        per_layer = residual_bytes_per_token(shape, layout, load)
    size = layers * per_layer * tokens
    micro_batches = min(pipeline - stage, load.micro_batches)
    if pipeline > 1:
        # What came from the previous stage and what went to the next.
        size += 2 * micro_batches * residual_bytes_per_token(shape, layout, load) * tokens
    if stage == pipeline - 1:
        size += final_norm_bytes_per_token(shape, layout, load) * tokens
        size += head_saved_bytes(shape, layout, load)
    return size


def residual_bytes_per_token(shape: ModelShape, layout: Layout, load: TrainingLoad) -> int:
    """Hidden states between two layers."""
    size = load.element_bytes * shape.hidden_size
    return size // layout.tensor_model_parallel_size if layout.sequence_parallel else size


def head_saved_bytes(shape: ModelShape, layout: Layout, load: TrainingLoad) -> int:
    """Hidden states at the loss positions, and the columns of the loss: about ten of 4 bytes."""
    positions = tokens_of_rank(load.loss_tokens, layout)
    return positions * (load.element_bytes * shape.hidden_size + 10 * _FLOAT32)


def tokens_of_rank(tokens: int, layout: Layout) -> int:
    """A rank's share of a micro-batch's tokens under context parallelism."""
    return -(-tokens // layout.context_parallel_size)
