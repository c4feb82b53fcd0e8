"""Bootstrap confidence intervals over evaluation items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from megatron_urpo.types import Float64Array


def bootstrap_interval(
    values: Sequence[float] | Float64Array,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean (Efron and Tibshirani 1993, chapter 13).

    For a paired comparison pass the differences, item by item.

    Args:
        values: (n,) one value an item, n >= 1.
        confidence: mass of the interval.

    Returns:
        lower and upper bound of the mean.

    Raises:
        ValueError: no values.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or len(data) == 0:
        raise ValueError(f"the bootstrap needs one value an item, got shape {data.shape}")
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    for start in range(0, resamples, 500):
        block = means[start : start + 500]
        block[:] = data[generator.integers(0, len(data), (len(block), len(data)))].mean(axis=1)
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(means, [tail, 1 - tail])
    return float(lower), float(upper)
