"""The parameters of a model: the Hugging Face tensors each is made of, and the stage that holds it.

A table and what follows from it, without torch: training reads, streams and converts weights by it,
and the planner counts what a stream of them holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from megatron_urpo.layout import Layout
from megatron_urpo.model_shape import ModelShape


class Cut(Enum):
    """How a parameter is put together from HF tensors and cut for tensor parallelism."""

    WHOLE = "whole"  # the same on all ranks
    COLUMNS = "columns"  # cut along dimension 1
    VOCAB = "vocab"  # cut along dimension 0 after padding with zero rows
    QKV = "qkv"  # per query group: its queries, its key, its value; cut between groups
    GATE_UP = "gate_up"  # each rank: its rows of gate, then its rows of up


@dataclass(frozen=True, slots=True)
class Rule:
    """One Megatron parameter and the HF tensors it is made of. {} stands for the layer number."""

    megatron: str
    hf: tuple[str, ...]
    cut: Cut


@dataclass(frozen=True, slots=True)
class StageEntry:
    """A parameter of the model and where it lives."""

    rule: Rule
    layer: int | None  # counted over the whole model
    stage: int  # pipeline rank
    chunk: int  # virtual stage


def _layer_rule(megatron: str, hf: tuple[str, ...], cut: Cut) -> Rule:
    return Rule(
        f"decoder.layers.{{}}.{megatron}", tuple(f"model.layers.{{}}.{name}" for name in hf), cut
    )


_QKV_WEIGHTS = tuple(f"self_attn.{name}_proj.weight" for name in "qkv")
_QKV_BIASES = tuple(f"self_attn.{name}_proj.bias" for name in "qkv")
_GATE_UP = ("mlp.gate_proj.weight", "mlp.up_proj.weight")
# Norms have two names: with Transformer Engine they belong to the linear that follows.
LAYER_RULES = tuple(
    _layer_rule(*fields)
    for fields in (
        ("input_layernorm.weight", ("input_layernorm.weight",), Cut.WHOLE),
        (
            "self_attention.linear_qkv.layer_norm_weight",
            ("input_layernorm.weight",),
            Cut.WHOLE,
        ),
        ("self_attention.linear_qkv.weight", _QKV_WEIGHTS, Cut.QKV),
        ("self_attention.linear_qkv.bias", _QKV_BIASES, Cut.QKV),
        ("self_attention.q_layernorm.weight", ("self_attn.q_norm.weight",), Cut.WHOLE),
        ("self_attention.k_layernorm.weight", ("self_attn.k_norm.weight",), Cut.WHOLE),
        ("self_attention.linear_proj.weight", ("self_attn.o_proj.weight",), Cut.COLUMNS),
        ("pre_mlp_layernorm.weight", ("post_attention_layernorm.weight",), Cut.WHOLE),
        ("mlp.linear_fc1.layer_norm_weight", ("post_attention_layernorm.weight",), Cut.WHOLE),
        ("mlp.linear_fc1.weight", _GATE_UP, Cut.GATE_UP),
        ("mlp.linear_fc2.weight", ("mlp.down_proj.weight",), Cut.COLUMNS),
    )
)
EMBEDDING_RULE = Rule("embedding.word_embeddings.weight", ("model.embed_tokens.weight",), Cut.VOCAB)
FINAL_NORM_RULE = Rule("decoder.final_layernorm.weight", ("model.norm.weight",), Cut.WHOLE)
OUTPUT_RULE = Rule("output_layer.weight", ("lm_head.weight",), Cut.VOCAB)
# Under pipeline parallelism the last stage holds its own copy of tied embeddings.
TIED_OUTPUT_RULE = Rule("output_layer.weight", ("model.embed_tokens.weight",), Cut.VOCAB)


def whole_model(shape: ModelShape) -> Iterator[tuple[Rule, int | None]]:
    """Every rule of the model with its layer number, in order.

    One for each set of HF tensors: the copy of tied embeddings is left out.
    """
    yield EMBEDDING_RULE, None
    for layer in range(shape.num_layers):
        for rule in _layer_rules(shape):
            yield rule, layer
    yield FINAL_NORM_RULE, None
    if not shape.tie_word_embeddings:
        yield OUTPUT_RULE, None


def _layer_rules(shape: ModelShape) -> list[Rule]:
    """The rules of a layer of this architecture, one for each HF tensor."""
    rules = {rule.hf: rule for rule in reversed(LAYER_RULES)}
    absent = []
    if not shape.qkv_bias:
        absent.append("_proj.bias")
    if not shape.qk_layernorm:
        absent.append("_norm.weight")
    return [rule for rule in reversed(rules.values()) if not rule.hf[0].endswith(tuple(absent))]


def hf_names_of(rule: Rule, layer: int | None) -> list[str]:
    return [name.format(layer) for name in rule.hf]


def all_hf_names(shape: ModelShape) -> list[str]:
    """The tensors a Hugging Face directory of this model holds."""
    return [name for rule, layer in whole_model(shape) for name in hf_names_of(rule, layer)]


def megatron_names(rule: Rule, layer: int | None) -> list[str]:
    """The names a parameter may have in Megatron, by implementation of the layers."""
    rules = (rule, *(r for r in LAYER_RULES if r.hf == rule.hf and r is not rule))
    return [r.megatron if layer is None else r.megatron.format(layer) for r in rules]


def find_rule(name: str, shape: ModelShape) -> tuple[Rule, int | None]:
    """The rule of a parameter, and its layer number."""
    prefix = "decoder.layers."
    if name.startswith(prefix):
        layer, _, rest = name.removeprefix(prefix).partition(".")
        for rule in LAYER_RULES:
            if rule.megatron == prefix + "{}." + rest:
                return rule, int(layer)
    output = TIED_OUTPUT_RULE if shape.tie_word_embeddings else OUTPUT_RULE
    for rule in (EMBEDDING_RULE, FINAL_NORM_RULE, output):
        if rule.megatron == name:
            return rule, None
    raise KeyError(f"no rule for the parameter {name}")


def hf_shapes(rule: Rule, shape: ModelShape) -> list[tuple[int, ...]]:
    """The shapes of the HF tensors a parameter is made of, in the order of rule.hf."""
    queries = shape.num_attention_heads * shape.kv_channels
    keys = shape.num_query_groups * shape.kv_channels
    qkv: list[tuple[int, ...]] = [(queries,), (keys,), (keys,)]
    if rule.cut is Cut.VOCAB:
        return [(shape.vocab_size, shape.hidden_size)]
    if rule.cut is Cut.QKV:
        return qkv if rule.hf[0].endswith(".bias") else [(*rows, shape.hidden_size) for rows in qkv]
    if rule.cut is Cut.GATE_UP:
        return [(shape.ffn_hidden_size, shape.hidden_size)] * 2
    if rule.cut is Cut.COLUMNS:
        inner = shape.ffn_hidden_size if "mlp" in rule.hf[0] else queries
        return [(shape.hidden_size, inner)]
    per_head = rule.hf[0].endswith(("q_norm.weight", "k_norm.weight"))
    return [(shape.kv_channels if per_head else shape.hidden_size,)]


def stage_entries(shape: ModelShape, layout: Layout) -> Iterator[StageEntry]:
    """`whole_model` with where each parameter lives; the same on all ranks."""
    stages = layout.pipeline_model_parallel_size
    chunks = layout.virtual_pipeline_model_parallel_size
    for rule, layer in whole_model(shape):
        if layer is not None:
            stage, chunk = layout.place_of_layer(layer, shape.num_layers)
        elif rule is EMBEDDING_RULE:
            stage, chunk = 0, 0
        else:
            stage, chunk = stages - 1, chunks - 1
        yield StageEntry(rule, layer, stage, chunk)


def stage_buckets(
    shape: ModelShape, layout: Layout, itemsize: int, bucket_bytes: int
) -> Iterator[list[StageEntry]]:
    """All entries, in order, in runs of one stage that are put together and sent as one.

    Args:
        bucket_bytes: of the HF tensors of a run; a larger parameter makes one of its own.
    """
    bucket: list[StageEntry] = []
    filled = 0
    for entry in stage_entries(shape, layout):
        size = itemsize * sum(math.prod(dims) for dims in hf_shapes(entry.rule, shape))
        if bucket and (filled + size > bucket_bytes or entry.stage != bucket[0].stage):
            yield bucket
            bucket, filled = [], 0
        bucket.append(entry)
        filled += size
    yield bucket
