import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.advantages import group_advantages, make_training_groups
from megatron_urpo.config import AdvantagesConfig
from megatron_urpo.types import (
    FinishReason,
    Group,
    MaskReason,
    Prompt,
    ReasoningTask,
    Response,
    Rollout,
    TaskKind,
)


def test_advantages_by_hand():
    # mean 0.5, deviations 0.5, -0.5, -0.5, 0.5; sample variance 4 * 0.25 / 3.
    expected = np.array([0.5, -0.5, -0.5, 0.5]) / (np.sqrt(1 / 3) + 1e-6)
    actual = group_advantages(np.array([1.0, 0.0, 0.0, 1.0]))
    np.testing.assert_allclose(actual, expected, rtol=1e-15)


def test_advantages_without_std_are_deviations():
    actual = group_advantages(np.array([3.0, 1.0, -1.0]), normalize_by_std=False)
    np.testing.assert_array_equal(actual, [2.0, 0.0, -2.0])


@given(st.floats(-1e6, 1e6), st.integers(2, 16))
def test_equal_rewards_have_exactly_zero_advantages(reward, size):
    # 0.1 * 3 / 3 != 0.1 in floating point: the zero must not come from the subtraction.
    assert not group_advantages(np.full(size, reward)).any()


@given(st.lists(st.floats(-10, 10, width=16), min_size=2, max_size=8), st.floats(-5, 5))
def test_advantages_ignore_a_shift_of_the_rewards(rewards, shift):
    rewards = np.array(rewards)
    np.testing.assert_allclose(
        group_advantages(rewards, normalize_by_std=False),
        group_advantages(rewards + shift, normalize_by_std=False),
        atol=1e-9,
    )


def test_huge_scores_do_not_overflow():
    actual = group_advantages(np.array([1e308, -1e308, 1e308]))
    np.testing.assert_allclose(actual, group_advantages(np.array([1.0, -1.0, 1.0])))


@pytest.mark.parametrize("rewards", [[1.0], [1.0, np.nan], [np.inf, 0.0]])
def test_bad_rewards_are_refused(rewards):
    with pytest.raises(ValueError, match=r"at least 2|finite"):
        group_advantages(np.array(rewards))


def _group(index: int, rewards: list[float], mask_reason: MaskReason | None = None) -> Group:
    task = ReasoningTask("source", str(index), (), ("1",))
    responses = tuple(
        Response((k + 5, 2), np.array([-0.5, -k], np.float32), "", FinishReason.STOP, 0)
        for k in range(len(rewards))
    )
    rollout = Rollout(Prompt(index, task, (1, 2, 3)), responses, None)
    parsed = np.ones(len(rewards), bool)
    return Group(rollout, np.array(rewards), parsed, mask_reason=mask_reason)


def test_masked_groups_leave_and_groups_without_variance_stay():
    groups = [
        _group(0, [1.0, 0.0]),
        _group(1, [np.nan, np.nan], MaskReason.VERIFIER_FAILURE),
        _group(2, [1.0, 1.0]),
    ]
    training_groups, statistics = make_training_groups(groups, AdvantagesConfig())
    assert [group.index for group in training_groups] == [0, 2]
    assert statistics.masked[TaskKind.REASONING] == 1
    assert statistics.zero_variance[TaskKind.REASONING] == 1
    first = training_groups[0]
    assert first.prompt_ids.tolist() == [1, 2, 3]
    assert [ids.tolist() for ids in first.response_ids] == [[5, 2], [6, 2]]
    assert first.num_tokens == 4
    np.testing.assert_array_equal(first.rollout_logprobs[1], np.array([-0.5, -1.0], np.float32))
