"""Weights between a Hugging Face directory and Megatron's shards, both ways, by one table.

HF -> Megatron -> HF is bitwise for every layout. Reading goes parameter by parameter and is here;
the way back is weight_stream's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import torch
from torch import Tensor

from megatron_urpo.layout import vocab_rows
from megatron_urpo.model_files import ModelFilesError, SafetensorsDirectory
from megatron_urpo.model_shape import ModelShape
from megatron_urpo.training.fp8_parameters import keep_exact
from megatron_urpo.training.parallel import Parallel


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


def to_shard(
    tensors: Sequence[Tensor], cut: Cut, shape: ModelShape, rank: int, size: int
) -> Tensor:
    """The tensor-parallel shard `rank` of `size` of the parameter made of these HF tensors."""
    parts = []
    for tensor in tensors:
        dimension, start, end = _share(tensor.shape, cut, rank, size)
        parts.append(tensor.narrow(dimension, start, end - start))
    return _join(parts, cut, shape, size)


def read_shard(
    files: SafetensorsDirectory,
    names: Sequence[str],
    cut: Cut,
    shape: ModelShape,
    rank: int,
    size: int,
) -> Tensor:
    """`to_shard` of tensors on disk, of which no more is read than the shard holds."""
    parts = [
        files.read_slice(name, *_share(files.shape_of(name), cut, rank, size)) for name in names
    ]
    return _join(parts, cut, shape, size)


def _share(tensor_shape: Sequence[int], cut: Cut, rank: int, size: int) -> tuple[int, int, int]:
    """Dimension, start and end of what rank `rank` of `size` holds of one HF tensor."""
    dimension = 1 if cut is Cut.COLUMNS else 0
    length = tensor_shape[dimension]
    if cut is Cut.WHOLE:
        return dimension, 0, length
    rows = -(-length // size)  # only a vocabulary leaves a remainder: its last share is shorter
    return dimension, min(rows * rank, length), min(rows * (rank + 1), length)


def _join(parts: Sequence[Tensor], cut: Cut, shape: ModelShape, size: int) -> Tensor:
    """One shard, from its share of each HF tensor."""
    first = parts[0]
    if cut is Cut.GATE_UP:
        return torch.cat(list(parts))
    if cut is Cut.QKV:
        groups = shape.num_query_groups // size
        return torch.cat([p.reshape(groups, -1, *p.shape[1:]) for p in parts], dim=1).flatten(0, 1)
    if cut is Cut.VOCAB:
        padding = vocab_rows(shape.vocab_size, size) - len(first)
        if padding:
            return torch.cat((first, first.new_zeros(padding, first.shape[1])))
    return first


def from_shards(shards: Sequence[Tensor], cut: Cut, shape: ModelShape) -> list[Tensor]:
    """The HF tensors a parameter was made of, from the shards of all tensor-parallel ranks."""
    if cut is Cut.WHOLE:
        return [shards[0]]
    if cut is Cut.COLUMNS:
        return [torch.cat(list(shards), dim=1)]
    if cut is Cut.VOCAB:
        return [torch.cat(list(shards))[: shape.vocab_size]]
    if cut is Cut.GATE_UP:
        halves = [shard.chunk(2) for shard in shards]
        return [torch.cat([half[part] for half in halves]) for part in range(2)]
    whole = torch.cat(list(shards))
    grouped = whole.view(shape.num_query_groups, -1, *whole.shape[1:])
    queries = shape.num_attention_heads // shape.num_query_groups * shape.kv_channels
    parts = grouped.split((queries, shape.kv_channels, shape.kv_channels), dim=1)
    return [part.flatten(0, 1) for part in parts]


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


def stage_entries(shape: ModelShape, parallel: Parallel) -> Iterator[StageEntry]:
    """`whole_model` with where each parameter lives; the same on all ranks."""
    stages, chunks = parallel.pipeline_parallel_size, parallel.virtual_pipeline_parallel_size
    for rule, layer in whole_model(shape):
        if layer is not None:
            stage, chunk = parallel.layout.place_of_layer(layer, shape.num_layers)
        elif rule is EMBEDDING_RULE:
            stage, chunk = 0, 0
        else:
            stage, chunk = stages - 1, chunks - 1
        yield StageEntry(rule, layer, stage, chunk)


def open_model_files(directory: Path, shape: ModelShape) -> SafetensorsDirectory:
    """The weights of a model directory, which are all there, whole, and of the model's shapes.

    Raises:
        ModelFilesError: a file or tensor is missing, cut off, of another shape, or not expected.
    """
    files = SafetensorsDirectory(directory)
    files.expect(all_hf_names(shape))
    for rule, layer in whole_model(shape):
        for name, expected in zip(hf_names_of(rule, layer), hf_shapes(rule, shape), strict=True):
            if (found := files.shape_of(name)) != expected:
                raise ModelFilesError(_other_shape(files.path_of(name), name, found, expected))
    return files


def _other_shape(path: Path, name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> str:
    message = f"{path}: {name} is of shape {found}, config.json asks for {expected}: "
    if name in (*EMBEDDING_RULE.hf, *OUTPUT_RULE.hf) and found[1:] == expected[1:]:
        return message + (
            f"vocab_size = {expected[0]} is not that of these weights; save model and config.json "
            "together (save_pretrained after resize_token_embeddings), or download both again"
        )
    return message + "the weights belong to another model; use the config.json they came with"


def load_hf_weights(
    chunks: Sequence[torch.nn.Module], directory: str | Path, shape: ModelShape, parallel: Parallel
) -> None:
    """Fills this rank's parameters from the safetensors of a model directory.

    Raises:
        ModelFilesError: a file or tensor is missing, damaged, of another shape, or not expected.
    """
    files = open_model_files(Path(directory), shape)
    for parameter, rule, hf_names in hf_sources(chunks, shape, parallel):
        shard = read_parameter(files, rule, hf_names, shape, parallel)
        with torch.no_grad():
            parameter.copy_(shard)
        keep_exact(parameter, shard)


def hf_sources(
    chunks: Sequence[torch.nn.Module], shape: ModelShape, parallel: Parallel
) -> Iterator[tuple[torch.nn.Parameter, Rule, list[str]]]:
    """This rank's parameters, each with its rule and the HF tensors it is a shard of."""
    for name, parameter in named_parameters(chunks, shape, parallel).items():
        rule, layer = find_rule(name, shape)
        yield parameter, rule, hf_names_of(rule, layer)


