import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.evaluation.held_out import pairwise_accuracy


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
