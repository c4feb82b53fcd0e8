"""A number that tells whether two copies of a tensor hold the same bits, piece by piece.

The digest of a tensor is the sum over its elements of bits * hash(row) * hash(column), modulo
2 ** 64. It is additive: pieces that live on different ranks, wherever they were cut, are digested
where they are and their digests summed. Zeros of either sign count alike.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Elements digested at one time, eight bytes each: they stay in cache between the passes.
_CHUNK = 1 << 17
_BITS = {2: torch.int16, 4: torch.int32}


def tensor_digest(piece: Tensor, *, first_row: int = 0, first_column: int = 0) -> int:
    """The digest of a tensor, or of a rectangular piece of one.

    Args:
        piece: (rows, columns) or (rows,), bfloat16, float16 or float32. It may be empty.
        first_row: of the whole tensor's rows, the one the piece begins at.
        first_column: the same for columns.

    Returns:
        a signed 64-bit number; digests of pieces add up with `add_digests`.
    """
    matrix = piece.detach()
    matrix = matrix.flatten(1) if matrix.ndim > 1 else matrix[:, None]
    rows = _hash(torch.arange(first_row, first_row + len(matrix), device=piece.device))
    width = matrix.shape[1]
    columns = _hash(torch.arange(first_column, first_column + width, device=piece.device))
    rows_at_once = max(1, _CHUNK // max(width, 1))
    total = torch.zeros((), dtype=torch.int64, device=piece.device)
    for start in range(0, len(matrix), rows_at_once):
        # Adding zero turns -0.0 into 0.0.
        block = matrix[start : start + rows_at_once].contiguous() + 0
        bits = block.view(_BITS[block.element_size()]).to(torch.int64)
        sums = bits.mul_(columns).sum(dim=1)
        total += (sums * rows[start : start + rows_at_once]).sum()
    return int(total)


def add_digests(*digests: int) -> int:
    """The digest of a tensor from those of its pieces."""
    return _signed(sum(digests))


def _hash(index: Tensor) -> Tensor:
    """(...) int64 to odd int64: Knuth's multiplicative generator, high bits folded into low."""
    mixed = index * 6364136223846793005 + 1442695040888963407
    return (mixed ^ (mixed >> 33)) | 1


def _signed(number: int) -> int:
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)
