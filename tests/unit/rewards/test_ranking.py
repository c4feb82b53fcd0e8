"""kendall_tau against hand-computed values and a peer library."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from megatron_urpo.rewards.ranking import kendall_tau


@pytest.mark.parametrize(
    ("scores", "truth", "tau"),
    [
        ([1, 9], [0, 1], 1.0),
        ([9, 1], [0, 1], -1.0),
        ([5, 5], [0, 1], 0.0),
        ([1, 9, 5], [1, 3, 2], 1.0),
        ([1, 5, 9], [1, 3, 2], 1 / 3),  # two pairs agree, one does not
        ([1, 1, 2], [1, 2, 3], 2 / 3),  # a tie counts 0 and stays in the denominator: tau-a
        ([1, 1, 1], [1, 2, 3], 0.0),  # tau-b would be undefined
        ([1, 2, 3, 4], [1, 1, 2, 2], 4 / 6),
        ([-1e308, 1e308], [0, 1], 1.0),  # the difference overflows
        ([0.0, 5e-324], [0, 5e-324], 1.0),  # the product of the differences underflows
        ([-np.inf, np.inf, np.inf], [1, 2, 2], 2 / 3),
    ],
)
def test_hand_computed(scores, truth, tau):
    assert kendall_tau([scores], [truth]).tolist() == [tau]


def test_without_ties_it_is_scipys_tau():
    rng = np.random.default_rng(0)
    scores, truth = rng.random((2, 50, 7))
    expected = [kendalltau(s, t).statistic for s, t in zip(scores, truth, strict=True)]
    np.testing.assert_allclose(kendall_tau(scores, truth), expected, rtol=1e-12)


@pytest.mark.parametrize("length", [100, 5000])
def test_long_groups_are_scipys_tau_too(length):
    """tau-b without ties is tau-a."""
    rng = np.random.default_rng(length)
    truth = rng.random((2, length))
    scores = truth + 0.3 * rng.random((2, length))
    expected = [kendalltau(s, t).statistic for s, t in zip(scores, truth, strict=True)]
    np.testing.assert_allclose(kendall_tau(scores, truth), expected, rtol=1e-12)


def test_ragged_groups_and_mixed_forms():
    taus = kendall_tau(
        [[1, 2], (3.0, 2.0, 1.0), np.array([1, 2, 3])], [[1, 2], [1, 2, 3], [1, 2, 2]]
    )
    assert taus.dtype == np.float64
    assert taus.tolist() == [1.0, -1.0, 2 / 3]
    assert kendall_tau(np.array([[1, 2], [1, 2]]), [[1, 2], [2, 1]]).tolist() == [1.0, -1.0]


def test_arrays_of_any_memory_order():
    scores = np.asfortranarray([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    truth = np.array([[1, 0, 2, 0, 3, 0]] * 2, dtype=np.int32)[:, ::2]
    assert kendall_tau(scores, truth).tolist() == [1.0, -1.0]


def test_no_groups_give_no_taus():
    assert kendall_tau([], []).shape == (0,)
    assert kendall_tau(np.empty((0, 4)), np.empty((0, 4))).shape == (0,)


@pytest.mark.parametrize(
    ("scores", "truth", "message"),
    [
        ([[1, 2]], [[1, 2], [1, 2]], "scores has 1 groups, truth has 2"),
        ([[1, 2], [1, 2, 3]], [[1, 2], [1, 2]], "group 1 has 3 scores and 2 true qualities"),
        ([[1, 2], [1]], [[1, 2], [1]], r"group 1 has 1 item\(s\)"),
        ([[1, float("nan")]], [[1, 2]], "group 0, item 1: score is NaN"),
        ([[1, 2]], [[None, 2]], "group 0, item 0: truth is NaN"),
        ([1, 2], [1, 2], "scores: group 0 has 0 dimensions"),
        (np.array([[1], [2]]), np.array([[1], [2]]), r"group 0 has 1 item\(s\)"),
        (np.array([[1, 2], [1, np.nan]]), np.ones((2, 2)), "group 1, item 1: score is NaN"),
        (np.ones((2, 3)), np.ones((2, 2)), "group 0 has 3 scores and 2 true qualities"),
        (np.array([1, 2]), np.array([1, 2]), r"scores has 1 dimension\(s\)"),
        ([[[1, 2]]], [[[1, 2]]], "scores: group 0 has 2 dimensions"),
        ([["a", "b"]], [[1, 2]], "could not convert string"),
    ],
)
def test_bad_input_raises(scores, truth, message):
    with pytest.raises(ValueError, match=message):
        kendall_tau(scores, truth)
