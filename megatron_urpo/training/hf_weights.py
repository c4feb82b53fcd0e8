"""Weights between a Hugging Face directory and Megatron's shards, both ways, by the weight map.

HF -> Megatron -> HF is bitwise for every layout. Reading goes parameter by parameter and is here;
the way back is weight_stream's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from megatron_urpo.layout import vocab_rows
from megatron_urpo.model_files import ModelFilesError, SafetensorsDirectory
from megatron_urpo.model_shape import ModelShape
from megatron_urpo.training.fp8_parameters import keep_exact
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.weight_map import (
    EMBEDDING_RULE,
    OUTPUT_RULE,
    Cut,
    Rule,
    all_hf_names,
    find_rule,
    hf_names_of,
    hf_shapes,
    megatron_names,
    whole_model,
)


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


def parameter_of(
    rule: Rule, layer: int | None, parameters: dict[str, torch.nn.Parameter]
) -> torch.nn.Parameter:
    """The parameter by either of its names."""
    for name in megatron_names(rule, layer):
        if name in parameters:
            return parameters[name]
    raise KeyError(f"the model has no parameter {rule.megatron}")
