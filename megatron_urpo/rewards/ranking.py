"""Rankings against each other: Kendall's tau-a (paper section 3.2.1), and shares of pairs.

kendall_tau is the reward. The shares read more easily: 1 is agreement, 0.5 chance, 0 reversal.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TypeGuard

import numpy as np
import numpy.typing as npt

from megatron_urpo import _core
from megatron_urpo.types import Float64Array

Groups = npt.NDArray[np.floating | np.integer] | Sequence[npt.ArrayLike]


def kendall_tau(scores: Groups, truth: Groups) -> Float64Array:
    """One tau-a a group: 2 / (N (N - 1)) * sum over i < j of sign[(s_i - s_j) (g_i - g_j)].

    Both arguments are qualities: larger is better. A pair tied in either counts 0 and stays in the
    denominator (tau-a, not scipy's tau-b). Infinite values rank as such.

    Args:
        scores: predicted scores, a (groups, N) array or a sequence of groups of any lengths >= 2.
        truth: true qualities, of the same form and lengths.

    Returns:
        (groups,) float64 in [-1, 1].

    Raises:
        ValueError: NaN, a group of fewer than 2 items, or lengths that do not match; it names the
            group.
    """
    if _is_matrix(scores) and _is_matrix(truth) and scores.shape == truth.shape:
        return _core.kendall_tau_rows(_as_doubles(scores), _as_doubles(truth))
    score_values, score_offsets = _flatten("scores", scores)
    truth_values, truth_offsets = _flatten("truth", truth)
    if len(score_offsets) != len(truth_offsets):
        raise ValueError(
            f"scores has {len(score_offsets) - 1} groups, truth has {len(truth_offsets) - 1}"
        )
    differing = np.flatnonzero(score_offsets != truth_offsets)
    if len(differing):
        group = int(differing[0]) - 1
        raise ValueError(
            f"group {group} has {np.diff(score_offsets)[group]} scores "
            f"and {np.diff(truth_offsets)[group]} true qualities"
        )
    return _core.kendall_tau(score_values, truth_values, score_offsets)


def pairwise_accuracy(scores: Sequence[float], truth: Sequence[float]) -> float:
    """Share of pairs of different quality that the scores order rightly; a tied score counts half.

    Args:
        scores, truth: N values each, larger is better; at least one pair of different truth.

    Raises:
        ValueError: NaN, lists of different lengths, or no pair of different truth.
    """
    if len(scores) != len(truth):
        raise ValueError(f"{len(scores)} scores of {len(truth)} true qualities")
    truth_signs, score_signs = _pair_signs(truth), _pair_signs(scores)
    decided = truth_signs != 0
    if not decided.any():
        raise ValueError(f"no two of the {len(truth)} true qualities differ")
    return float(((truth_signs * score_signs)[decided] + 1).mean() / 2)


def pair_agreement(first: Sequence[float], second: Sequence[float]) -> float:
    """Share of all pairs of items that two score lists order alike, ties included.

    A pair that only one of them ties counts half. Symmetric; 1 for equal rankings, 0 for reversed
    ones without ties.

    Args:
        first, second: scores of the same N >= 2 items.

    Raises:
        ValueError: NaN, lists of different lengths, or of fewer than 2 items.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ValueError(
            f"two rankings of the same 2 or more items are needed, got {len(first)} and "
            f"{len(second)} scores"
        )
    return float(1 - np.abs(_pair_signs(first) - _pair_signs(second)).mean() / 2)


def permutation_consistency(judgements: Sequence[Sequence[float]]) -> float:
    """How much of a referee's ranking survives when the same responses are shown in other orders.

    The mean pair_agreement over all pairs of judgements. A referee that ties everything is
    consistent too: look at its ties beside it.

    Args:
        judgements: K >= 2 judgements of the same N >= 2 responses, scores by response (not by the
            slot in which it was shown).

    Raises:
        ValueError: NaN, fewer than 2 judgements, or of different lengths.
    """
    if len(judgements) < 2:
        raise ValueError(f"consistency needs at least 2 judgements, got {len(judgements)}")
    return float(np.mean([pair_agreement(a, b) for a, b in combinations(judgements, 2)]))


def pairs_tied(scores: Sequence[float]) -> npt.NDArray[np.bool_]:
    """(N (N - 1) / 2,) whether each pair i < j has equal scores, in the order of triu_indices.

    Raises ValueError at NaN.
    """
    return _pair_signs(scores) == 0


def _pair_signs(values: Sequence[float]) -> Float64Array:
    """(N (N - 1) / 2,) sign of value i against value j for each pair i < j; compared, not
    subtracted.

    Raises ValueError at NaN, which is neither larger, smaller nor equal.
    """
    array = np.asarray(values, dtype=np.float64)
    missing = np.flatnonzero(np.isnan(array))
    if len(missing):
        raise ValueError(f"value {missing[0]} of {len(array)} is NaN, which has no rank")
    first, second = np.triu_indices(len(array), 1)
    higher, lower = array[first] > array[second], array[first] < array[second]
    return higher.astype(np.float64) - lower


def _is_matrix(groups: Groups) -> TypeGuard[npt.NDArray[np.floating | np.integer]]:
    return isinstance(groups, np.ndarray) and groups.ndim == 2 and groups.dtype != object


def _as_doubles(groups: npt.NDArray[np.floating | np.integer]) -> Float64Array:
    return np.ascontiguousarray(groups, dtype=np.float64)


def _flatten(name: str, groups: Groups) -> tuple[Float64Array, npt.NDArray[np.int64]]:
    """(values of all groups in a row, offsets of the groups)."""
    if isinstance(groups, np.ndarray) and groups.dtype != object:
        if groups.ndim != 2:
            raise ValueError(
                f"{name} has {groups.ndim} dimension(s): give a (groups, N) array or a list of "
                "groups"
            )
        count, length = groups.shape
        return _as_doubles(groups).reshape(-1), np.arange(count + 1, dtype=np.int64) * length
    arrays = [np.asarray(group, dtype=np.float64) for group in groups]
    for index, array in enumerate(arrays):
        if array.ndim != 1:
            raise ValueError(
                f"{name}: group {index} has {array.ndim} dimensions, a group is a flat list of "
                "numbers"
            )
    offsets = np.zeros(len(arrays) + 1, dtype=np.int64)
    np.cumsum([len(array) for array in arrays], out=offsets[1:])
    return np.concatenate(arrays or [np.empty(0)]), offsets
