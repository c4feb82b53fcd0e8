"""Rewards, parse flags and masks of whole groups of the three kinds."""

import time
from dataclasses import replace

import numpy as np
import pytest

from megatron_urpo.code_tests.encodings import parse_code_tests
from megatron_urpo.code_tests.records import CodeFailure, CodeResult
from megatron_urpo.config import RewardsConfig
from megatron_urpo.rewards.score import RewardScorer
from megatron_urpo.types import (
    ChatMessage,
    FinishReason,
    InstructionTask,
    Judgement,
    MaskReason,
    PreferenceTask,
    Prompt,
    ReasoningTask,
    Response,
    Rollout,
    VerifierStatus,
)

CORRECT, WRONG, TIMEOUT = VerifierStatus.CORRECT, VerifierStatus.WRONG, VerifierStatus.TIMEOUT
MESSAGES = (ChatMessage("user", "a question"),)
TIE = PreferenceTask("prefs", "1", MESSAGES, ("a", "b", "c"), (1.0, 3.0, 2.0))
# Nothing that any engine finishes.
ENDLESS = "9^{9^{9}} - 1"
PROBLEM = ReasoningTask("sums", "1", MESSAGES, ("5", "five"))
INSTRUCTION = InstructionTask("open", "7", MESSAGES)


def rollout(task, texts, index=0, order=(), scores=None, judged=False):
    responses = tuple(
        Response((1, 2), np.zeros(2, np.float32), text, FinishReason.STOP, policy_version=3)
        for text in texts
    )
    judgement = None
    if judged or scores is not None:
        judgement = Judgement(
            "text", scores, tuple(range(len(texts))), 1, 9, 9, FinishReason.STOP, 3
        )
    return Rollout(Prompt(index, task, (1,), order), responses, judgement)


@pytest.fixture
def scorer_of():
    scorers = []

    def make(seed=0, **options):
        scorers.append(RewardScorer(RewardsConfig(**options), seed))
        return scorers[-1]

    yield make
    for scorer in scorers:
        scorer.close()


def scored(scorer, *rollouts):
    for each in rollouts:
        scorer.submit(each)
    return scorer.drain()


def test_preference_rewards_undo_the_order_shown(scorer_of):
    """The example of types.py: slots show c, a, b."""
    texts = [
        "Scores: \\boxed{5, 1, 9}",  # a 1, b 9, c 5: the true order
        "Scores: \\boxed{5, 9, 1}",  # a 9, b 1, c 5: its reverse
        "Scores: [7, 7, 9]",  # a 7, b 9, c 7: two pairs right, one tied
        "Scores: \\boxed{1, 2}",
        "no scores",
    ]
    (group,) = scored(scorer_of(), rollout(TIE, texts, order=(2, 0, 1)))
    np.testing.assert_allclose(group.rewards, [1.0, -1.0, 2 / 3, -1.0, -1.0], rtol=1e-15)
    assert group.parsed.tolist() == [True, True, True, False, False]
    assert group.mask_reason is None
    assert group.statuses == ()


def test_preference_without_any_parseable_judgement(scorer_of):
    scorer = scorer_of(unparseable_preference=-0.5)
    (group,) = scored(scorer, rollout(TIE, ["x", "y"], order=(0, 1, 2)))
    assert group.rewards.tolist() == [-0.5, -0.5]
    assert group.parsed.tolist() == [False, False]
    assert group.mask_reason is None


def test_self_scores_are_the_rewards(scorer_of):
    (group,) = scored(scorer_of(), rollout(INSTRUCTION, "abc", scores=(3.0, 9.5, -1.0)))
    assert group.rewards.tolist() == [3.0, 9.5, -1.0]
    assert group.parsed.tolist() == [True, True, True]
    assert group.mask_reason is None


def test_an_unparseable_judgement_masks_its_group(scorer_of):
    (group,) = scored(scorer_of(), rollout(INSTRUCTION, "abc", judged=True))
    assert np.isnan(group.rewards).all()
    assert group.parsed.tolist() == [False, False, False]
    assert group.mask_reason is MaskReason.UNPARSEABLE_JUDGEMENT


def test_instruction_rollouts_must_be_judged_completely(scorer_of):
    with pytest.raises(ValueError, match="open:7 was submitted without a judgement"):
        scorer_of().submit(rollout(INSTRUCTION, "abc"))
    with pytest.raises(ValueError, match="open:7 has 2 scores for 3 responses"):
        scorer_of().submit(rollout(INSTRUCTION, "abc", scores=(1.0, 2.0)))


def test_reasoning_rewards(scorer_of):
    texts = ["\\boxed{5}", "\\boxed{FIVE}", "\\boxed{6}", "We count\n5 or 6", "\\boxed{y=5}"]
    (group,) = scored(scorer_of(), rollout(PROBLEM, texts))
    assert group.rewards.tolist() == [1.0, 1.0, 0.0, 0.0, 1.0]
    assert group.parsed.tolist() == [True, True, True, False, True]
    assert group.statuses == (CORRECT, CORRECT, WRONG, WRONG, CORRECT)
    assert group.mask_reason is None


