"""Overlap with evaluation sets: against a plain reference, on real sets, at the edges."""

import json
import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.data.answer_requests import ANSWER_REQUEST, strip_requests
from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.preparation.contamination import (
    MOST_QUESTIONS,
    SHORTEST_AT_ENDS,
    SHORTEST_INSIDE,
    ContaminationIndex,
    question_texts,
)
from megatron_urpo.data.preparation.words import split_words


def index_of(*questions, num_words=13):
    index = ContaminationIndex(num_words)
    for number, question in enumerate(questions):
        index.add(question, f"q{number}")
    return index


def overlaps(question, text, num_words):
    """The documented rule, with lists of words."""
    asked, said = split_words(question), split_words(text)
    length = min(len(asked), num_words)
    if asked and asked == said:
        return True
    if length < min(SHORTEST_INSIDE, num_words):
        return length >= SHORTEST_AT_ENDS and asked in (said[:length], said[-length:])
    sequences = [asked[i : i + length] for i in range(len(asked) - length + 1)]
    return any(said[i : i + length] in sequences for i in range(len(said) - length + 1))


words = st.lists(st.sampled_from("abc"), max_size=24).map(" ".join)


@given(st.lists(words, max_size=4), words, st.integers(6, 13))
def test_agrees_with_the_plain_rule(questions, text, num_words):
    found = index_of(*questions, num_words=num_words).find([text])
    assert (found is not None) == any(overlaps(q, text, num_words) for q in questions)
    if found is not None:
        assert overlaps(questions[int(found[1:])], text, num_words)


QUESTION = "Alice has twelve red apples and gives five of them to Bob, how many are left over?"


def test_markup_case_and_punctuation_do_not_hide_an_overlap():
    index = index_of("Convert the point $(0,3)$ in rectangular coordinates to polar coordinates.")
    copy = "CONVERT the point \\((0, 3)\\) in **rectangular** coordinates to\npolar coordinates!"
    assert index.find(["nothing", "Well: " + copy + " Thanks."]) == "q0"
    assert index.find(["Convert the point (0,4) in rectangular coordinates to polar ones."]) is None