def read_parameter(
    files: SafetensorsDirectory,
    rule: Rule,
    hf_names: Sequence[str],
    shape: ModelShape,
    parallel: Parallel,
) -> Tensor:
    """This rank's shard of one parameter, as it is in files that `open_model_files` opened."""
    return read_shard(
        files,
        hf_names,
        rule.cut,
        shape,
        parallel.tensor_parallel_rank,
        parallel.tensor_parallel_size,
    )


def named_parameters(
    chunks: Sequence[torch.nn.Module], shape: ModelShape, parallel: Parallel
) -> dict[str, torch.nn.Parameter]:
    """This rank's parameters under Megatron's names, with layers counted over the whole model."""
    prefix = "decoder.layers."
    parameters = {}
    for number, chunk in enumerate(chunks):
        first = parallel.layout.first_layer(
            parallel.pipeline_parallel_rank, number, shape.num_layers
        )
        for wrapped_name, parameter in chunk.named_parameters():
            name = wrapped_name
            while name.startswith("module."):  # of the wrappers DDP and Float16Module
                name = name.removeprefix("module.")
            if name.startswith(prefix):
                layer, _, rest = name.removeprefix(prefix).partition(".")
                name = f"{prefix}{first + int(layer)}.{rest}"
            parameters[name] = parameter
    return parameters


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


def all_hf_names(shape: ModelShape) -> list[str]:
    """The tensors a Hugging Face directory of this model holds."""
    return [name for rule, layer in whole_model(shape) for name in hf_names_of(rule, layer)]


def megatron_names(rule: Rule, layer: int | None) -> list[str]:
    """The names a parameter may have in Megatron, by implementation of the layers."""
    rules = (rule, *(r for r in LAYER_RULES if r.hf == rule.hf and r is not rule))
    return [r.megatron if layer is None else r.megatron.format(layer) for r in rules]


def parameter_of(
    rule: Rule, layer: int | None, parameters: dict[str, torch.nn.Parameter]
) -> torch.nn.Parameter:
    """The parameter by either of its names."""
    for name in megatron_names(rule, layer):
        if name in parameters:
            return parameters[name]
    raise KeyError(f"the model has no parameter {rule.megatron}")
