r"""Sentences that only say how to answer: data sets put them before or behind their problems.

The adapters add one of them, and what is compared with other texts (evaluation sets, duplicates)
is the bare problem: the same problem comes with another request in each data set.
"""

from __future__ import annotations

import re

ANSWER_REQUEST = "Reason step by step and put the final answer in \\boxed{}."
BARE_ANSWER_REQUEST = "Put the final answer in \\boxed{}."  # of problems that need no reasoning

# Longer ones stand before those that they begin with.
_REQUESTS = (
    ANSWER_REQUEST,
    "Let's think step by step and output the final answer within \\boxed{}.",  # Skywork-OR1
    'Let\'s think step by step and output the final answer after "####".',  # GSM8K in verl
    "Please reason step by step, and put your final answer within \\boxed{}.",  # Qwen, DeepSeek
    "Present the answer in LaTex format: \\boxed{Your answer}",
    "Return your final response within \\boxed{}.",
    "Please put your final answer within \\boxed{}.",
    "Put your final answer within \\boxed{}.",
    BARE_ANSWER_REQUEST,
    "Please reason step by step.",
    "Reason step by step.",
    "Let's think step by step.",
    "Think step by step.",
    "Please answer in detail.",
)
_LONGEST = 200  # characters at an end of a text in which a request is looked for


def _pattern(request: str) -> str:
    """The words of a request, whatever stands between them."""
    return r"[\W_]+".join(re.findall(r"[^\W_]+", request))


_ANY = "|".join(map(_pattern, _REQUESTS))
_AT_THE_END = re.compile(rf"(?<!\w)(?:{_ANY})[\W_]*\Z", re.IGNORECASE)
_AT_THE_BEGINNING = re.compile(rf"\A\s*(?:{_ANY})(?!\w)[{{}}]*\$?[\s.:,;!)\"#]*", re.IGNORECASE)


def strip_requests(text: str) -> str:
    """A text without the known requests, and without white space, at its beginning and end.

    Empty where there is nothing else.
    """
    text = text.strip()
    while True:
        start = max(0, len(text) - _LONGEST)
        bare = text
        if found := _AT_THE_END.search(text, start):
            bare = text[: found.start()].rstrip()
        if found := _AT_THE_BEGINNING.match(bare):
            bare = bare[found.end() :].lstrip()
        if bare == text:
            return text
        text = bare


def ask_for_box(question: str) -> str:
    r"""A problem that says where the answer is to stand; unchanged when it speaks of \boxed."""
    return question if "\\boxed" in question else f"{question}\n{ANSWER_REQUEST}"
