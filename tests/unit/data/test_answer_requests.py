"""Requests for the form of an answer: taken off both ends, and nothing else."""

import pytest

from megatron_urpo.data.answer_requests import ANSWER_REQUEST, ask_for_box, strip_requests

SKYWORK = "Let's think step by step and output the final answer within \\boxed{}."


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("", ""),
        ("What is $x$?", "What is $x$?"),
        (f"What is $x$?\n{ANSWER_REQUEST}", "What is $x$?"),
        (f"What is $x$? {SKYWORK}", "What is $x$?"),
        ("What is $x$? Let\u2019s think step-by-step!", "What is $x$?"),
        ("Put your final answer within \\boxed{}$.\n\n$x = 1$?", "$x = 1$?"),
        (f"{SKYWORK}\n$x = 1$?", "$x = 1$?"),
        (f"Think step by step. What is $x$? {SKYWORK} Please answer in detail.", "What is $x$?"),
        (f"Say this: {SKYWORK} Then that.", f"Say this: {SKYWORK} Then that."),
        (
            "Why do stairs make me rethink step by step",
            "Why do stairs make me rethink step by step",
        ),
        (SKYWORK, ""),
    ],
)
def test_strip_requests(text, bare):
    assert strip_requests(text) == bare


def test_what_is_asked_for_is_taken_off_again():
    assert strip_requests(ask_for_box("What is $x$?")) == "What is $x$?"
    boxed = "Put $x$ in \\boxed{}."
    assert ask_for_box(boxed) == boxed