def test_a_verifier_timeout_masks_its_group_and_no_other(scorer_of):
    scorer = scorer_of(verifier_timeout_seconds=3.0, verifier_workers=1)
    endless = replace(PROBLEM, gold=(ENDLESS,))
    slow = rollout(endless, [f"\\boxed{{{ENDLESS}}}", "\\boxed{5}", "no answer"])
    masked, whole = scored(scorer, slow, rollout(PROBLEM, ["\\boxed{y=5}"], index=1))
    np.testing.assert_array_equal(masked.rewards, [1.0, np.nan, 0.0])
    assert masked.statuses == (CORRECT, TIMEOUT, WRONG)
    assert masked.mask_reason is MaskReason.VERIFIER_FAILURE
    assert whole.rewards.tolist() == [1.0]
    assert whole.mask_reason is None


def test_groups_come_out_once_each_in_the_order_of_submission(scorer_of):
    scorer = scorer_of(verifier_timeout_seconds=2.0, verifier_workers=1)
    hanging = rollout(PROBLEM, [f"\\boxed{{{ENDLESS}}}"], index=0)
    quick = rollout(PROBLEM, ["\\boxed{5}"], index=1)
    judged = rollout(INSTRUCTION, "ab", index=2, scores=(1.0, 2.0))
    for each in (hanging, quick, judged):
        scorer.submit(each)
    assert [group.rollout for group in scorer.drain()] == [hanging, quick, judged]
    assert scorer.drain() == []


def test_a_judge_prompt_that_did_not_fit_is_a_reason_of_its_own(scorer_of):
    asked = rollout(INSTRUCTION, "ab", judged=True)
    never = replace(asked, judgement=replace(asked.judgement, attempts=0, order=()))
    reasons = [group.mask_reason for group in scored(scorer_of(), asked, never)]
    assert reasons == [MaskReason.UNPARSEABLE_JUDGEMENT, MaskReason.OVERLONG_JUDGE_PROMPT]


PROGRAM = ReasoningTask(
    "programs",
    "1",
    MESSAGES,
    tests=parse_code_tests({"inputs": ["2", "3"], "outputs": ["4", "9"]}),
)


def test_code_rewards(scorer_of, bubblewrap):
    """1 only if every test passes; what passed is recorded."""
    texts = [
        "```python\nprint(int(input()) ** 2)\n```",
        "```python\nprint(4)\n```",
        "```python\nwhile True: pass\n```",
        "The squares are 4 and 9.",
    ]
    scorer = scorer_of(code_test_seconds=1.0, code_workers=1)
    (group, sums) = scored(scorer, rollout(PROGRAM, texts), rollout(PROBLEM, ["\\boxed{5}"], 1))
    assert group.rewards.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert group.parsed.tolist() == [True, True, True, False]
    assert group.statuses == (CORRECT, WRONG, WRONG, WRONG)
    assert group.code_results == (
        CodeResult(2, 2, None),
        CodeResult(1, 2, CodeFailure.WRONG_RESULT),
        CodeResult(0, 2, CodeFailure.TIME_LIMIT),
        CodeResult(0, 2, CodeFailure.NO_CODE),
    )
    assert group.mask_reason is None
    assert (sums.rewards.tolist(), sums.code_results) == ([1.0], ())


def test_a_test_that_cannot_be_run_masks_its_group(scorer_of, bubblewrap):
    tests = parse_code_tests({"assert_case": ["assert f(lambda: 1)"]})
    task = ReasoningTask("programs", "2", MESSAGES, tests=tests)
    texts = ["```\ndef f(x): return 1\n```", "no code"]
    (group,) = scored(scorer_of(code_workers=1), rollout(task, texts))
    np.testing.assert_array_equal(group.rewards, [np.nan, 0.0])
    assert group.statuses == (VerifierStatus.ERROR, WRONG)
    assert group.mask_reason is MaskReason.VERIFIER_FAILURE


def test_submitting_code_does_not_wait_for_it(scorer_of, bubblewrap):
    scorer = scorer_of(code_test_seconds=2.0, code_workers=1)
    start = time.monotonic()
    scorer.submit(rollout(PROGRAM, ["```\nwhile True: pass\n```"]))
    assert time.monotonic() - start < 2.0  # the program runs for as long at the least
    assert [group.rewards.tolist() for group in scorer.drain()] == [[0.0]]


def shuffled_rewards(scorer, step, index):
    scorer.start_step(step)
    scores = tuple(map(float, range(8)))
    (group,) = scored(scorer, rollout(INSTRUCTION, "abcdefgh", index=index, scores=scores))
    return group.rewards.tolist()


def test_shuffled_self_scores_are_a_permutation_by_seed_step_and_prompt(scorer_of):
    scorer = scorer_of(seed=1, shuffle_self_scores=True)
    rewards = shuffled_rewards(scorer, step=4, index=2)
    assert sorted(rewards) == list(map(float, range(8)))
    assert rewards == shuffled_rewards(scorer, step=4, index=2)
    assert rewards != shuffled_rewards(scorer, step=5, index=2)
    assert rewards != shuffled_rewards(scorer, step=4, index=3)
    assert rewards != shuffled_rewards(scorer_of(seed=2, shuffle_self_scores=True), 4, 2)


def test_shuffling_takes_the_information_out_of_self_scores(scorer_of):
    """Over many prompts every response gets every score equally often."""
    scorer = scorer_of(shuffle_self_scores=True)
    means = np.mean([shuffled_rewards(scorer, 0, index) for index in range(2000)], axis=0)
    np.testing.assert_allclose(means, 3.5, atol=0.25)  # 5 standard errors
