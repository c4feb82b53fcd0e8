"""How the ranks of a job share one model, and what that asks of ranks, model and micro-batches.

Plain arithmetic below training and planning, so that a plan and the run it is made for agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from megatron_urpo.config import Config, ConfigError, TrainingConfig
from megatron_urpo.model_shape import ModelShape


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
    def rank_multiple(self) -> int:
        """Ranks come in multiples of this: in whole copies of the model and whole engines."""
        return math.lcm(self.model_parallel_size, self.engine_tensor_parallel_size)

    @property
    def micro_batch_multiple(self) -> int:
        """Micro-batches come in multiples of this: the interleaved schedule runs them in rounds."""
        virtual = self.virtual_pipeline_model_parallel_size > 1
        return self.pipeline_model_parallel_size if virtual else 1

    def pad_multiple(self, row_multiple: int) -> int:
        """Tokens of a micro-batch come in multiples of this.

        Args:
            row_multiple: of the tokens a rank multiplies at a time: what FP8 asks for.
        """
        # Every tensor-parallel and context-parallel rank gets whole rows; the latter two stretches.
        rows = math.lcm(2 if self.context_parallel_size > 1 else 1, row_multiple)
        return rows * self.tensor_model_parallel_size * self.context_parallel_size

    def layers_per_chunk(self, num_layers: int) -> int:
        """Layers of one virtual stage; of the whole pipeline stage when those are off."""
        return num_layers // (
            self.pipeline_model_parallel_size * self.virtual_pipeline_model_parallel_size
        )

    def first_layer(self, stage: int, chunk: int, num_layers: int) -> int:
        """Number in the whole model of the first layer of a pipeline stage's virtual stage."""
        place = chunk * self.pipeline_model_parallel_size + stage
        return place * self.layers_per_chunk(num_layers)

    def place_of_layer(self, layer: int, num_layers: int) -> tuple[int, int]:
        """(pipeline stage, virtual stage) that holds a layer. Virtual stages go round the stages:
        with two of each the first stage holds the first and the third quarter of the layers."""
        place = layer // self.layers_per_chunk(num_layers)
        chunk, stage = divmod(place, self.pipeline_model_parallel_size)
        return stage, chunk

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


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a layout does not fit its ranks or a model."""

    reason: str  # names the keys and the numbers
    remedy: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.remedy}"


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


def rank_misfits(layout: Layout) -> list[Misfit]:
    """Why the ranks divide neither into copies of the model nor into engines."""
    ranks, copy, engine = (
        layout.world_size,
        layout.model_parallel_size,
        layout.engine_tensor_parallel_size,
    )
    misfits = []
    if ranks % copy:
        misfits.append(
            Misfit(
                f"{ranks} ranks cannot hold training.tensor_model_parallel_size x "
                f"pipeline_model_parallel_size x context_parallel_size = {copy}",
                f"start a multiple of {copy} ranks, or lower one of the three",
            )
        )
    if ranks % engine:
        misfits.append(
            Misfit(
                f"{ranks} ranks cannot be divided into engines of "
                f"rollout.tensor_model_parallel_size = {engine}",
                f"start a multiple of {engine} ranks, or lower it",
            )
        )
    return misfits


def model_misfits(shape: ModelShape, layout: Layout) -> list[Misfit]:
    """Why a model cannot be cut so for training."""
    tensor, pipeline, virtual = (
        layout.tensor_model_parallel_size,
        layout.pipeline_model_parallel_size,
        layout.virtual_pipeline_model_parallel_size,
    )
    cut = {
        "num_attention_heads": shape.num_attention_heads,
        "num_query_groups": shape.num_query_groups,
        "ffn_hidden_size": shape.ffn_hidden_size,
    }
    misfits = []
    if undivided := [f"{name} = {size}" for name, size in cut.items() if size % tensor]:
        misfits.append(
            Misfit(
                f"training.tensor_model_parallel_size = {tensor} does not divide the model's "
                + ", ".join(undivided),
                f"choose a divisor of {math.gcd(*cut.values())}",
            )
        )
    if shape.num_layers % (pipeline * virtual):
        chunks = f" * virtual_pipeline_model_parallel_size = {virtual}" if virtual > 1 else ""
        misfits.append(
            Misfit(
                f"training.pipeline_model_parallel_size = {pipeline}{chunks} does not divide the "
                f"model's num_layers = {shape.num_layers}",
                "choose a divisor of that",
            )
        )
    return misfits


def refuse(misfits: Sequence[Misfit]) -> None:
    """
    Raises:
        ConfigError: there are misfits; says all of them with their remedies.
    """
    if misfits:
        raise ConfigError("; ".join(map(str, misfits)))


def engines_alone(config: Config) -> Config:
    """For what trains nothing: any number of ranks that divides into engines will do."""
    training = replace(
        config.training,
        tensor_model_parallel_size=1,
        sequence_parallel=False,
        pipeline_model_parallel_size=1,
        virtual_pipeline_model_parallel_size=1,
        context_parallel_size=1,
    )
    return replace(config, training=training)


def training_alone(config: Config) -> Config:
    """For what samples nothing: any number of ranks that divides into models will do."""
    return replace(config, rollout=replace(config.rollout, tensor_model_parallel_size=1))


def check_world(config: Config, world_size: int) -> None:
    """Refuses a layout that does not fit the number of ranks.

    Raises:
        ConfigError: names the keys and the numbers that would fit.
    """
    refuse(rank_misfits(layout_of(config, world_size)))


def vocab_rows(vocab_size: int, tensor_parallel_size: int) -> int:
    """Rows of the embedding on one tensor-parallel rank, padding included."""
    return -(-vocab_size // tensor_parallel_size)


def padded_vocab_size(vocab_size: int, tensor_parallel_size: int) -> int:
    """The vocabulary rounded up to equal slices for the tensor-parallel ranks."""
    return vocab_rows(vocab_size, tensor_parallel_size) * tensor_parallel_size
