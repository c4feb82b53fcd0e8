"""Kendall's tau-a in batches, in C++ and in the best numpy we could write.

python -m benchmarks.ranking [--results FILE]

For N from 2 to 8, batches of (rows, N) scores and truths: rows a second of `kendall_tau`, and of
every form of the computation in numpy below. The ratio is to the fastest of them, for each N and
size of batch anew. Both refuse NaN, so numpy pays for finding it too (by the minimum, its cheapest
way); "unchecked" is the ratio to numpy without that. All on one thread. Values are whole numbers
from 0 to 9: ties occur.

Also: the same with narrower vectors, as on older processors; long groups, next to scipy's
kendalltau, group by group. Raw numbers go to benchmarks/results/ranking.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from benchmarks.machine import describe_machine
from megatron_urpo import _core
from megatron_urpo.rewards.ranking import kendall_tau
from megatron_urpo.types import Float64Array

RESULTS = Path(__file__).resolve().parent / "results" / "ranking.json"
BATCHES = (4_096, 65_536)  # rows; the second is beyond the first levels of cache
LENGTHS = range(2, 9)
LONG = (100, 1_000, 10_000, 100_000)
BLOCK = 4_096  # rows of the blocked form

Form = Callable[[Float64Array, Float64Array], Float64Array]


def outer_signs(scores: Float64Array, truth: Float64Array) -> Float64Array:
    """All N * N differences by broadcasting: the short way to write it."""
    n = scores.shape[1]
    product = np.sign(scores[:, :, None] - scores[:, None]) * np.sign(
        truth[:, :, None] - truth[:, None]
    )
    return product.sum((1, 2)) / (n * (n - 1))


def pairs_by_index(scores: Float64Array, truth: Float64Array) -> Float64Array:
    """The N (N - 1) / 2 pairs only, gathered by their indices."""
    i, j = np.triu_indices(scores.shape[1], 1)
    product = np.sign(scores[:, i] - scores[:, j]) * np.sign(truth[:, i] - truth[:, j])
    return product.mean(1)


def signs_of_columns(scores: Float64Array, truth: Float64Array) -> Float64Array:
    """A loop over pairs of columns, in float64."""
    rows, n = scores.shape
    balance = np.zeros(rows)
    for i in range(1, n):
        for j in range(i):
            balance += np.sign(scores[:, i] - scores[:, j]) * np.sign(truth[:, i] - truth[:, j])
    return balance / (n * (n - 1) // 2)


def bytes_of_columns(scores: Float64Array, truth: Float64Array) -> Float64Array:
    """A loop over pairs of columns; comparisons and sums in bytes."""
    return _bytes_of_columns(scores.T, truth.T)


def bytes_of_packed_columns(scores: Float64Array, truth: Float64Array) -> Float64Array:
    """The same on columns that are made contiguous first."""
    return _bytes_of_columns(np.ascontiguousarray(scores.T), np.ascontiguousarray(truth.T))


def bytes_in_blocks(scores: Float64Array, truth: Float64Array) -> Float64Array:
    """The same in blocks of rows that fit the cache."""
    tau = np.empty(len(scores))
    for start in range(0, len(scores), BLOCK):
        stop = start + BLOCK
        tau[start:stop] = bytes_of_packed_columns(scores[start:stop], truth[start:stop])
    return tau


def bytes_a_column_at_a_time(scores: Float64Array, truth: Float64Array) -> Float64Array:
    """Each contiguous column against all before it in one operation."""
    s, t = np.ascontiguousarray(scores.T), np.ascontiguousarray(truth.T)
    n = len(s)
    balance = np.zeros(s.shape[1], np.int8)
    for i in range(1, n):
        product = _sign(s[i], s[:i])
        product *= _sign(t[i], t[:i])
        balance += product.sum(0, dtype=np.int8)
    return balance / (n * (n - 1) // 2)


def _bytes_of_columns(scores: Float64Array, truth: Float64Array) -> Float64Array:
    n = len(scores)
    balance = np.zeros(scores.shape[1], np.int8)  # at most 28 pairs
    for i in range(1, n):
        for j in range(i):
            product = _sign(scores[i], scores[j])
            product *= _sign(truth[i], truth[j])
            balance += product
    return balance / (n * (n - 1) // 2)


def _sign(first: Float64Array, second: Float64Array) -> np.ndarray:
    return (first > second).view(np.int8) - (first < second).view(np.int8)


FORMS: tuple[Form, ...] = (
    outer_signs,
    pairs_by_index,
    signs_of_columns,
    bytes_of_columns,
    bytes_of_packed_columns,
    bytes_in_blocks,
    bytes_a_column_at_a_time,
)


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    results = parser.parse_args().results
    rows = [measure(size, length) for size in BATCHES for length in LENGTHS]
    long = [measure_long(length) for length in LONG]
    record = {"machine": describe_machine(), "numpy": np.__version__, "rows": rows, "long": long}
    results.parent.mkdir(exist_ok=True)
    results.write_text(json.dumps(record, indent=1) + "\n")
    print(f"{describe_machine()}, numpy {np.__version__}; million rows a second, one thread")
    print(f"{'rows':>7} {'N':>2} {'C++':>7} {'numpy':>7} {'ratio':>6} {'unchecked':>9}", end="")
    print(f" {'outer':>7}  256 bit  128 bit  best numpy")
    for row in rows:
        million = {name: value / 1e6 for name, value in row.items() if isinstance(value, float)}
        print(
            f"{row['rows']:>7} {row['N']:>2} {million['cpp']:>7.0f} {million['numpy']:>7.1f} "
            f"{row['ratio']:>6.1f} {row['ratio_unchecked']:>9.1f} "
            f"{row['forms']['outer_signs'] / 1e6:>7.1f} {million['cpp_256']:>8.0f} "
            f"{million['cpp_128']:>8.0f}  {row['best_form']}"
        )
    for row in long:
        print(
            f"one group of N = {row['N']}: {1e6 * row['seconds']:.0f} us, "
            f"scipy {1e6 * row['scipy_seconds']:.0f} us"
        )


def measure(size: int, length: int) -> dict:
    """Rows a second of all forms on one batch."""
    scores, truth = np.random.default_rng(length).integers(0, 10, (2, size, length)).astype(float)
    expected = kendall_tau(scores, truth)
    forms = {}
    for form in FORMS:
        np.testing.assert_array_equal(form(scores, truth).round(12), expected.round(12))
        forms[form.__name__] = size / seconds_of(partial(form, scores, truth))
    best = max(forms, key=forms.__getitem__)
    check = seconds_of(lambda: np.isnan(scores.min()) or np.isnan(truth.min()))
    numpy_rate = size / (size / forms[best] + check)
    cpp = size / seconds_of(lambda: kendall_tau(scores, truth))
    return {
        "rows": size,
        "N": length,
        "cpp": cpp,
        "cpp_256": size / seconds_of(lambda: _core.kendall_tau_rows(scores, truth, 4)),
        "cpp_128": size / seconds_of(lambda: _core.kendall_tau_rows(scores, truth, 2)),
        "numpy": numpy_rate,
        "ratio": cpp / numpy_rate,
        "ratio_unchecked": cpp / forms[best],
        "best_form": best,
        "forms": forms,
    }


def measure_long(length: int) -> dict:
    """Seconds for one long group."""
    scores, truth = np.random.default_rng(length).random((2, 1, length))
    return {
        "N": length,
        "seconds": seconds_of(lambda: kendall_tau(scores, truth)),
        "scipy_seconds": seconds_of(lambda: kendalltau(scores[0], truth[0])),
    }


def seconds_of(call: Callable[[], object], total: float = 0.4) -> float:
    """The fastest of as many calls as fit in `total` seconds, 5 at the least."""
    best, calls, begin = np.inf, 0, time.perf_counter()
    while calls < 5 or time.perf_counter() - begin < total:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
        calls += 1
    return float(best)


if __name__ == "__main__":
    main()
