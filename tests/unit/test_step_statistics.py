import dataclasses

import numpy as np
import pytest

from megatron_urpo.advantages import AdvantageStatistics
from megatron_urpo.code_tests.records import CodeFailure, CodeResult
from megatron_urpo.rollout.collect import RolloutStatistics
from megatron_urpo.step_statistics import (
    PackingLoad,
    batching_metrics,
    group_metrics,
    mismatch_metrics,
    rollout_metrics,
    throughput_metrics,
    update_metrics,
)
from megatron_urpo.training.policy import KindStatistics, UpdateStatistics
from megatron_urpo.types import (
    Check,
    FinishReason,
    Group,
    InstructionTask,
    Judgement,
    MaskReason,
    PreferenceTask,
    Prompt,
    ReasoningTask,
    Response,
    Rollout,
    TaskKind,
    VerifierStatus,
)
from megatron_urpo.weight_sync import mismatch


def response(length: int, text: str = "", cut: bool = False) -> Response:
    reason = FinishReason.LENGTH if cut else FinishReason.STOP
    return Response(tuple(range(length)), np.zeros(length, np.float32), text, reason, 1)


def judgement(scores: tuple[float, ...] | None, attempts: int = 1) -> Judgement:
    return Judgement("", scores, (0, 1), attempts, 50, 7 * attempts, FinishReason.STOP, 1)


REASONING = Group(
    Rollout(
        Prompt(0, ReasoningTask("sums", "a", (), ("1",)), (1, 2)),
        (response(2), response(4, cut=True)),
        None,
    ),
    rewards=np.array([1.0, 0.0]),
    parsed=np.array([True, False]),
    statuses=(VerifierStatus.CORRECT, VerifierStatus.WRONG),
)
PREFERENCE = Group(
    Rollout(
        Prompt(1, PreferenceTask("ranked", "b", (), ("x", "y"), (0.0, 1.0)), (1,) * 8),
        (response(3), response(3)),
        None,
    ),
    rewards=np.array([1.0, -1.0]),
    parsed=np.array([True, False]),  # the -1 is the reward of an unreadable judgement
)
WORDS = InstructionTask("writing", "c", (), (Check("contains_word", "river"),))
JUDGED = Group(
    Rollout(
        Prompt(2, WORDS, (1,) * 4),
        (response(2, "The river."), response(2, "The lamp.")),
        judgement((7.0, 3.0)),
    ),
    rewards=np.array([7.0, 3.0]),
    parsed=np.array([True, True]),
)
UNJUDGED = Group(
    Rollout(
        Prompt(3, WORDS, (1,) * 4),
        (response(2, "A lamp."), response(2, "A river.")),
        judgement(None, attempts=3),
    ),
    rewards=np.full(2, np.nan),
    parsed=np.array([False, False]),
    mask_reason=MaskReason.UNPARSEABLE_JUDGEMENT,
)
GROUPS = (REASONING, PREFERENCE, JUDGED, UNJUDGED)


@pytest.fixture
def metrics():
    statistics = AdvantageStatistics()
    statistics.masked[TaskKind.INSTRUCTION] = 1
    return group_metrics(GROUPS, statistics)


def test_lengths_shares_and_cut_offs(metrics):
    assert metrics["rollout/reasoning/length_mean"] == 3
    assert metrics["rollout/reasoning/truncated_share"] == 0.5
    assert metrics["rollout/reasoning/token_share"] == 6 / 20
    assert metrics["rollout/preference/prompt_length_mean"] == 8
    assert metrics["advantages/instruction/masked_groups"] == 1


def test_rewards_leave_masked_groups_out(metrics):
    assert metrics["rewards/reasoning/mean"] == 0.5
    assert metrics["rewards/reasoning/std"] == 0.5
    assert metrics["rewards/instruction/mean"] == 5.0
    assert metrics["rewards/instruction/usable_share"] == 0.5
    assert metrics["rewards/instruction/varied_share"] == 0.5


def test_tau_is_of_the_judgements_that_can_be_read(metrics):
    assert metrics["rewards/preference/mean"] == 0.0
    assert metrics["rewards/preference/tau"] == 1.0
    assert metrics["rewards/preference/parsed_share"] == 0.5


def test_hidden_checks_are_compared_with_the_self_scores(metrics):
    assert metrics["rewards/instruction/check_score"] == 0.5
    assert metrics["rewards/instruction/checker_agreement"] == 1.0
    assert metrics["rewards/instruction/judgement_attempts"] == 2.0
    assert metrics["rewards/instruction/judgement_tokens"] == 28


