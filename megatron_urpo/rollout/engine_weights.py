"""Digests of the weights an engine really multiplies with.

The CPU backend keeps linear weights in packed copies of its own, so they are read through the
multiplication itself: with the identity matrix it returns the weights to the bit. A rank's pieces
are placed in the Hugging Face tensors that they were cut from, so that digests of all ranks of an
engine add up to those of whole tensors.

vLLM's layers are told apart by the names of their classes, so that this file does without vllm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from megatron_urpo.weight_digest import add_digests, tensor_digest

_IDENTITY_ROWS = 512  # of the identity matrix multiplied with at one time


@dataclass(frozen=True, slots=True)
class PieceDigest:
    """The digest of this rank's piece of a Hugging Face tensor."""

    name: str
    digest: int
    # Ranks of the engine that hold the same piece; the sum over ranks counts it as often.
    copies: int


def piece_digests(model: Any, engine_ranks: int) -> list[PieceDigest]:
    """The pieces of all parameters of a vLLM model on this one of the engine's ranks."""
    return [
        piece
        for name, module in model.named_modules()
        for piece in _pieces(name, module, engine_ranks)
    ]


def differing_tensors(
    pieces_of_ranks: list[list[PieceDigest]], expected: Mapping[str, int]
) -> list[str]:
    """Names of the tensors whose pieces do not make up what is expected.

    Args:
        pieces_of_ranks: of all ranks of one engine.
        expected: digest of every tensor by its Hugging Face name.
    """
    found: Counter[str] = Counter()
    copies: dict[str, int] = {}
    for pieces in pieces_of_ranks:
        for piece in pieces:
            found[piece.name] = add_digests(found[piece.name], piece.digest)
            copies[piece.name] = piece.copies
    names = expected.keys() | copies.keys()
    return sorted(
        name
        for name in names
        if name not in expected
        or name not in copies
        or found[name] != add_digests(expected[name] * copies[name])
    )


def _pieces(name: str, module: Any, engine_ranks: int) -> Iterator[PieceDigest]:
    kind = type(module).__name__
    if kind == "QKVParallelLinear":
        yield from _qkv_pieces(name, module)
    elif kind == "MergedColumnParallelLinear":
        weight = _read(module)
        sizes = [size // module.tp_size for size in module.output_sizes]
        for part, size, rows in zip(("gate", "up"), sizes, weight.split(sizes), strict=True):
            tensor = _replace_last(name, f"{part}_proj.weight")
            yield PieceDigest(tensor, tensor_digest(rows, first_row=module.tp_rank * size), 1)
    elif kind == "RowParallelLinear":
        weight = _read(module)
        width = weight.shape[1]
        digest = tensor_digest(weight, first_column=module.tp_rank * width)
        yield PieceDigest(f"{name}.weight", digest, 1)
    elif kind in ("VocabParallelEmbedding", "ParallelLMHead"):
        shard = module.shard_indices
        # The embedding looks rows up in its weight, the output layer multiplies.
        weight = module.weight if kind == "VocabParallelEmbedding" else _read(module)
        weight = weight[: shard.num_org_elements]
        digest = tensor_digest(weight, first_row=shard.org_vocab_start_index)
        yield PieceDigest(f"{name}.weight", digest, 1)
    else:
        for own, parameter in module.named_parameters(recurse=False):
            # Norms: the same on all ranks.
            yield PieceDigest(f"{name}.{own}", tensor_digest(parameter), engine_ranks)


def _qkv_pieces(name: str, module: Any) -> Iterator[PieceDigest]:
    replicas = module.num_kv_head_replicas
    queries, keys = (n * module.head_size for n in (module.num_heads, module.num_kv_heads))
    key_rank = module.tp_rank // replicas
    places = {
        "q": (queries, module.tp_rank * queries, 1),
        "k": (keys, key_rank * keys, replicas),
        "v": (keys, key_rank * keys, replicas),
    }
    sizes = [size for size, _, _ in places.values()]
    weight = _read(module)
    bias = getattr(module, "bias", None)
    for what, tensor in (("weight", weight), ("bias", bias)):
        if tensor is None:
            continue
        # Some kernels keep their bias in float32.
        parts = tensor.to(weight.dtype).split(sizes)
        for (part, (_, first_row, copies)), rows in zip(places.items(), parts, strict=True):
            digest = tensor_digest(rows, first_row=first_row)
            yield PieceDigest(_replace_last(name, f"{part}_proj.{what}"), digest, copies)


def _read(module: Any) -> Tensor:
    """(rows, columns) the weight as the layer's multiplication has it."""
    multiply = getattr(module, "cpu_linear", None)
    if multiply is None:
        return module.weight.detach()
    columns = module.weight.shape[1] if module.weight.numel() else module.input_size_per_partition
    dtype = module.weight.dtype
    identity = torch.eye(columns, dtype=dtype, device=module.weight.device)
    with torch.no_grad():
        parts = [multiply(rows, module.weight, None) for rows in identity.split(_IDENTITY_ROWS)]
    return torch.cat(parts).t()


def _replace_last(name: str, last: str) -> str:
    return f"{name.rpartition('.')[0]}.{last}"
