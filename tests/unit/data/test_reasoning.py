"""The reasoning problems: their answers are right, found here without the library."""

import re
from itertools import islice

import pytest

from megatron_urpo.config import SourceConfig
from megatron_urpo.data.answer_requests import BARE_ANSWER_REQUEST
from megatron_urpo.data.sources import load_source
from megatron_urpo.rewards.math_answer import verify
from megatron_urpo.types import TaskKind, VerifierStatus


def problems(name, **options):
    config = SourceConfig(
        name, TaskKind.REASONING, f"embedded:{name}", options={"items": 300, **options}
    )
    for task in load_source(config, "heldout", 1).tasks:
        (message,) = task.messages
        (gold,) = task.gold
        assert message.content.endswith(f" {BARE_ANSWER_REQUEST}")
        yield message.content.removesuffix(f" {BARE_ANSWER_REQUEST}"), gold


@pytest.mark.parametrize("digits", [1, 2])
def test_chain_sum(digits):
    for question, gold in problems("chain_sum", max_digits=digits):
        expression = re.fullmatch(r"Compute ([\d +-]+)\.", question)[1]
        terms = re.findall(r"[+-]?\d+", expression.replace(" ", ""))
        assert 2 <= len(terms) <= 3
        assert sum(map(int, terms)) == int(gold)


def test_needle_haystack():
    for question, gold in problems("needle_haystack", min_num_statements=3, max_num_statements=4):
        statements, _, asked = question.rpartition("\n")
        facts = re.findall(r"([^.]+)\.(?: |$)", statements)
        assert 3 <= len(facts) <= 4
        predicate = re.fullmatch(r"Who (.+)\?", asked)[1]
        assert [fact for fact in facts if fact.endswith(f" {predicate}")] == [f"{gold} {predicate}"]


def test_number_sorting():
    for question, gold in problems("number_sorting"):
        direction, numbers = re.fullmatch(
            r"Sort these numbers in (a|de)scending order: ([\d, ]+)\.", question
        ).groups()
        ordered = sorted(map(int, numbers.split(", ")), reverse=direction == "de")
        assert gold == f"({', '.join(map(str, ordered))})"


def test_the_verifier_minds_the_order_of_sorted_numbers():
    """A swap must not pass for the answer: a policy would find and farm it."""
    for _, gold in islice(problems("number_sorting"), 5):
        numbers = gold[1:-1].split(", ")
        assert verify(f"\\boxed{{{gold}}}", gold).status is VerifierStatus.CORRECT
        if numbers != numbers[::-1]:
            swapped = ", ".join(numbers[::-1])
            for answer in (swapped, f"({swapped})", f"[{swapped}]", f"\\{{{swapped}\\}}"):
                assert verify(f"\\boxed{{{answer}}}", gold).status is VerifierStatus.WRONG


@pytest.mark.parametrize("name", ["chain_sum", "needle_haystack", "number_sorting"])
def test_the_verifier_accepts_the_gold_answers(name):
    for _, gold in problems(name, items=100):
        assert verify(f"\\boxed{{{gold}}}", gold).status is VerifierStatus.CORRECT
