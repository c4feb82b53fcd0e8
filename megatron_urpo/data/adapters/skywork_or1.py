r"""Skywork/Skywork-OR1-RL-Data, the splits "math" and "code" (paper section 4.1.2).

    {"prompt": [{"role": "user", "content": "... within \\boxed{}."}], "ability": "math",
     "reward_model": {"ground_truth": "[\"\\\\frac{1}{2}\", \"0.5\"]", "style": "rule"}, ...}

The ground truth is JSON inside a text: a list of accepted answers, or the tests of a program.
Answers are texts; several bare numbers in brackets are one answer, an interval or a list.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

from megatron_urpo.data.adapters.rows import Record, Row, RowError, text, turns
from megatron_urpo.data.answer_requests import ask_for_box, strip_requests
from megatron_urpo.excerpt import excerpt

# What begins as JSON does and is none; "[0, 1)" and "\{1, 2\}" are answers as they stand.
_CUT_OFF = re.compile(r'\s*(?:\[\s*"|\{\s*"|"|\[[^\])]*\Z)')


def skywork_math_record(row: Row) -> Record:
    """A problem and every answer that is accepted for it."""
    _check_ability(row, "math")
    messages = turns(row, "prompt")
    last = messages[-1]
    if isinstance(last["content"], str):
        if not strip_requests(last["content"]):
            raise RowError(f"prompt = {excerpt(last['content'])}: no problem")
        last["content"] = ask_for_box(last["content"])
    return {"messages": messages, "answers": accepted_answers(_ground_truth(row))}


def accepted_answers(ground_truth: str) -> list[str]:
    """The answers of a ground truth: a JSON list of texts, or a text that is the one answer.

    The evaluation files of the same schema hold a bare "204" or "025": a number's own digits are
    the answer, leading zeros included. "[0, 1]" is the interval (or the list) that it would be
    without JSON: taken for two answers, it would be met by an end of it.

    Raises:
        RowError: the JSON is cut off, or holds something other than texts and finite numbers.
    """
    try:
        decoded = json.loads(ground_truth)
    except RecursionError as error:
        raise RowError(f"ground_truth = {excerpt(ground_truth)}: nested too deeply") from error
    except ValueError as error:
        if _CUT_OFF.match(ground_truth):
            raise RowError(
                f"ground_truth = {excerpt(ground_truth)}: JSON that is cut off ({error})"
            ) from error
        return [ground_truth]
    if not isinstance(decoded, list):
        if isinstance(decoded, dict):
            raise RowError(f"ground_truth = {excerpt(ground_truth)}: an object, not answers")
        answer = _answer(decoded)
        return [answer if isinstance(decoded, str) else ground_truth]
    answers = list(map(_answer, decoded))
    if len(answers) > 1 and not any(isinstance(value, str) for value in decoded):
        return [ground_truth]
    if not any(answer.strip() for answer in answers):
        raise RowError(f"ground_truth = {excerpt(ground_truth)}: no answer")
    return [answer for answer in answers if answer.strip()]


def _answer(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError(f"ground_truth holds {excerpt(value)}: not an answer")
    if isinstance(value, float) and not math.isfinite(value):
        raise RowError(f"ground_truth holds {value}: not a finite number")
    return str(value)


def skywork_code_record(row: Row) -> Record:
    """A programming problem and its tests, which stay in the data set's encoding."""
    _check_ability(row, "code")
    return {"messages": turns(row, "prompt"), "tests": _ground_truth(row)}


def _check_ability(row: Row, expected: str) -> None:
    ability = row.get("ability")
    if ability != expected:
        raise RowError(f"ability = {excerpt(ability)}: this format reads {expected!r}")


def _ground_truth(row: Row) -> str:
    reward_model = row.get("reward_model")
    if not isinstance(reward_model, Mapping):
        raise RowError(f"reward_model = {excerpt(reward_model)}: not an object")
    return text(reward_model, "ground_truth")
