"""Every measure against values computed by hand, and against referees whose faults are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom, kendalltau

from megatron_urpo.monitoring.judged import verified_groups
from megatron_urpo.monitoring.statistics import (
    baseline_agreement,
    group_values,
    mean_values,
    pass_at_k,
    referee_metrics,
    self_judged_metrics,
    self_judged_values,
)
from megatron_urpo.types import TaskKind

from .known import instruction, judged, reasoning, verdict

REVERSED = (2, 1, 0)


def test_preference_group_by_hand():
    # Lengths 1, 2, 3. First verdict: right but for a tie of the best two; second: all reversed.
    group = judged([1, 2, 3], verdict([4, 7, 7]), verdict([3, 2, 1], REVERSED))
    values = group_values(group)
    assert values["parse_failure_share"] == 0
    assert values["tau"] == pytest.approx((2 / 3 - 1) / 2)
    assert values["tie_share"] == pytest.approx((1 / 3 + 0) / 2)
    assert values["length_correlation"] == pytest.approx((2 / 3 - 1) / 2)
    assert values["length_bias"] == pytest.approx((2 / 3 - 1) / 2 - 1)  # truth follows length
    # By place: 4, 7, 7 and, in the reversed order, 1, 2, 3.
    assert values["position_bias"] == pytest.approx((2 / 3 + 1) / 2)
    # Pairs (0, 1), (0, 2): opposite; (1, 2): tied in one.
    assert values["consistency"] == pytest.approx(0.5 / 3)
    assert "verifier_agreement" not in values


def test_verified_group_by_hand():
    group = judged(
        [1, 0, 0], verdict([5, 5, 1]), verdict([1, 1, 9], REVERSED), kind=TaskKind.REASONING
    )
    values = group_values(group)
    # Pairs of a right and a wrong answer: (0, 1) and (0, 2).
    assert values["verifier_agreement"] == pytest.approx((0.75 + 0.25) / 2)
    assert values["tie_share"] == pytest.approx(0.5)
    assert "tau" not in values


def test_what_cannot_be_read_counts_as_chance_and_nowhere_else():
    values = group_values(judged([1, 2], verdict([1, 9]), verdict(None, (1, 0))))
    assert values["parse_failure_share"] == 0.5
    assert values["tau"] == 0.5
    assert values["tie_share"] == 0.0
    assert not {"consistency", "position_bias"} & values.keys()  # one order says nothing of them
    nothing = group_values(judged([1, 0], verdict(None), verdict(None), kind=TaskKind.REASONING))
    assert nothing == {"parse_failure_share": 1.0, "verifier_agreement": 0.5}


scores_of_three = st.lists(st.integers(0, 3), min_size=3, max_size=3)


@given(st.permutations(range(5)), st.permutations(range(5)))
def test_a_perfect_referee_has_no_fault(truth, order):
    """Whatever truth, lengths and order are."""
    texts = ["x" * (1 + 2 * index) for index in range(5)]
    both = verdict(truth, order), verdict(truth, tuple(order)[::-1])
    values = group_values(judged(truth, *both, responses=texts))
    assert values["tau"] == 1.0
    assert values["consistency"] == 1.0
    assert values["length_bias"] == 0.0
    assert values["position_bias"] == 0.0
    assert values["tie_share"] == 0.0
    assert values["length_correlation"] == pytest.approx(
        kendalltau(truth, range(5)).statistic, abs=1e-12
    )


@given(scores_of_three.filter(lambda truth: len(set(truth)) > 1), st.permutations(range(3)))
def test_a_referee_of_places_is_found_out_whatever_the_truth(truth, order):
    """It gives the last place most."""
    first = [order.index(response) for response in range(3)]
    second = [list(order)[::-1].index(response) for response in range(3)]
    values = group_values(judged(truth, verdict(first, order), verdict(second, tuple(order)[::-1])))
    assert values["position_bias"] == 1.0
    assert values["consistency"] == 0.0
    assert values["tau"] == pytest.approx(0.0)


@given(st.permutations(range(4)))
def test_a_referee_of_lengths_is_as_biased_as_the_truth_is_not(truth):
    values = group_values(judged(truth, verdict(range(4)), verdict(range(4), (3, 2, 1, 0))))
    assert values["length_correlation"] == 1.0
    tau = kendalltau(truth, range(4)).statistic
    assert values["length_bias"] == pytest.approx(1 - tau)
    assert values["tau"] == pytest.approx(tau)


def test_three_orders_use_every_pair_of_them_and_positions_the_reversed_ones():
    group = judged([1, 2], verdict([1, 2]), verdict([1, 2], (1, 0)), verdict([2, 1]))
    values = group_values(group)
    assert values["consistency"] == pytest.approx(1 / 3)
    assert values["position_bias"] == 0.0


def test_self_judged_groups():
    texts = ["aaa", "b", "b", "cc"]
    values = self_judged_values(instruction(texts, (3.0, 1.0, 1.0, 1.0), order=(3, 0, 1, 2)))
    # Different texts: all pairs but (1, 2); tied among them: (1, 3) and (2, 3).
    assert values["tie_share"] == pytest.approx(2 / 5)
    assert values["length_correlation"] == pytest.approx(3 / 6)  # 0 above 1, 2 and 3
    # By place: 1, 3, 1, 1.
    assert values["position_bias"] == pytest.approx((1 - 2) / 6)
    assert self_judged_values(instruction(texts, None)) == {"parse_failure_share": 1.0}
    assert "tie_share" not in self_judged_values(instruction(["a", "a"], (1.0, 1.0)))
    with pytest.raises(ValueError, match="not a self-judged group"):
        self_judged_values(reasoning([1.0, 0.0]))


def test_baseline_agreement_compares_order_by_order():
    now = judged([1, 2], verdict([1, 2]), verdict([2, 1], (1, 0)))
    assert baseline_agreement(now, (verdict([5, 9]), verdict([5, 9], (1, 0)))) == 0.5
    assert baseline_agreement(now, (verdict(None), verdict([9, 5], (1, 0)))) == 1.0
    assert baseline_agreement(now, (verdict(None), verdict(None))) is None


def test_metrics_are_means_over_groups_by_role_and_tau_by_source():
    groups = [
        judged([1, 2], verdict([1, 2]), verdict([1, 2], (1, 0)), source="a"),
        judged([1, 2], verdict([2, 1]), verdict([2, 1], (1, 0)), source="a"),
        judged([1, 2], verdict([1, 2]), verdict(None, (1, 0)), source="b"),
        judged([1, 0], verdict([2, 1]), verdict([2, 1]), kind=TaskKind.REASONING, source="sums"),
    ]
    metrics = referee_metrics(groups)
    assert metrics["monitoring/preference/tau"] == pytest.approx((1 - 1 + 0.5) / 3)
    assert metrics["monitoring/preference/tau/a"] == 0.0
    assert metrics["monitoring/preference/tau/b"] == 0.5
    assert metrics["monitoring/preference/groups/b"] == 1
    assert metrics["monitoring/preference/parse_failure_share"] == pytest.approx(1 / 6)
    assert metrics["monitoring/preference/consistency"] == 1.0  # of the two that have it
    assert metrics["monitoring/preference/groups"] == 3
    assert metrics["monitoring/preference/consistency_groups"] == 2
    assert "monitoring/preference/tau_groups" not in metrics  # all three
    assert metrics["monitoring/reasoning/verifier_agreement"] == 1.0
    assert metrics["monitoring/all/judgements"] == 8
    assert metrics["monitoring/all/judge_tokens"] == 40
    assert not [name for name in referee_metrics(groups[:2]) if name.startswith("monitoring/r")]
    assert "monitoring/preference/tau/a" not in referee_metrics(groups[:2])  # one source


def test_self_judged_metrics_are_of_instructions_alone():
    groups = [instruction(["a", "bb"], (1.0, 2.0)), instruction(["a", "bb"], None)]
    metrics = self_judged_metrics([reasoning([1.0, 0.0]), *groups])
    assert metrics["monitoring/instruction/parse_failure_share"] == 0.5
    assert metrics["monitoring/instruction/length_correlation"] == 1.0
    assert metrics["monitoring/instruction/groups"] == 2
    assert self_judged_metrics([reasoning([1.0, 0.0])]) == {}


def test_a_judgement_that_was_never_asked_for_is_not_unreadable():
    """Its judge prompt does not fit: the rollout counts that, and the referee is not to blame."""
    unseen = [instruction(["a", "bb"], None, attempts=0) for _ in range(9)]
    seen = [instruction(["a", "bb"], (1.0, 2.0)), instruction(["a", "bb"], None, attempts=3)]
    metrics = self_judged_metrics([*unseen, *seen])
    assert metrics == self_judged_metrics(seen)
    assert metrics["monitoring/instruction/groups"] == 2
    assert metrics["monitoring/instruction/parse_failure_share"] == 0.5
    assert self_judged_metrics(unseen) == {}
    with pytest.raises(ValueError, match="not a self-judged group"):
        self_judged_values(unseen[0])


def test_verified_groups_are_the_first_mixed_ones():
    groups = [
        reasoning([1.0, 1.0], key="all right"),
        reasoning([0.0, 1.0, 0.0], ["wrong", "right", "wrong too"], key="mixed"),
        reasoning([1.0, None], key="verifier failed"),
        instruction(["a", "b"], (1.0, 2.0)),
        reasoning([0.0, 0.0], key="all wrong"),
        reasoning([1.0, 0.0], key="second"),
        reasoning([1.0, 0.0], key="third"),
    ]
    found = verified_groups(groups, 2)
    assert [known.task.key for known in found] == ["mixed", "second"]
    assert found[0].task.responses == ("wrong", "right", "wrong too")
    assert found[0].task.truth == (0.0, 1.0, 0.0)
    assert found[0].kind is TaskKind.REASONING
    assert verified_groups(groups, 0) == []


def test_content_tells_groups_apart_and_not_by_their_truth():
    one, same = judged([1, 2]).known, judged([2, 1]).known
    other = judged([1, 2], responses=("x", "xxx")).known
    assert one.content == same.content != other.content


@given(st.integers(1, 12), st.data())
def test_pass_at_k_is_the_chance_of_a_right_sample_in_a_draw(n, data):
    correct, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    expected = 1 - hypergeom(n, correct, k).pmf(0)
    assert pass_at_k(n, correct, k) == pytest.approx(expected, abs=1e-12)


def test_pass_at_k_by_hand():
    assert pass_at_k(4, 1, 1) == 0.25
    assert pass_at_k(4, 1, 2) == 0.5
    assert pass_at_k(4, 2, 2) == pytest.approx(1 - 1 / 6)
    assert pass_at_k(4, 1, 4) == 1.0


@pytest.mark.parametrize(("n", "correct", "k"), [(4, 1, 5), (4, 1, 0), (4, 5, 1), (4, -1, 1)])
def test_pass_at_k_refuses_what_cannot_be(n, correct, k):
    with pytest.raises(ValueError, match=f"pass@{k} of {correct} right among {n}"):
        pass_at_k(n, correct, k)


def test_means_leave_out_groups_without_a_value():
    means = mean_values([{"tau": 1.0}, {"tau": 0.0, "ties": 0.5}, {}])
    assert means == {"tau": 0.5, "ties": 0.5}
    assert all(math.isfinite(value) for value in means.values())


def test_random_referees_are_at_chance():
    """What the thresholds are measured from: tau 0, agreement and consistency 0.5, no bias."""
    rng = np.random.default_rng(0)
    groups = []
    for _ in range(3000):
        order = tuple(rng.permutation(4).tolist())
        both = (verdict(rng.random(4), o) for o in (order, order[::-1]))
        groups.append(judged(rng.permutation(4).tolist(), *both))
    values = mean_values(group_values(group) for group in groups)
    for name, expected in {
        "tau": 0.0,
        "consistency": 0.5,
        "position_bias": 0.0,
        "length_bias": 0.0,
        "tie_share": 0.0,
    }.items():
        assert values[name] == pytest.approx(expected, abs=0.03), name
