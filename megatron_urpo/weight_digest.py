"""A number that tells whether two copies of a tensor hold the same bits, piece by piece.

The digest of a tensor is the sum over its elements of bits * hash(index), modulo 2 ** 64. It is
additive: pieces that live on different ranks, wherever they were cut, are digested where they are
and their digests summed. Zeros of either sign count alike.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Elements digested at one time: the temporaries are eight bytes an element.
_CHUNK = 1 << 22
_BITS = {2: torch.int16, 4: torch.int32}


def tensor_digest(
    piece: Tensor, *, first_row: int = 0, first_column: int = 0, num_columns: int | None = None
) -> int:
    """The digest of a tensor, or of a rectangular piece of one.

    Args:
        piece: (rows, columns) or (rows,), bfloat16, float16 or float32.
        first_row: of the whole tensor's rows, the one the piece begins at.
        first_column: the same for columns.
        num_columns: of the whole tensor; None: those of the piece.

    Returns:
        a signed 64-bit number; digests of pieces add up with `add_digests`.
    """
    matrix = piece.detach().reshape(len(piece), -1)
    width = matrix.shape[1]
    if num_columns is None:
        num_columns = width
    columns = torch.arange(first_column, first_column + width, device=piece.device)
    rows_at_once = max(1, _CHUNK // max(width, 1))
    total = 0
    for start in range(0, len(matrix), rows_at_once):
        block = matrix[start : start + rows_at_once].contiguous()
        bits = block.view(_BITS[block.element_size()]).to(torch.int64)
        bits.masked_fill_(block == 0, 0)
        rows = torch.arange(first_row + start, first_row + start + len(block), device=piece.device)
        total += int((bits * _hash(rows[:, None] * num_columns + columns)).sum())
    return _signed(total)


def add_digests(*digests: int) -> int:
    """The digest of a tensor from those of its pieces."""
    return _signed(sum(digests))


def _hash(index: Tensor) -> Tensor:
    """(...) int64 in, int64 out: Knuth's multiplicative generator, high bits folded into low."""
    mixed = index * 6364136223846793005 + 1442695040888963407
    return mixed ^ (mixed >> 33)


def _signed(number: int) -> int:
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)
