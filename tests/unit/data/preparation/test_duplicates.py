"""Duplicates: against exact sets of word sequences, and the rules for answers and groups."""

from random import Random

import numpy as np
import pytest

from megatron_urpo.code_tests.records import CallCase, CallTests
from megatron_urpo.data.answer_requests import ask_for_box
from megatron_urpo.data.preparation import duplicates
from megatron_urpo.data.preparation.duplicates import (
    SHINGLE_TOKENS,
    exact_duplicates,
    fingerprint,
    near_duplicates,
)
from megatron_urpo.data.preparation.words import split_tokens
from megatron_urpo.types import ChatMessage, InstructionTask, PreferenceTask, ReasoningTask


def instruction(text):
    return InstructionTask("s", "k", (ChatMessage("user", text),))


def problem(text, answer):
    return ReasoningTask("s", "k", (ChatMessage("user", text),), (answer,))


def preference(text, *responses):
    truth = tuple(map(float, range(len(responses))))
    return PreferenceTask("s", "k", (ChatMessage("user", text),), responses, truth)


def jaccard(a, b):
    def sequences(text):
        tokens = split_tokens(text)
        return {
            tuple(tokens[i : i + SHINGLE_TOKENS]) for i in range(len(tokens) - SHINGLE_TOKENS + 1)
        }

    one, two = sequences(a), sequences(b)
    return len(one & two) / len(one | two)


def find(tasks, threshold=0.8):
    prints = fingerprint(tasks)
    near, similarity = near_duplicates(prints.signatures, prints.groups, threshold)
    return exact_duplicates(prints.contents).tolist(), near.tolist(), similarity


def test_exact_duplicates_ignore_white_space_and_the_order_of_responses():
    tasks = [
        instruction("Name a  fruit."),
        instruction("Name a\nfruit. "),
        instruction("name a fruit."),
        preference("A fruit?", "fig", "dog"),
        preference("A fruit?", "dog", "fig"),
        preference("A fruit?", "dog", "pear"),
    ]
    assert find(tasks)[0] == [-1, 0, -1, -1, 3, -1]
    assert exact_duplicates(np.zeros((0, 2), dtype=np.uint64)).tolist() == []


def random_text(random, length):
    return [f"w{random.randrange(500)}" for _ in range(length)]


def test_near_duplicates_are_found_by_similarity():
    """Pairs far from the threshold are all decided as their exact Jaccard similarity says."""
    random = Random(4)
    texts, pairs = [], []
    for _ in range(400):
        words = random_text(random, 100)
        copy = list(words)
        for place in random.sample(range(100), random.choice([0, 1, 4, 8, 30])):
            copy[place] = "changed"
        pairs.append((" ".join(words), " ".join(copy)))
        texts += pairs[-1]
    _, near, similarity = find([instruction(text) for text in texts])
    decided = 0
    for number, (one, two) in enumerate(pairs):
        exact = jaccard(one, two)
        row = 2 * number + 1
        if exact > 0.93:
            assert near[row] == row - 1
            assert similarity[row] == pytest.approx(exact, abs=0.15)
            decided += 1
        elif exact < 0.65:
            assert near[row] == -1
            decided += 1
    assert decided > 200
    assert all(other == -1 for other in near[::2])


def test_many_alike_rows_all_lead_to_the_first():
    words = random_text(Random(2), 200)
    tasks = [instruction(" ".join([*words, f"end{number}"])) for number in range(3000)]
    _, near, _ = find(tasks)
    assert near[0] == -1
    assert set(near[1:]) == {0}


def test_problems_with_other_answers_are_other_problems():
    words = " ".join(random_text(Random(3), 80))
    tasks = [problem(f"{words} {n}", answer) for n, answer in ((1, "4"), (2, "5"), (3, "4"))]
    assert find(tasks)[1] == [-1, -1, 0]


def test_the_notation_of_an_answer_makes_no_other_problem():
    words = " ".join(random_text(Random(7), 80))
    notations = ["0.5", "\\frac12", "$x=1/2$", "\\frac{1}{3}"]
    tasks = [problem(f"{words} {number}", answer) for number, answer in enumerate(notations)]
    assert find(tasks)[1] == [-1, 0, 0, -1]


def test_the_responses_count():
    prompt = "Name a fruit."
    one, two = (" ".join(random_text(Random(seed), 60)) for seed in (5, 6))
    tasks = [
        preference(prompt, one, two),
        preference(prompt, f"{two} x", one),
        preference(prompt, one, "short"),
    ]
    assert find(tasks)[1] == [-1, 0, -1]


def test_other_responses_in_the_same_long_conversation_are_another_row():
    prompt = " ".join(random_text(Random(8), 800))
    one, two, three, four = (" ".join(random_text(Random(seed), 30)) for seed in (9, 10, 11, 12))
    tasks = [
        preference(prompt, one, two),
        preference(prompt, three, four),
        preference(f"{prompt} x", one, two),
        preference(prompt, f"{four} x", three),
    ]
    assert find(tasks)[1] == [-1, -1, 0, 1]


def test_programs_with_other_tests_are_other_problems():
    words = " ".join(random_text(Random(13), 80))

    def program(text, divisor):
        cases = (
            CallCase("[15]", (str(15 % divisor == 0).lower(),)),
            CallCase(f"[{divisor}]", ("true",)),
        )
        message = ChatMessage("user", f"{words} {text}")
        return ReasoningTask("s", "k", (message,), tests=CallTests("f", cases))

    assert find([program("3", 3), program("5", 5), program("3!", 3)])[1] == [-1, -1, 0]


@pytest.mark.parametrize("count", [0, 1, 7])
def test_rows_are_compared_alike_in_any_portions(monkeypatch, count):
    tasks = [instruction(" ".join(random_text(Random(number), 40))) for number in range(count)]
    whole = fingerprint(tasks).signatures
    monkeypatch.setattr(duplicates, "_CHARACTERS_AT_A_TIME", 300)
    assert fingerprint(tasks).signatures.tolist() == whole.tolist()
    assert len(whole) == count


def test_texts_without_words_are_no_trouble():
    assert find([instruction("?!"), instruction("?!\n"), instruction("a b")])[1] == [-1, 0, -1]


@pytest.mark.parametrize(
    "texts",
    [
        [f"Write a program that sorts a list of numbers in {name}." for name in ("C", "C++", "C#")],
        ["Solve x > 5 and x > 3 for x.", "Solve x < 5 and x < 3 for x."],
        ["\U0001f600", "\U0001f622", "\U0001f600\U0001f600", "+"],
    ],
)
def test_symbols_make_a_difference(texts):
    assert find([instruction(text) for text in texts])[1] == [-1] * len(texts)


def test_the_request_for_an_answer_is_no_part_of_a_problem():
    bare = "How many are 3 and 4?"
    tasks = [
        problem(ask_for_box(bare), "7"),
        problem(
            f"{bare} Let's think step by step and output the final answer within \\boxed{{}}.", "7"
        ),
        problem(bare, "7"),
        problem("How many are 3 and 5?", "8"),
    ]
    exact, near, _ = find(tasks)
    assert exact == near == [-1, 0, 0, -1]
