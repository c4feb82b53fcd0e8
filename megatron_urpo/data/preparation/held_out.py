"""Which preferences are held out of training: rows of some prompts, the same in all sources.

A prompt (a conversation, white space apart) is on one side only, in whichever sources it occurs.
Prompts are held out in the order of their hashes, so that neither the order of rows nor an
interruption makes a difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

UInt64Array = npt.NDArray[np.uint64]
BoolArray = npt.NDArray[np.bool_]


def choose_held_out(
    prompts: Sequence[UInt64Array], kept: Sequence[BoolArray], count: int
) -> list[BoolArray]:
    """The rows to hold out of each source: at least `count`, or all there are.

    Of each source the prompts with the smallest hashes are taken, until they have `count` rows.
    The rows that other sources have of these prompts are held out too.

    Args:
        prompts: (R,) of each source: hashes of the prompts of its rows.
        kept: (R,) of each source: the rows to choose from.
        count: at least 1.
    """
    taken = []
    for hashes, chosen in zip(prompts, kept, strict=True):
        candidates = np.sort(hashes[chosen])
        if len(candidates):
            last = candidates[min(count, len(candidates)) - 1]
            taken.append(np.unique(candidates[candidates <= last]))
    held = np.concatenate(taken) if taken else np.zeros(0, np.uint64)
    return [chosen & np.isin(hashes, held) for hashes, chosen in zip(prompts, kept, strict=True)]