def test_roles_without_groups_have_no_metrics():
    metrics = group_metrics([REASONING], AdvantageStatistics())
    assert not any("/preference/" in name or "/instruction/" in name for name in metrics)


def test_replicas_add_up_and_the_slowest_sets_the_time():
    first = RolloutStatistics(
        response_tokens=10, judge_requests=2, judge_requests_overlapped=2, engine_seconds=1.0
    )
    second = RolloutStatistics(response_tokens=5, judge_requests=2, engine_seconds=3.0)
    metrics = rollout_metrics([first, second])
    assert metrics["rollout/all/response_tokens"] == 15
    assert metrics["rollout/all/engine_seconds"] == 3.0
    assert metrics["rollout/all/judge_overlapped_share"] == 0.5


def test_loads_of_model_parallel_ranks_count_once():
    loads = [PackingLoad(0, 100, 40, 2), PackingLoad(0, 100, 40, 2), PackingLoad(1, 80, 20, 1)]
    assert batching_metrics(loads) == {
        "batching/all/packed_tokens": 180,
        "batching/all/loss_tokens": 60,
        "batching/all/micro_batches": 2,
        "batching/all/rank_balance": 0.8,
    }


def test_update_means_are_weighted_by_tokens():
    def update(tokens: int, entropy: float, skipped: bool = False) -> UpdateStatistics:
        kind = KindStatistics(tokens, entropy, 1.0, 0.0, 0.0, 0.0, 0.0)
        return UpdateStatistics(0.5, 2.0, 1e-6, skipped, {TaskKind.REASONING: kind})

    metrics = update_metrics([update(30, 1.0), update(10, 3.0, skipped=True)])
    assert metrics["training/reasoning/entropy"] == 1.5
    assert metrics["training/all/updates"] == 2
    assert metrics["training/all/skipped_updates"] == 1
    assert update_metrics([]) == {"training/all/updates": 0, "training/all/skipped_updates": 0}


def test_throughput_is_over_the_seconds_of_the_stage():
    values = {
        "rollout/all/response_tokens": 900.0,
        "rollout/all/judge_tokens": 100.0,
        "rollout/all/seconds": 4.0,
        "batching/all/packed_tokens": 600.0,
        "training/all/seconds": 8.0,
        "run/all/seconds": 20.0,
    }
    assert throughput_metrics(values, epochs=4) == {
        "rollout/all/tokens_per_second": 250.0,
        "training/all/tokens_per_second": 300.0,
        "run/all/tokens_per_second": 50.0,
    }


def test_a_mismatch_of_no_tokens_is_not_measured():
    measured = mismatch([np.array([-1.0, -2.0])], [np.array([-1.5, -2.0])])
    values = mismatch_metrics(measured)
    assert values["weight_sync/all/mismatch_mean"] == 0.25
    assert values["weight_sync/all/mismatch_max"] == 0.5
    # r - 1 - log r for r = exp(-0.5), and 0 for the other token
    assert values["weight_sync/all/mismatch_kl"] == pytest.approx((np.exp(-0.5) - 0.5) / 2)
    assert mismatch_metrics(mismatch([], [])) == {}


def test_tests_passed_and_why_programs_fail():
    """By hand: shares 1, 1/4 and 0 of three judged programs; two that could not be judged."""
    results = (
        CodeResult(4, 4, None),
        CodeResult(1, 4, CodeFailure.WRONG_RESULT),
        CodeResult(0, 4, CodeFailure.TIME_LIMIT),
        CodeResult(3, 4, CodeFailure.STARVED),
        CodeResult(0, 1, CodeFailure.VERIFIER),
    )
    group = dataclasses.replace(REASONING, code_results=results)
    metrics = group_metrics([group], AdvantageStatistics())
    assert metrics["rewards/reasoning/tests_passed_share"] == pytest.approx(1.25 / 3)
    assert metrics["rewards/reasoning/code_wrong_result_share"] == pytest.approx(1 / 3)
    assert metrics["rewards/reasoning/code_time_limit_share"] == pytest.approx(1 / 3)
    assert metrics["rewards/reasoning/code_no_code_share"] == 0
    assert "rewards/reasoning/code_starved_share" not in metrics


def test_without_programs_there_is_nothing_to_say_of_tests():
    metrics = group_metrics([REASONING], AdvantageStatistics())
    assert not [name for name in metrics if "tests_passed" in name or "/code_" in name]
