"""Supervised examples for the warm start: answers and judgements in the formats that URPO reads.

They teach the format and only a first idea of the skill, so that reinforcement learning has
something left to teach:

reasoning    the final answer alone, in \\boxed{}
preference   a judgement of the responses in a drawn order. Scores are whole numbers from 1 to 9, in
             proportion to quality, except that a share of the judgements (judgement_noise) has
             scores drawn at random
instruction  a sentence that meets a random share of the demands of a generated prompt
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from megatron_urpo.data.briefs import Brief, render
from megatron_urpo.data.jsonl import DataError
from megatron_urpo.judging import question_text, write_judge_prompt
from megatron_urpo.types import (
    ChatMessage,
    InstructionTask,
    PreferenceTask,
    ReasoningTask,
    Task,
    TaskKind,
)

LOWEST_SCORE, HIGHEST_SCORE = 1, 9
DEFAULT_JUDGEMENT_NOISE = 0.5


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What a user says and what the assistant is taught to reply."""

    kind: TaskKind
    messages: tuple[ChatMessage, ...]  # a preference's judge prompt is one user turn
    target: str


def demonstrate(
    task: Task, random: Random, *, judgement_noise: float = DEFAULT_JUDGEMENT_NOISE
) -> Demonstration:
    """A supervised example made from a task of the training split.

    Args:
        random: draws the order and noise of a judgement, and which demands a sentence meets.
        judgement_noise: share of judgements with random scores, in [0, 1].

    Raises:
        DataError: an instruction whose demands are not those of a generated prompt; there is no
            answer to show.
    """
    match task:
        case ReasoningTask():
            return Demonstration(task.kind, task.messages, f"\\boxed{{{task.gold[0]}}}")
        case PreferenceTask():
            return _demonstrate_judgement(task, random, judgement_noise)
        case InstructionTask():
            return _demonstrate_writing(task, random)


def quality_scores(truth: Sequence[float]) -> list[int]:
    """Qualities as whole scores from 1 to 9.

    Qualities within [0, 1] are shares and keep their meaning from task to task (0.5 is always 5);
    others are stretched so that the task's worst gets 1 and its best 9.
    """
    low, high = min(truth), max(truth)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    span = HIGHEST_SCORE - LOWEST_SCORE
    return [LOWEST_SCORE + round(span * (value - low) / (high - low)) for value in truth]


def _demonstrate_judgement(task: PreferenceTask, random: Random, noise: float) -> Demonstration:
    scores = quality_scores(task.truth)
    if random.random() < noise:
        scores = [random.randint(LOWEST_SCORE, HIGHEST_SCORE) for _ in scores]
    order = list(range(len(scores)))
    random.shuffle(order)
    prompt = write_judge_prompt(question_text(task.messages), task.responses, order)
    shown = ", ".join(str(scores[index]) for index in order)
    return Demonstration(task.kind, (ChatMessage("user", prompt),), f"Scores: \\boxed{{{shown}}}")


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
