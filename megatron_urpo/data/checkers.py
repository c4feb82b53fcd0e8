"""Checks of an answer against the demands of a generated instruction.

They measure what a run has learned. No reward is computed from them, except that the generated
preference data is built so that the number of demands a response meets is its quality.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from megatron_urpo.types import Check, InstructionTask

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def _contains_word(answer: str, argument: str) -> bool:
    return argument.lower() in (word.lower() for word in _WORD.findall(answer))


def _begins_with(answer: str, argument: str) -> bool:
    first = _WORD.search(answer)
    return first is not None and first.group().lower() == argument.lower()


def _ends_with(answer: str, argument: str) -> bool:
    return answer.rstrip().endswith(argument)


def _lower_case(answer: str, argument: str) -> bool:
    return answer.strip() != "" and answer == answer.lower()


def _capitalized(answer: str, argument: str) -> bool:
    first = _WORD.search(answer)
    return first is not None and first.group()[0].isupper()


def _max_words(answer: str, argument: str) -> bool:
    return 0 < len(_WORD.findall(answer)) <= int(argument)


# By Check.name; each takes the answer and Check.argument.
CHECKERS: Mapping[str, Callable[[str, str], bool]] = MappingProxyType(
    {
        "contains_word": _contains_word,
        "begins_with": _begins_with,
        "ends_with": _ends_with,
        "lower_case": _lower_case,
        "capitalized": _capitalized,
        "max_words": _max_words,
    }
)


def argument_problem(check: Check) -> str | None:
    """What is wrong with a check's argument, as a sentence with the remedy; None if nothing is."""
    if check.name == "max_words":
        valid = check.argument.isascii() and check.argument.isdecimal() and int(check.argument) > 0
        return None if valid else "give a number of words greater than 0, as a text"
    if check.name in ("lower_case", "capitalized"):
        return None if check.argument == "" else "leave the argument out"
    if check.name in ("contains_word", "begins_with"):
        return None if _WORD.fullmatch(check.argument) else "give one word"
    return None if check.argument.strip() else "give the text to look for"


def demands_met(checks: tuple[Check, ...], answer: str) -> int:
    """How many of the checks the answer passes.

    Raises KeyError for a check whose name is not in CHECKERS (the JSONL reader refuses those).
    """
    return sum(CHECKERS[check.name](answer, check.argument) for check in checks)


def check_score(task: InstructionTask, answer: str) -> float:
    """Share of the task's checks that the answer passes, in [0, 1].

    Raises ValueError for a task without checks: it has no hidden measure, which is not a score.
    """
    if not task.checks:
        raise ValueError(f"task {task.key!r} of source {task.source!r} has no checks to score by")
    return demands_met(task.checks, answer) / len(task.checks)
