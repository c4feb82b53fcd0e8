"""Sizes of the pieces in which the local attention and the log-probs are computed on a CPU.

Apart from the computation, since the planner counts the memory of a piece and imports no torch.
"""

# Tokens of a stretch. Shorter ones waste less above the diagonal, longer ones multiply faster.
MAX_STRETCH = 128
# Scores of a tile and head, n * L * (P + L); a tile has at least one stretch.
MAX_TILE_SCORES = 1 << 18
# Floats of a softmax block: small enough to stay in cache between its passes.
SOFTMAX_BLOCK_FLOATS = 1 << 20


def stretch_tokens(length: int) -> int:
    """Tokens of the equal stretches that a sequence of this length is cut into."""
    return -(-length // max(1, -(-length // MAX_STRETCH)))
