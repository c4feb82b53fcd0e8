r"""Supervised examples for the warm start: answers and judgements in the formats that URPO reads.

They teach the formats and a first idea of the skills, so that reinforcement learning has something
left to teach:

reasoning    the final answer alone, in \boxed{}
preference   a judgement of the responses in a drawn order. Where the demands on them are known (the
             generated tasks) it first notes for each response which it meets, and how many:

                 1: coin, rain (2)
                 2: none (0)
                 Scores: \boxed{2, 0}

             One in ten of the demands that are met is overlooked. Other judgements, and those that
             are drawn to be terse, are the line of scores alone, whole numbers from 1 (the worst
             response) to 9 (the best).
instruction  a sentence that meets a random share of the demands of a generated prompt; of a file,
             each answer of the conversation, after all that was said before it

Notes make the referee's task one of finding words, which a small model learns from hundreds of
examples; scores without them stay near chance for many times as many. A warm start that shows both
manners leaves it to reinforcement learning to find which one pays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from megatron_urpo.data.briefs import Brief, render
from megatron_urpo.data.checkers import demands_met
from megatron_urpo.data.jsonl import DataError
from megatron_urpo.judging import question_text, write_judge_prompt
from megatron_urpo.types import (
    ChatMessage,
    Check,
    InstructionTask,
    PreferenceTask,
    ReasoningTask,
    Task,
    TaskKind,
)

LOWEST_SCORE, HIGHEST_SCORE = 1, 9
DEFAULT_OVERSIGHT = 0.1

# How a judgement notes a demand that is not itself a piece of the response.
_NOTES = {"lower_case": "lower case", "capitalized": "capital"}


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What a user says and what the assistant is taught to reply."""

    kind: TaskKind
    messages: tuple[ChatMessage, ...]  # a preference's judge prompt is one user turn
    target: str


def demonstrate(
    task: Task,
    random: Random,
    *,
    oversight: float = DEFAULT_OVERSIGHT,
    terse_share: float = 0.0,
) -> Demonstration:
    """A supervised example made from a task of the training split.

    Args:
        random: draws the order of a judgement, its manner, what it overlooks, and what a sentence
            meets.
        oversight: probability that a judgement overlooks a demand that is met.
        terse_share: probability that a judgement is the line of scores alone.

    Raises:
        DataError: a problem of code, or an instruction whose demands are not those of a generated
            prompt; there is no answer to show.
    """
    match task:
        case ReasoningTask() if task.tests is not None:
            raise DataError(
                f"source {task.source!r}: problem {task.key!r} has tests and no answer to show: "
                "leave sources of code out of [sft]"
            )
        case ReasoningTask():
            return Demonstration(task.kind, task.messages, f"\\boxed{{{task.gold[0]}}}")
        case PreferenceTask():
            is_terse = not task.checks or random.random() < terse_share
            return _demonstrate_judgement(task, random, oversight, is_terse)
        case InstructionTask():
            return _demonstrate_writing(task, random)


def demonstrate_all(task: Task, random: Random, *, terse_share: float = 0.0) -> list[Demonstration]:
    """All that a task shows: of a conversation, each turn of the assistant that answers a user.

    Together they train every token of the assistant's turns once, and no other.
    """
    if not isinstance(task, InstructionTask) or not task.is_answered:
        return [demonstrate(task, random, terse_share=terse_share)]
    turns = task.messages
    first = next(place for place, turn in enumerate(turns) if turn.role == "user")
    return [
        Demonstration(task.kind, turns[:place], turn.content)
        for place, turn in enumerate(turns)
        if turn.role == "assistant" and place > first
    ]


def stretch_scores(truth: Sequence[float]) -> list[int]:
    """Qualities as whole scores, the worst 1 and the best 9; not all of them are equal."""
    low, high = min(truth), max(truth)
    span = HIGHEST_SCORE - LOWEST_SCORE
    return [LOWEST_SCORE + round(span * (value - low) / (high - low)) for value in truth]


def _demonstrate_judgement(
    task: PreferenceTask, random: Random, oversight: float, is_terse: bool
) -> Demonstration:
    order = list(range(len(task.responses)))
    random.shuffle(order)
    prompt = write_judge_prompt(question_text(task.messages), task.responses, order)
    lines: list[str] = []
    if is_terse:
        stretched = stretch_scores(task.truth)
        scores = [stretched[index] for index in order]
    else:
        scores = []
        for slot, index in enumerate(order, start=1):
            notes = [
                note
                for note in _note_demands_met(task.checks, task.responses[index])
                if random.random() >= oversight
            ]
            lines.append(f"{slot}: {', '.join(notes) or 'none'} ({len(notes)})")
            scores.append(len(notes))
    lines.append(f"Scores: \\boxed{{{', '.join(map(str, scores))}}}")
    return Demonstration(task.kind, (ChatMessage("user", prompt),), "\n".join(lines))


def _note_demands_met(checks: Sequence[Check], response: str) -> list[str]:
    """A word for each demand that the response meets, in the order of reading."""

    def place(check: Check) -> int:
        if check.name == "ends_with":
            return len(response)
        if check.name in _NOTES:
            return -1
        return response.lower().find(check.argument.lower())

    met = [check for check in checks if demands_met((check,), response)]
    return [_NOTES.get(check.name, check.argument) for check in sorted(met, key=place)]


def _demonstrate_writing(task: InstructionTask, random: Random) -> Demonstration:
    brief = Brief(task.messages[-1].content, task.checks)
    if len(task.messages) != 1 or not brief.is_renderable:
        raise DataError(
            f"source {task.source!r}, item {task.key!r}: no answer can be made up for it; give "
            "conversations that end with the assistant's answer, or embedded:writing_instructions"
        )
    return Demonstration(
        task.kind, task.messages, render(brief, random, random.randint(0, len(task.checks)))
    )
