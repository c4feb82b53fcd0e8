"""Peak memory of one rank in training, phase by phase and component by component, in bytes.

A phase is a dictionary from component to bytes; its sum is the peak. Weights, gradients and
optimizer state are there in every phase: nothing of the trainer moves to the host. Reference
weights (training.kl_beta > 0) are in the host's memory, which on the CPU is the same.
"""

from __future__ import annotations

from megatron_urpo.layout import Layout
from megatron_urpo.model_shape import ModelShape
from megatron_urpo.planning.activations import (
    TrainingLoad,
    head_saved_bytes,
    residual_bytes_per_token,
    saved_activations,
    tokens_of_rank,
)
from megatron_urpo.planning.checkpoint_memory import (
    copied_components,
    gather_buffer_bytes,
    loaded_components,
)
from megatron_urpo.planning.parameters import RankParameters, rank_parameters
from megatron_urpo.planning.sync_buffers import sync_buffer_bytes
from megatron_urpo.planning.working_set import (
    embedding_backward_bytes,
    head_backward_bytes,
    head_forward_bytes,
    held_output_gradient,
    layer_backward_bytes,
    layer_forward_bytes,
    stream_bytes_per_token,
)

Components = dict[str, int]

_MIB = 1 << 20


def static_components(
    shape: ModelShape, layout: Layout, load: TrainingLoad, stage: int
) -> Components:
    """What a rank holds between the steps.

    Gradients are summed in float32. The distributed optimizer shares master weights (of bfloat16
    parameters only) and Adam's two moments among the DP x CP ranks of the same parameters.
    """
    parameters = rank_parameters(shape, layout, stage)
    shared = 8 + (4 if load.element_bytes == 2 else 0)
    components = {
        "weights": _weight_bytes(parameters, load),
        "gradients": 4 * parameters.total,
        "optimizer": -(-shared * parameters.total // layout.optimizer_shards),
    }
    if load.keeps_reference and load.is_local:
        components["reference weights"] = components["weights"]
    return components


def _weight_bytes(parameters: RankParameters, load: TrainingLoad) -> int:
    """FP8 keeps two layouts of each matrix, for the forward and the backward product: beside the
    bfloat16 weights, or with training.fp8_param_gather in their place."""
    if not load.fp8:
        return load.element_bytes * parameters.total
    others = parameters.total - parameters.linear
    per_weight = 2 + (0 if load.fp8_param_gather else load.element_bytes)
    return per_weight * parameters.linear + load.element_bytes * others


def logprobs_components(
    shape: ModelShape, layout: Layout, load: TrainingLoad, stage: int
) -> Components:
    """Old log-probs: a forward pass that keeps nothing."""
    working = layer_forward_bytes(shape, layout, load)
    if stage == layout.pipeline_model_parallel_size - 1:
        tokens = tokens_of_rank(load.tokens, layout)
        stream = stream_bytes_per_token(shape, layout, load) * tokens
        head = head_saved_bytes(shape, layout, load) + head_forward_bytes(shape, layout, load)
        working = max(working, stream + head)
    return static_components(shape, layout, load, stage) | {"log-probs": working}


def reference_components(
    shape: ModelShape, layout: Layout, load: TrainingLoad, stage: int
) -> Components:
    """Log-probs under the reference weights: the current ones wait in the host's memory."""
    components = logprobs_components(shape, layout, load, stage)
    return components | ({"weights set aside": components["weights"]} if load.is_local else {})


def update_components(
    shape: ModelShape, layout: Layout, load: TrainingLoad, stage: int
) -> Components:
    """Forward and backward passes of a mini-batch: what is kept, and the worst moment above it."""
    saved = saved_activations(shape, layout, load, stage)
    held = 0
    moments = []
    if stage == layout.pipeline_model_parallel_size - 1:
        held = held_output_gradient(shape, layout, load)
        stream = 2 * residual_bytes_per_token(shape, layout, load)
        moments += [
            stream * tokens_of_rank(load.tokens, layout) + head_forward_bytes(shape, layout, load),
            head_backward_bytes(shape, layout, load),
        ]
        head_saved = head_saved_bytes(shape, layout, load)
    else:
        head_saved = 0
    moments.append(held - head_saved + layer_backward_bytes(shape, layout, load))
    if stage == 0:
        moments.append(embedding_backward_bytes(shape, layout, load) - saved)
    return static_components(shape, layout, load, stage) | {
        "activations": saved,
        "working set": max(moments),
    }


def optimizer_components(
    shape: ModelShape, layout: Layout, load: TrainingLoad, stage: int
) -> Components:
    """The step itself works in place; gloo copies what it reduces and what it gathers."""
    components = static_components(shape, layout, load, stage)
    if load.is_local and layout.optimizer_shards > 1:
        components["collectives"] = components["gradients"]
    return components


def sync_components(
    shape: ModelShape, layout: Layout, load: TrainingLoad, stage: int, bucket_mib: float
) -> Components:
    """Weights on their way to the engine, in buckets of weight_sync.bucket_mib."""
    buffers = sync_buffer_bytes(shape, layout, load.element_bytes, int(bucket_mib * _MIB))
    return static_components(shape, layout, load, stage) | {"sync buckets": buffers}


def checkpoint_components(
    shape: ModelShape, layout: Layout, load: TrainingLoad, stage: int, *, background: bool
) -> Components:
    """Saving, on a rank that writes. On a GPU the copies are in the host's memory."""
    buffer = gather_buffer_bytes(shape, layout, load, stage)
    components = static_components(shape, layout, load, stage) | {"gather buffer": buffer}
    if load.is_local:
        components |= copied_components(shape, layout, load, stage, background=background)
    return components


def resume_components(
    shape: ModelShape, layout: Layout, load: TrainingLoad, stage: int
) -> Components:
    """Loading a checkpoint. On a GPU what is loaded is in the host's memory first."""
    components = static_components(shape, layout, load, stage)
    return components | (loaded_components(shape, layout, load, stage) if load.is_local else {})


def training_phases(
    shape: ModelShape,
    layout: Layout,
    load: TrainingLoad,
    bucket_mib: float,
    *,
    saves_in_background: bool = False,
) -> dict[str, Components]:
    """Every phase, each of the pipeline stage where it is largest."""
    functions = {
        "log-probs": logprobs_components,
        "update": update_components,
        "optimizer step": optimizer_components,
    }
    if load.keeps_reference:
        functions["reference log-probs"] = reference_components
    stages = range(layout.pipeline_model_parallel_size)

    def worst(candidates: list[Components]) -> Components:
        return max(candidates, key=lambda components: sum(components.values()))

    phases = {
        name: worst([function(shape, layout, load, stage) for stage in stages])
        for name, function in functions.items()
    }
    phases["weight sync"] = worst(
        [sync_components(shape, layout, load, stage, bucket_mib) for stage in stages]
    )
    saves = [
        checkpoint_components(shape, layout, load, stage, background=saves_in_background)
        for stage in stages
    ]
    phases["checkpoint"] = worst(saves)
    if load.is_local:
        phases["resume"] = worst(
            [resume_components(shape, layout, load, stage) for stage in stages]
        )
    return phases