SPELLINGS = {
    "larger fractions": lambda text: text.replace("\\frac", "\\dfrac"),
    "smaller fractions": lambda text: text.replace("\\dfrac", "\\frac"),
    "fractions of digits": lambda text: re.sub(r"frac\{(\d)\}\{(\d)\}", r"frac\1\2", text),
    "slashes": lambda text: re.sub(r"(?<!\d)\\frac\{(\w+)\}\{(\w+)\}", r"\1/\2", text),
    "brackets as they are": lambda text: re.sub(r"\\(left|right|[Bb]igg?)(?![a-z])", "", text),
    "no fonts": lambda text: re.sub(r"\\(text|math)[a-z]*\{([^{}]*)\}", r"\2", text),
    "no drawings": lambda text: re.sub(r"\[asy\].*?\[/asy\]", "", text, flags=re.DOTALL),
    "relations": lambda text: re.sub(r"\\([lgn]e)(?![a-z])", r"\\\1q", text),
    "characters": lambda text: (
        re.sub(r"\\le(q)?(?![a-z])", "\u2264", text)
        .replace("\\cdot", "\u00b7")
        .replace("\\pi", "\u03c0")
        .replace("\\sqrt", "\u221a")
    ),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_the_spelling_of_formulas_does_not_hide_an_overlap(real_data, spelling):
    rows = map(json.loads, (real_data / "math500.jsonl").read_text().splitlines())
    questions = [row["problem"] for row in rows]
    index = index_of(*questions)
    other = [text for text in map(spelling, questions) if text not in questions]
    bare = "In the diagram, what is the area of the shaded triangle?"  # what a drawing leaves
    missed = [text for text in other if index.find([text]) is None and bare not in text]
    assert other
    assert missed == []


def test_another_formula_is_another_question():
    index = index_of("Compute $\\sqrt{\\dfrac{3}{4}} + \\frac12 + \\pi$ to three digits.")
    assert index.find(["Compute $\\sqrt{3/4} + 1/2 + \u03c0$ to three digits."]) == "q0"
    assert index.find(["Compute $\\sqrt{3/5} + 1/2 + \u03c0$ to three digits."]) is None
    assert index.find(["Compute $\\sin{3/4} + 1/2 + \u03c0$ to three digits."]) is None


def test_thirteen_words_are_an_overlap_and_twelve_are_not():
    asked = split_words(QUESTION)
    index = index_of(QUESTION)
    assert index.find([" ".join(["x", *asked[2:15], "y"])]) == "q0"
    assert index.find([" ".join(["x", *asked[2:14], "y"])]) is None


def test_short_questions():
    index = index_of("What is the capital of France?", "Hi, how are you?", "Hi there!")
    assert index.find(["Tell me: what is the capital of France, please"]) == "q0"
    assert index.find(["hi how are you"]) == "q1"
    assert index.find(["Hi, how are you today?"]) == "q1"
    assert index.find(["Tom says: hi, how are you?"]) == "q1"
    assert index.find(["Tom says hi, how are you, and leaves."]) is None
    assert index.find(["Hi there"]) == "q2"
    assert index.find(["Hi there, a question."]) is None
    assert index_of("", "?!").find(["", "?!"]) is None


def test_text_without_spaces_is_compared_by_character():
    question = "请问北京到上海的高铁最快需要几个小时"
    assert index_of(question).find(["你好," + question + "?谢谢"]) == "q0"
    assert index_of(question).find(["请问北京到广州的飞机最快需要几个小时"]) is None


def test_phrases_of_a_format_are_not_content():
    ask = "Let's think step by step and output the final answer within \\boxed{} please."
    few = [f"Problem number {n} is about {n} cats. {ask}" for n in range(MOST_QUESTIONS)]
    row = f"Something else altogether. {ask}"
    assert index_of(*few).find([row]) == "q0"
    assert index_of(*few, f"One more, on dogs. {ask}").find([row]) is None


@pytest.mark.parametrize(
    ("row", "texts"),
    [
        ({"question": "a", "answer": "b"}, ["a"]),
        ({"problem": "a", "solution": "b"}, ["a"]),
        ({"prompt": "a", "chosen": "b"}, ["a"]),
        ({"instruction": "a", "output": "b"}, ["a"]),
        ({"prompt": [{"role": "user", "content": "a"}]}, ["a"]),
        (
            {
                "conversation_input": [
                    {"role": "user", "content": "a", "language": "English"},
                    {"role": "assistant", "content": "b"},
                    {"role": "user", "content": "c"},
                ]
            },
            ["a", "c"],
        ),
        ({"turns": ["a", "b"]}, ["a", "b"]),
    ],
)
def test_question_texts(row, texts):
    assert question_texts(row, "f:1") == texts


def test_unknown_schemas_and_bad_lines_are_errors(write_rows):
    with pytest.raises(DataError, match="x.jsonl:2: no question in any of the fields question"):
        ContaminationIndex().add_file(str(write_rows("x.jsonl", [{"question": "a"}, {"text": 1}])))
    with pytest.raises(DataError, match="x.jsonl:1: .*correct the evaluation set"):
        ContaminationIndex().add_file(str(write_rows("x.jsonl", ["{"])))
    with pytest.raises(DataError, match="the evaluation set is empty"):
        ContaminationIndex().add_file(str(write_rows("x.jsonl", [])))


@pytest.mark.parametrize("request_", ["Let's think step by step.", ANSWER_REQUEST])
def test_requests_hide_nothing_and_are_no_overlap(request_):
    index = index_of(f"Write 'Test'. {request_}", "Simplify $\\sqrt{242}$.")
    assert index.find([f"Write Test\n{request_}"]) == "q0"
    assert index.find([f"{request_} Write Test"]) == "q0"
    assert index.find([f"Simplify $\\sqrt{{242}}$. {request_}"]) == "q1"
    assert index.find([f"Something else. {request_}"]) is None


REAL_SETS = {
    "gsm8k_test_500.jsonl": 500,
    "math500.jsonl": 500,
    "aime24.jsonl": 30,
    "aime25.jsonl": 30,
    "hmmt_feb_2024.jsonl": 29,
    "hmmt_feb_2025.jsonl": 29,
    "alpaca_eval_gpt4_1106_preview.jsonl": 805,
}


def test_real_sets_are_found_whole_and_in_part(real_data):
    """Every question of every set, dressed up; and none of GSM8K's training problems."""
    index = ContaminationIndex()
    for name, questions in REAL_SETS.items():
        assert index.add_file(str(real_data / name)) == questions
    for name in ("rewardbench_like.jsonl", "rmb_pairwise_sample.jsonl", "rmb_bon_sample.jsonl"):
        assert index.add_file(str(real_data / name)) > 100
    random = Random(1)
    questions = [
        strip_requests(question_texts(json.loads(line), "")[0])
        for name in REAL_SETS
        for line in (real_data / name).read_text().splitlines()
    ]
    joined = [f" {' '.join(split_words(text))} " for text in questions]
    parts = 0
    for text in questions:
        assert index.find([text.upper()]), text
        words = split_words(text)
        if len(words) > 15:
            start = random.randrange(len(words) - 13)
            part = " ".join(words[start : start + 13])
            is_phrase = sum(f" {part} " in other for other in joined) > MOST_QUESTIONS
            assert (index.find([f"so {part} then"]) is None) == is_phrase, part
            parts += not is_phrase
    assert parts > 1000
    training = (real_data / "gsm8k_train_1000.jsonl").read_text().splitlines()
    assert not [row for row in training if index.find([json.loads(row)["question"]])]
