"""Parameter counts: of a model, and of what one rank of a layout holds."""

from __future__ import annotations

from dataclasses import dataclass

from megatron_urpo.layout import Layout, vocab_rows
from megatron_urpo.model_shape import ModelShape


@dataclass(frozen=True, slots=True)
class RankParameters:
    """Parameters of one rank, by what they belong to."""

    linear: int  # weights of the layers' matrices; FP8 concerns these alone
    layer_vectors: int  # norms and biases of the layers
    embedding: int  # first stage
    final_norm: int  # last stage
    output: int  # last stage; 0 where it is the embedding itself

    @property
    def total(self) -> int:
        return self.linear + self.layer_vectors + self.embedding + self.final_norm + self.output


def count_parameters(shape: ModelShape) -> int:
    """Parameters of the whole model, a tied output layer counted once: the published number."""
    return rank_parameters(shape, Layout(), stage=0).total


def query_size(shape: ModelShape, tensor_parallel_size: int = 1) -> int:
    """Elements of the queries of a token on one rank."""
    return shape.num_attention_heads * shape.kv_channels // tensor_parallel_size


def key_size(shape: ModelShape, tensor_parallel_size: int = 1) -> int:
    """Elements of the keys of a token on one rank; as many are its values.

    More ranks than query groups hold copies.
    """
    return max(shape.num_query_groups // tensor_parallel_size, 1) * shape.kv_channels


def layer_linear_parameters(shape: ModelShape, tensor_parallel_size: int = 1) -> int:
    """Weights of the four matrices of a layer on one rank."""
    queries = query_size(shape, tensor_parallel_size)
    keys = key_size(shape, tensor_parallel_size)
    attention = shape.hidden_size * (2 * queries + 2 * keys)
    return attention + 3 * shape.hidden_size * (shape.ffn_hidden_size // tensor_parallel_size)


def rank_parameters(shape: ModelShape, layout: Layout, stage: int) -> RankParameters:
    """What a rank of a pipeline stage holds in training.

    Under pipeline parallelism the last stage has its own copy of a tied embedding.
    """
    tensor, pipeline = layout.tensor_model_parallel_size, layout.pipeline_model_parallel_size
    layers = shape.num_layers // pipeline
    vectors = 2 * shape.hidden_size
    if shape.qkv_bias:
        vectors += query_size(shape, tensor) + 2 * key_size(shape, tensor)
    if shape.qk_layernorm:
        vectors += 2 * shape.kv_channels
    table = vocab_rows(shape.vocab_size, tensor) * shape.hidden_size
    is_first, is_last = stage == 0, stage == pipeline - 1
    return RankParameters(
        linear=layers * layer_linear_parameters(shape, tensor),
        layer_vectors=layers * vectors,
        embedding=table if is_first else 0,
        final_norm=shape.hidden_size if is_last else 0,
        output=table if is_last and not (is_first and shape.tie_word_embeddings) else 0,
    )
