r"""Supervised examples for the warm start: answers and judgements in the formats that URPO reads.

They teach the formats and a first idea of the skills, so that reinforcement learning has something
left to teach:

reasoning    the final answer alone, in \boxed{}
preference   a judgement of the responses in a drawn order. Where the demands on them are known (the
             generated tasks) it first notes for each response which it meets, and how many:

                 1: coin, rain (2)
                 2: none (0)
                 Scores: \boxed{2, 0}

             One in ten of the demands that are met is overlooked. Other judgements are the line of
             scores alone, whole numbers from 1 (the worst response) to 9 (the best).
instruction  a sentence that meets a random share of the demands of a generated prompt

Notes make the referee's task one of finding words, which a small model learns from a hundred
examples; scores without them stay near chance for many times as many.
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
    task: Task, random: Random, *, oversight: float = DEFAULT_OVERSIGHT
) -> Demonstration:
    """A supervised example made from a task of the training split.

    Args:
        random: draws the order of a judgement, what it overlooks, and what a sentence meets.
        oversight: probability that a judgement overlooks a demand that is met.

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
            return _demonstrate_judgement(task, random, oversight)
        case InstructionTask():
            return _demonstrate_writing(task, random)


def stretch_scores(truth: Sequence[float]) -> list[int]:
    """Qualities as whole scores, the worst 1 and the best 9; not all of them are equal."""
    low, high = min(truth), max(truth)
    span = HIGHEST_SCORE - LOWEST_SCORE
    return [LOWEST_SCORE + round(span * (value - low) / (high - low)) for value in truth]


def _demonstrate_judgement(task: PreferenceTask, random: Random, oversight: float) -> Demonstration:
    order = list(range(len(task.responses)))
    random.shuffle(order)
    prompt = write_judge_prompt(question_text(task.messages), task.responses, order)
    lines: list[str] = []
    if task.checks:
        scores = []
        for slot, index in enumerate(order, start=1):
            notes = [
                note
                for note in _note_demands_met(task.checks, task.responses[index])
                if random.random() >= oversight
            ]
            lines.append(f"{slot}: {', '.join(notes) or 'none'} ({len(notes)})")
            scores.append(len(notes))
    else:
        stretched = stretch_scores(task.truth)
        scores = [stretched[index] for index in order]
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
            f"source {task.source!r}, item {task.key!r}: no answer can be made up for it; take "
            "instruction examples of the warm start from embedded:writing_instructions"
        )
    return Demonstration(
        task.kind, task.messages, render(brief, random, random.randint(0, len(task.checks)))
    )
