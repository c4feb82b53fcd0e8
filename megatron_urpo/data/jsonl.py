"""The JSONL schema of user data: one object a line (docs/data.md).

    {"kind": "reasoning", "prompt": "What is 6 times 7?", "answers": ["42"]}
    {"kind": "reasoning", "prompt": "Write add(a, b).", "tests": {"assert_case": ["assert ..."]}}
    {"kind": "preference", "prompt": "Name a fruit.", "responses": ["Fig", "Dog"], "rank": [1, 2]}
    {"kind": "instruction", "prompt": "Write a line about rain.", "checks": []}

Every line is checked on its own; the first bad one raises DataError with file, line and remedy.
The same records lie in Arrow files, one a row (data.tables).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from megatron_urpo import _core
from megatron_urpo.code_tests.encodings import CodeTestsError, parse_code_tests
from megatron_urpo.code_tests.records import write_tests
from megatron_urpo.config import SourceConfig
from megatron_urpo.data.checkers import CHECKERS, argument_problem
from megatron_urpo.excerpt import excerpt
from megatron_urpo.types import (
    ChatMessage,
    Check,
    InstructionTask,
    PreferenceTask,
    ReasoningTask,
    Task,
    TaskKind,
)

_KINDS = [kind.value for kind in TaskKind]
ROLES = ("system", "user", "assistant")
_COMMON_FIELDS = ("kind", "id", "prompt", "messages", "metadata")
_FIELDS = {
    TaskKind.REASONING: (*_COMMON_FIELDS, "answers", "tests"),
    TaskKind.PREFERENCE: (*_COMMON_FIELDS, "responses", "truth", "rank"),
    TaskKind.INSTRUCTION: (*_COMMON_FIELDS, "checks"),
}


class DataError(ValueError):
    """Data that cannot be used; the message names the place, the value and the remedy."""


@dataclass(frozen=True, slots=True)
class JsonlTasks:
    """What a file holds."""

    tasks: tuple[Task, ...]
    dropped_ties: int  # preference records without any order between their responses


def read_tasks(source: SourceConfig, *, answered: bool = False) -> JsonlTasks:
    """All tasks of a JSONL file.

    Preference records whose responses are all equally good carry no signal: they are left out and
    counted.

    Args:
        answered: instructions have to be whole conversations, the assistant's answer at their end
            (demonstrations of the warm start), instead of ending with the user's turn.

    Raises:
        DataError: the file is missing, is empty or holds a bad line.
    """
    path = Path(source.path)
    tasks: list[Task] = []
    first_lines: dict[str, int] = {}
    dropped = 0
    for number, record in _read_objects(path):
        place, key = f"{path}:{number}", f"line-{number}"
        task = parse_task(record, source, place, default_key=key, answered=answered)
        if task.key in first_lines:
            raise DataError(
                f"{path}:{number}: id {task.key!r} is already taken by line "
                f"{first_lines[task.key]}: make ids unique, or leave them out"
            )
        first_lines[task.key] = number
        if is_tied(task):
            dropped += 1
        else:
            tasks.append(task)
    if not tasks:
        reason = f"all its {dropped} records are tied" if dropped else "it has no records"
        raise DataError(f"{path}: source {source.name!r} is empty, {reason}: add data or remove it")
    return JsonlTasks(tuple(tasks), dropped)


def is_tied(task: Task) -> bool:
    """Whether a preference has no order between any of its responses."""
    return isinstance(task, PreferenceTask) and len(set(task.truth)) == 1


def _read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers from 1 and the object on each line; blank lines are passed over."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}): check the path") from error
    with file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, parse_object(line, f"{path}:{number}")


def parse_object(line: bytes, place: str) -> dict[str, Any]:
    """The JSON object on a line.

    Raises:
        DataError: it is none, or not UTF-8.
    """
    try:
        record = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        shown = excerpt(line.decode("utf-8", "replace"))
        if not line.endswith((b"\n", b"}")):
            problem = f"the last line is cut off: {shown}; write or copy the file to its end"
        elif isinstance(error, UnicodeDecodeError):
            problem = f"not UTF-8 at byte {error.start} of the line: save the file as UTF-8"
        else:
            problem = f"not a JSON object ({error}): {shown}; write one object on each line"
        raise DataError(f"{place}: {problem}") from error
    if not isinstance(record, dict):
        raise DataError(f"{place}: {excerpt(record)} is not an object: write {{...}} on each line")
    return record


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number in JSON")


def parse_task(
    record: Mapping[str, Any],
    source: SourceConfig,
    place: str,
    default_key: str,
    *,
    answered: bool = False,
) -> Task:
    """One record as a task of the source.

    Args:
        place: file and line, for errors.
        default_key: the task's key where the record has no id.
        answered: an instruction ends with the assistant's turn; see read_tasks.

    Raises:
        DataError: the record is not as the schema wants it.
    """
    kind = record.get("kind")
    if kind not in _KINDS:
        raise DataError(
            f"{place}: kind = {excerpt(kind)}: give one of {', '.join(map(repr, _KINDS))}"
        )
    if kind != source.kind:
        raise DataError(
            f"{place}: kind = {kind!r}, but source {source.name!r} is of kind "
            f"{str(source.kind)!r}: keep one kind to a file, or correct the source"
        )
    for name in record:
        if name not in _FIELDS[source.kind]:
            raise DataError(
                f"{place}: unknown field {name!r}: {kind} records have "
                f"{', '.join(_FIELDS[source.kind])}; put anything else under metadata"
            )
    key = record.get("id", default_key)
    if not isinstance(key, str | int) or isinstance(key, bool) or key == "":
        raise DataError(f"{place}: id = {excerpt(key)}: give a string or a whole number")
    messages = _parse_messages(record, place, answered and source.kind is TaskKind.INSTRUCTION)
    if source.kind is TaskKind.REASONING:
        return _parse_reasoning(record, source.name, str(key), messages, place)
    if source.kind is TaskKind.PREFERENCE:
        responses = _parse_texts(record, "responses", place, minimum=2, may_be_blank=True)
        truth = _parse_truth(record, len(responses), place)
        return PreferenceTask(source.name, str(key), messages, responses, truth)
    return InstructionTask(source.name, str(key), messages, _parse_checks(record, place))


def format_task(task: Task) -> dict[str, Any]:
    """The record of a task: parse_task reads an equal task from it.

    The checks of a generated preference have no place in the schema.
    """
    record: dict[str, Any] = {
        "kind": str(task.kind),
        "id": task.key,
        "messages": [{"role": turn.role, "content": turn.content} for turn in task.messages],
    }
    match task:
        case ReasoningTask():
            record |= (
                {"answers": list(task.gold)}
                if task.tests is None
                else {"tests": json.dumps(write_tests(task.tests))}
            )
        case PreferenceTask():
            record |= {"responses": list(task.responses), "truth": list(task.truth)}
        case InstructionTask():
            checks = [{"name": check.name, "argument": check.argument} for check in task.checks]
            record["checks"] = checks
    return record


def _parse_reasoning(
    record: Mapping[str, Any], source: str, key: str, messages: tuple[ChatMessage, ...], place: str
) -> ReasoningTask:
    if ("answers" in record) == ("tests" in record):
        raise DataError(
            f"{place}: give either answers (the accepted final answers) or tests (of code)"
        )
    if "answers" in record:
        gold = _parse_texts(record, "answers", place, minimum=1)
        for index, answer in enumerate(gold):
            _check_gold(answer, f"{place}: answers[{index}]")
        return ReasoningTask(source, key, messages, gold)
    try:
        tests = parse_code_tests(record["tests"])
    except CodeTestsError as error:
        raise DataError(f"{place}: tests: {error}; see docs/code-rewards.md") from error
    return ReasoningTask(source, key, messages, tests=tests)


def _check_gold(answer: str, place: str) -> None:
    """Refuses what the verifier would: a box or a formula with nothing in it."""
    try:
        _core.judge_answer("", [answer])
    except ValueError as error:
        raise DataError(f"{place}: {error}: write the accepted answer into it") from error


def _parse_messages(
    record: Mapping[str, Any], place: str, answered: bool
) -> tuple[ChatMessage, ...]:
    if ("prompt" in record) == ("messages" in record):
        raise DataError(f"{place}: give either prompt (a text) or messages (a list of turns)")
    if "prompt" in record and answered:
        raise DataError(
            f"{place}: a prompt has no answer to show: give messages that end with the assistant's "
            "turn"
        )
    if "prompt" in record:
        return (ChatMessage("user", _parse_text(record["prompt"], "prompt", place)),)
    turns = record["messages"]
    if not isinstance(turns, list) or not turns:
        raise DataError(
            f'{place}: messages = {excerpt(turns)}: give a list of {{"role": ..., "content": ...}}'
        )
    messages = []
    for index, turn in enumerate(turns):
        name = f"messages[{index}]"
        if not isinstance(turn, dict) or set(turn) != {"role", "content"}:
            raise DataError(f"{place}: {name} = {excerpt(turn)}: give exactly role and content")
        role = turn["role"]
        if role not in ROLES or (role == "system" and index > 0):
            raise DataError(
                f"{place}: {name}.role = {excerpt(role)}: give user or assistant, or system in "
                "the first turn"
            )
        messages.append(ChatMessage(role, _parse_text(turn["content"], f"{name}.content", place)))
    if answered and not any(message.role == "user" for message in messages):
        raise DataError(f"{place}: messages have no user turn, so that nothing is answered")
    if answered and messages[-1].role != "assistant":
        raise DataError(
            f"{place}: the last of messages must be the assistant's turn, as an answer to show"
        )
    if not answered and messages[-1].role != "user":
        raise DataError(f"{place}: the last of messages must be a user turn, for a model to answer")
    return tuple(messages)


def _parse_text(value: object, name: str, place: str, *, may_be_blank: bool = False) -> str:
    if not isinstance(value, str) or not (value.strip() or may_be_blank):
        raise DataError(f"{place}: {name} = {excerpt(value)}: give a text that is not blank")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{place}: {name} holds half of a surrogate pair at character {error.start}: it cannot "
            "be encoded; replace it"
        ) from error
    return value


def _parse_texts(
    record: Mapping[str, Any], name: str, place: str, *, minimum: int, may_be_blank: bool = False
) -> tuple[str, ...]:
    values = record.get(name)
    if not isinstance(values, list) or len(values) < minimum:
        raise DataError(
            f"{place}: {name} = {excerpt(values)}: give a list of at least {minimum} text(s)"
        )
    return tuple(
        _parse_text(value, f"{name}[{index}]", place, may_be_blank=may_be_blank)
        for index, value in enumerate(values)
    )


def _parse_truth(record: Mapping[str, Any], count: int, place: str) -> tuple[float, ...]:
    """Qualities, larger is better; rank 1 = best is turned over."""
    if ("truth" in record) == ("rank" in record):
        raise DataError(
            f"{place}: give either truth (qualities, larger is better) or rank (1 is best)"
        )
    name = "truth" if "truth" in record else "rank"
    values = record[name]
    if not isinstance(values, list) or len(values) != count:
        raise DataError(
            f"{place}: {name} = {excerpt(values)}: give {count} numbers, one a response"
        )
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
            raise DataError(f"{place}: {name} holds {excerpt(value)}: give finite numbers")
    if name == "truth":
        return tuple(map(float, values))
    worst = max(values)
    return tuple(float(worst - value) for value in values)


def _finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _parse_checks(record: Mapping[str, Any], place: str) -> tuple[Check, ...]:
    values = record.get("checks", [])
    if not isinstance(values, list):
        raise DataError(f"{place}: checks = {excerpt(values)}: give a list")
    checks = []
    for index, value in enumerate(values):
        name = f"checks[{index}]"
        if (
            not isinstance(value, dict)
            or not {"name"} <= set(value) <= {"name", "argument"}
            or not isinstance(value.get("argument", ""), str)
        ):
            raise DataError(
                f'{place}: {name} = {excerpt(value)}: give {{"name": ..., "argument": text}}'
            )
        if value["name"] not in CHECKERS:
            raise DataError(
                f"{place}: {name}.name = {excerpt(value['name'])}: give one of "
                f"{', '.join(CHECKERS)}"
            )
        check = Check(value["name"], value.get("argument", ""))
        if problem := argument_problem(check):
            raise DataError(f"{place}: {name}.argument = {excerpt(check.argument)}: {problem}")
        checks.append(check)
    return tuple(checks)
