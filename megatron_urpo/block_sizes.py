"""Sizes of the pieces in which training works: local attention and log-probs on a CPU, gathering.

Apart from the work itself, since the planner counts the memory of a piece and imports no torch.
"""

# Tokens of a stretch. Shorter ones waste less above the diagonal, longer ones multiply faster.
MAX_STRETCH = 128
# Scores of a tile and head, n * L * (P + L); a tile has at least one stretch.
MAX_TILE_SCORES = 1 << 18
# Floats of a softmax block: small enough to stay in cache between its passes.
SOFTMAX_BLOCK_FLOATS = 1 << 20
# Of the optimizer's state in flight while it is gathered for a checkpoint, of all ranks together.
GATHERED_PIECE_BYTES = 64 << 20


def stretch_tokens(length: int) -> int:
    """Tokens of the equal stretches that a sequence of this length is cut into."""
    return -(-length // max(1, -(-length // MAX_STRETCH)))
