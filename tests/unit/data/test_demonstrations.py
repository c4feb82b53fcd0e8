"""Supervised examples: in the formats that rewards read, and as good as they claim."""

from random import Random

import numpy as np
import pytest

from megatron_urpo.code_tests.encodings import parse_code_tests
from megatron_urpo.config import SourceConfig
from megatron_urpo.data.checkers import check_score
from megatron_urpo.data.demonstrations import demonstrate, stretch_scores
from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.sources import EMBEDDED, load_source
from megatron_urpo.judging import parse_scores, write_judge_prompt
from megatron_urpo.rewards.math_answer import verify
from megatron_urpo.rewards.ranking import kendall_tau
from megatron_urpo.types import (
    ChatMessage,
    Check,
    InstructionTask,
    PreferenceTask,
    ReasoningTask,
    TaskKind,
    VerifierStatus,
)

USER = (ChatMessage("user", "Name a fruit."),)


def tasks(name, **options):
    config = SourceConfig(name, EMBEDDED[name][0], f"embedded:{name}", options=options)
    return load_source(config, "train", 1).tasks


def test_reasoning():
    for task in tasks("chain_sum", items=50):
        shown = demonstrate(task, Random(1))
        assert shown.kind is TaskKind.REASONING
        assert shown.messages == task.messages
        assert verify(shown.target, list(task.gold)).status is VerifierStatus.CORRECT


@pytest.mark.parametrize(("oversight", "tau"), [(0.0, 1.0), (0.3, 0.7), (1.0, 0.0)])
def test_judgements_follow_the_truth_but_for_what_they_overlook(oversight, tau):
    random = Random(3)
    judged = tasks("writing_preferences", items=400, tie_free=1, num_responses="2,3,4,5")
    scores, truths = [], []
    for task in judged:
        shown = demonstrate(task, random, oversight=oversight)
        (message,) = shown.messages
        # The order shown is read off the prompt.
        places = [message.content.index(f"]\n{text}\n[The End") for text in task.responses]
        order = [int(index) for index in np.argsort(places)]
        assert message.content == write_judge_prompt(
            task.messages[0].content, task.responses, order
        )
        parsed = parse_scores(shown.target, len(task.responses))
        noted = [int(line.split("(")[1][:-1]) for line in shown.target.split("\n")[:-1]]
        assert parsed == noted
        scores.append(parsed)
        truths.append([task.truth[index] for index in order])
    assert kendall_tau(scores, truths).mean() == pytest.approx(tau, abs=0.1)


def test_a_judgement_notes_what_it_counts():
    checks = (
        Check("contains_word", "rain"),
        Check("contains_word", "coin"),
        Check("contains_word", "owl"),
        Check("begins_with", "Once"),
        Check("capitalized", ""),
        Check("ends_with", "?"),
    )
    responses = ("Once the coin left the rain?", "the owl ran.", "Now!")
    task = PreferenceTask("p", "1", USER, responses, (5.0, 1.0, 1.0), checks)
    shown = {demonstrate(task, Random(seed), oversight=0.0).target for seed in range(20)}
    assert (
        "1: capital, Once, coin, rain, ? (5)\n2: owl (1)\n3: capital (1)\n"
        "Scores: \\boxed{5, 1, 1}" in shown
    )
    unread = demonstrate(task, Random(1), oversight=1.0).target
    assert unread == "1: none (0)\n2: none (0)\n3: none (0)\nScores: \\boxed{0, 0, 0}"


def test_terse_judgements_are_the_scores_alone_as_often_as_asked():
    judged = tasks("writing_preferences", items=400, num_responses="2,3")
    shown = [demonstrate(task, Random(k), terse_share=0.6) for k, task in enumerate(judged)]
    terse = [each.target.startswith("Scores:") for each in shown]
    assert np.mean(terse) == pytest.approx(0.6, abs=0.07)
    for task, each, is_terse in zip(judged, shown, terse, strict=True):
        if is_terse:
            scores = parse_scores(each.target, len(task.responses))
            assert sorted(scores) == sorted(stretch_scores(task.truth))


def test_instructions_are_met_in_part():
    random = Random(2)
    scores = [
        check_score(task, demonstrate(task, random).target)
        for task in tasks("writing_instructions", items=400, max_extras=3)
    ]
    assert np.mean(scores) == pytest.approx(0.5, abs=0.05)
    assert {0.0, 1.0} < set(scores)


def test_programs_cannot_be_made_up():
    tests = parse_code_tests({"inputs": ["1"], "outputs": ["1"]})
    task = ReasoningTask("mine", "line-7", USER, tests=tests)
    with pytest.raises(DataError, match="source 'mine': problem 'line-7' has tests and no answer"):
        demonstrate(task, Random(1))


def test_instructions_of_users_cannot_be_made_up():
    for checks in [(), (Check("max_words", "3"),)]:
        task = InstructionTask("mine", "line-7", USER, checks)
        with pytest.raises(DataError, match="source 'mine', item 'line-7': no answer can be made"):
            demonstrate(task, Random(1))


@pytest.mark.parametrize(
    ("truth", "scores"),
    [
        ((0.25, 0.25, 0.75), [1, 1, 9]),
        ((0.0, 3.0), [1, 9]),
        ((-2.0, 0.0, 2.0), [1, 5, 9]),
        ((1.5, 1.0, 2.0), [5, 1, 9]),
    ],
)
def test_stretch_scores(truth, scores):
    assert stretch_scores(truth) == scores


def test_judgements_of_user_data_are_the_scores_alone():
    task = PreferenceTask("p", "1", USER, ("a", "b", "c"), (2.0, 0.0, 2.0))
    target = demonstrate(task, Random(1)).target
    assert target.startswith("Scores: \\boxed{")
    assert sorted(parse_scores(target, 3)) == [1, 9, 9]
