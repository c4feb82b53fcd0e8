"""Layouts of ranks: which are valid for a model, and which there are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from megatron_urpo.config import Config, TrainingConfig
from megatron_urpo.training.hf_config import ModelShape


@dataclass(frozen=True, slots=True)
class Layout:
    """How the ranks of a job share one model, in training and in the rollout engines."""

    world_size: int = 1
    tensor_model_parallel_size: int = 1
    pipeline_model_parallel_size: int = 1
    virtual_pipeline_model_parallel_size: int = 1  # model chunks a stage holds; 1 is off
    context_parallel_size: int = 1
    sequence_parallel: bool = False
    engine_tensor_parallel_size: int = 1  # rollout.tensor_model_parallel_size

    @property
    def model_parallel_size(self) -> int:
        """Ranks that hold one copy of the model."""
        return (
            self.tensor_model_parallel_size
            * self.pipeline_model_parallel_size
            * self.context_parallel_size
        )

    @property
    def data_parallel_size(self) -> int:
        return self.world_size // self.model_parallel_size

    @property
    def optimizer_shards(self) -> int:
        """Ranks that share the optimizer state of the same parameters: DP x CP."""
        return self.data_parallel_size * self.context_parallel_size

    @property
    def engines(self) -> int:
        return self.world_size // self.engine_tensor_parallel_size

    @property
    def micro_batch_multiple(self) -> int:
        """Micro-batches come in multiples of this (training.parallel.Parallel has the reasons)."""
        virtual = self.virtual_pipeline_model_parallel_size > 1
        return self.pipeline_model_parallel_size if virtual else 1

    def pad_multiple(self, row_multiple: int) -> int:
        """Tokens of a micro-batch come in multiples of this (training.parallel.Parallel).

        Args:
            row_multiple: of the tokens a rank multiplies at a time: what FP8 asks for.
        """
        rows = math.lcm(2 if self.context_parallel_size > 1 else 1, row_multiple)
        return rows * self.tensor_model_parallel_size * self.context_parallel_size

    def training_of(self, config: Config) -> TrainingConfig:
        """The section [training] with this layout in place of its own."""
        return replace(
            config.training,
            tensor_model_parallel_size=self.tensor_model_parallel_size,
            pipeline_model_parallel_size=self.pipeline_model_parallel_size,
            virtual_pipeline_model_parallel_size=self.virtual_pipeline_model_parallel_size,
            context_parallel_size=self.context_parallel_size,
            sequence_parallel=self.sequence_parallel,
        )

    @property
    def name(self) -> str:
        """Such as TP4 PP2 DP8, engine TP2."""
        parts = [f"TP{self.tensor_model_parallel_size}" + "+SP" * self.sequence_parallel]
        if self.pipeline_model_parallel_size > 1:
            parts.append(f"PP{self.pipeline_model_parallel_size}")
        if self.virtual_pipeline_model_parallel_size > 1:
            parts.append(f"VPP{self.virtual_pipeline_model_parallel_size}")
        if self.context_parallel_size > 1:
            parts.append(f"CP{self.context_parallel_size}")
        parts.append(f"DP{self.data_parallel_size}")
        return " ".join(parts) + f", engine TP{self.engine_tensor_parallel_size}"


def layout_of(config: Config, world_size: int) -> Layout:
    """The layout a configuration asks for."""
    training = config.training
    return Layout(
        world_size=world_size,
        tensor_model_parallel_size=training.tensor_model_parallel_size,
        pipeline_model_parallel_size=training.pipeline_model_parallel_size,
        virtual_pipeline_model_parallel_size=training.virtual_pipeline_model_parallel_size,
        context_parallel_size=training.context_parallel_size,
        sequence_parallel=training.sequence_parallel,
        engine_tensor_parallel_size=config.rollout.tensor_model_parallel_size,
    )


def layout_problems(shape: ModelShape, layout: Layout) -> list[str]:
    """Why a model cannot be laid out so; nothing when it can."""
    tensor, pipeline, virtual, engine = (
        layout.tensor_model_parallel_size,
        layout.pipeline_model_parallel_size,
        layout.virtual_pipeline_model_parallel_size,
        layout.engine_tensor_parallel_size,
    )
    problems = [
        f"training.tensor_model_parallel_size = {tensor} does not divide {name} = {value}"
        for name, value in (
            ("num_attention_heads", shape.num_attention_heads),
            ("num_query_groups", shape.num_query_groups),
            ("ffn_hidden_size", shape.ffn_hidden_size),
        )
        if value % tensor
    ]
    if virtual > 1 and pipeline == 1:
        problems.append(
            f"training.virtual_pipeline_model_parallel_size = {virtual} needs "
            "pipeline_model_parallel_size > 1"
        )
    if shape.num_layers % (pipeline * virtual):
        stages = f"{pipeline} stages" + (f" of {virtual} model chunks" if virtual > 1 else "")
        problems.append(
            f"training.pipeline_model_parallel_size: {stages} do not divide num_layers = "
            f"{shape.num_layers}"
        )
    if layout.world_size % layout.model_parallel_size:
        problems.append(
            f"{layout.world_size} ranks are no multiple of TP x PP x CP = "
            f"{layout.model_parallel_size}"
        )
    if layout.sequence_parallel and tensor == 1:
        problems.append("training.sequence_parallel needs tensor_model_parallel_size > 1")
    if layout.world_size % engine:
        problems.append(
            f"{layout.world_size} ranks are no multiple of rollout.tensor_model_parallel_size = "
            f"{engine}"
        )
    if shape.num_attention_heads % engine:
        problems.append(
            f"rollout.tensor_model_parallel_size = {engine} does not divide num_attention_heads = "
            f"{shape.num_attention_heads}"
        )
    groups = shape.num_query_groups
    if groups % engine and engine % groups:
        problems.append(
            f"rollout.tensor_model_parallel_size = {engine} neither divides num_query_groups = "
            f"{groups} nor is a multiple of it"
        )
    return problems


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
    within_node = [size for size in _divisors(world_size) if size <= ranks_per_node]
    for tensor in within_node:
        for pipeline in _divisors(world_size // tensor):
            for context in _divisors(world_size // tensor // pipeline):
                if context > max_context_parallel:
                    continue
                for virtual in range(1, max_virtual_stages + 1):
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
                        if not layout_problems(shape, layout):
                            yield layout


def refused_sizes(shape: ModelShape, world_size: int, ranks_per_node: int) -> list[str]:
    """Why sizes that divide the ranks are in no layout of a model."""
    lines = []
    for size in _divisors(world_size):
        tried = {"PP": Layout(world_size=size, pipeline_model_parallel_size=size)}
        if size <= ranks_per_node:
            tried["TP"] = Layout(world_size=size, tensor_model_parallel_size=size)
            tried["engine TP"] = Layout(world_size=size, engine_tensor_parallel_size=size)
        for name, layout in tried.items():
            lines += [f"{name}{size}: {text}" for text in layout_problems(shape, layout)[:1]]
    return lines


def _divisors(number: int) -> list[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]
