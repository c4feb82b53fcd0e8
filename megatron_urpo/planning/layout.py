"""Which layouts of ranks are valid for a model, and which there are."""

from __future__ import annotations

from collections.abc import Iterator

from megatron_urpo.layout import Layout, Misfit, model_misfits, rank_misfits
from megatron_urpo.model_shape import ModelShape


def layout_misfits(shape: ModelShape, layout: Layout) -> list[Misfit]:
    """Why a model cannot be laid out so, in training and in engines; nothing when it can.

    Of a layout that TrainingConfig does not refuse by itself.
    """
    misfits = model_misfits(shape, layout) + rank_misfits(layout)
    engine = layout.engine_tensor_parallel_size
    if shape.num_attention_heads % engine:
        misfits.append(
            Misfit(
                f"rollout.tensor_model_parallel_size = {engine} does not divide the model's "
                f"num_attention_heads = {shape.num_attention_heads}",
                "choose a divisor of that",
            )
        )
    groups = shape.num_query_groups
    if groups % engine and engine % groups:
        misfits.append(
            Misfit(
                f"rollout.tensor_model_parallel_size = {engine} neither divides the model's "
                f"num_query_groups = {groups} nor is a multiple of it",
                "choose a size that does",
            )
        )
    return misfits


def valid_layouts(
    shape: ModelShape,
    world_size: int,
    ranks_per_node: int,
    *,
    max_context_parallel: int = 1,
    max_virtual_stages: int = 1,
) -> Iterator[Layout]:
    """All layouts of a model over a cluster.

    Tensor parallelism, of training and of an engine, stays within a node: it exchanges
    activations in every layer. With it comes sequence parallelism, which only saves memory.
    """
    # A size that does not divide the node's ranks has groups that lie across two nodes.
    within_node = [size for size in _divisors(world_size) if ranks_per_node % size == 0]
    for tensor in within_node:
        for pipeline in _divisors(world_size // tensor):
            for context in _divisors(world_size // tensor // pipeline):
                if context > max_context_parallel:
                    continue
                virtual_sizes = range(1, max_virtual_stages + 1) if pipeline > 1 else (1,)
                for virtual in virtual_sizes:
                    for engine in within_node:
                        layout = Layout(
                            world_size=world_size,
                            tensor_model_parallel_size=tensor,
                            pipeline_model_parallel_size=pipeline,
                            virtual_pipeline_model_parallel_size=virtual,
                            context_parallel_size=context,
                            sequence_parallel=tensor > 1,
                            engine_tensor_parallel_size=engine,
                        )
                        if not layout_misfits(shape, layout):
                            yield layout


def refused_sizes(shape: ModelShape, world_size: int, ranks_per_node: int) -> list[str]:
    """Why sizes that divide the ranks are in no layout of a model."""
    lines = []
    for size in _divisors(world_size):
        tried = {"PP": Layout(world_size=size, pipeline_model_parallel_size=size)}
        if ranks_per_node % size == 0:
            tried["TP"] = Layout(world_size=size, tensor_model_parallel_size=size)
            tried["engine TP"] = Layout(world_size=size, engine_tensor_parallel_size=size)
        elif size < ranks_per_node:
            lines += [
                f"{name}{size}: groups would lie across nodes of {ranks_per_node} ranks"
                for name in ("TP", "engine TP")
            ]
        for name, layout in tried.items():
            lines += [
                f"{name}{size}: {misfit.reason}" for misfit in layout_misfits(shape, layout)[:1]
            ]
    return lines


def _divisors(number: int) -> list[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]
