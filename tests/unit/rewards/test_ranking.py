"""kendall_tau against hand-computed values and a peer library."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from megatron_urpo.rewards.ranking import (
    kendall_tau,
    pair_agreement,
    pairs_tied,
    pairwise_accuracy,
    permutation_consistency,
)

few_values = st.lists(st.integers(0, 3), min_size=2, max_size=7)


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


NAN = float("nan")


def test_pairwise_accuracy_by_hand():
    # Pairs of different truth: (1, 2), (1, 3), (2, 3): right, tied, wrong.
    assert pairwise_accuracy([1, 4, 1], [1, 2, 3]) == pytest.approx((1 + 0.5 + 0) / 3)


def test_pairs_of_equal_truth_do_not_count():
    assert pairwise_accuracy([5, 9, 1], [2, 2, 1]) == 1.0


@given(st.lists(st.integers(0, 3), min_size=2, max_size=6).filter(lambda t: len(set(t)) > 1))
def test_truth_is_perfect_its_negation_hopeless_and_a_constant_even(truth):
    assert pairwise_accuracy(truth, truth) == 1.0
    assert pairwise_accuracy((-np.array(truth)).tolist(), truth) == 0.0
    assert pairwise_accuracy([1.0] * len(truth), truth) == 0.5


def test_pair_agreement_by_hand():
    # Pairs (0, 1), (0, 2), (1, 2): alike; reversed; tied in the second alone.
    assert pair_agreement([1, 2, 0], [1, 5, 5]) == pytest.approx((1 + 0 + 0.5) / 3)
    assert pair_agreement([4, 4, 1], [9, 9, 0]) == 1.0  # a tie in both is agreement
    assert pair_agreement([1e308, -1e308], [1.0, 0.0]) == 1.0  # the difference overflows


@given(few_values, st.data())
def test_pair_agreement_is_symmetric_and_its_extremes_are_identity_and_reversal(first, data):
    n = len(first)
    second = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    value = pair_agreement(first, second)
    assert 0 <= value <= 1
    assert pair_agreement(second, first) == value
    assert pair_agreement(first, [2 * score + 1 for score in first]) == 1.0
    distinct = list(range(n))
    assert pair_agreement(distinct, distinct[::-1]) == 0.0


@given(st.permutations(range(6)), st.permutations(range(6)))
def test_without_ties_pair_agreement_is_tau_on_another_scale(first, second):
    tau = kendalltau(first, second).statistic
    assert pair_agreement(first, second) == pytest.approx((1 + tau) / 2)


def test_permutation_consistency_by_hand():
    # Agreements of the three pairs of judgements: 1, 0 and 0.
    assert permutation_consistency([[1, 2], [3, 9], [5, 4]]) == pytest.approx(1 / 3)
    assert permutation_consistency([[7, 7, 7], [1, 1, 1]]) == 1.0


def test_a_referee_that_scores_places_is_reversed_by_the_reversed_order():
    """Whatever stands first gets 3 points: scores by response are opposite in the two orders."""
    order = [2, 0, 1]
    by_place = {response: 3 - slot for slot, response in enumerate(order)}
    reversed_ = {response: 3 - slot for slot, response in enumerate(order[::-1])}
    judgements = [[scores[response] for response in range(3)] for scores in (by_place, reversed_)]
    assert permutation_consistency(judgements) == 0.0


def test_ties_are_listed_pair_by_pair():
    assert pairs_tied([1, 2, 1]).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pair_agreement([1, 2], [1, 2, 3]), "got 2 and 3 scores"),
        (lambda: pair_agreement([1], [1]), "got 1 and 1 scores"),
        (lambda: permutation_consistency([[1, 2]]), "at least 2 judgements, got 1"),
        (lambda: permutation_consistency([[1, NAN, 2], [1, 2, NAN]]), "value 1 of 3 is NaN"),
        (lambda: pair_agreement([NAN] * 3, [NAN] * 3), "value 0 of 3 is NaN"),
        (lambda: pairs_tied([1, NAN]), "value 1 of 2 is NaN"),
        (lambda: pairwise_accuracy([1, NAN], [1, 2]), "value 1 of 2 is NaN"),
        (lambda: pairwise_accuracy([1, 2], [NAN, 2]), "value 0 of 2 is NaN"),
        (lambda: pairwise_accuracy([1, 2], [5, 5]), "no two of the 2 true qualities differ"),
        (lambda: pairwise_accuracy([1, 2], [1, 2, 3]), "2 scores of 3 true qualities"),
    ],
)
def test_rankings_that_cannot_be_compared_raise(call, message):
    with pytest.raises(ValueError, match=message):
        call()
