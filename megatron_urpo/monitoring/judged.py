"""Groups of responses of known quality, and what a referee made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from megatron_urpo.data.splits import content_key
from megatron_urpo.types import Group, PreferenceTask, ReasoningTask, TaskKind


@dataclass(frozen=True, slots=True)
class KnownGroup:
    """N responses whose order of quality is known, put as a preference task."""

    kind: TaskKind  # who knows: PREFERENCE, the data; REASONING, the rule verifier
    task: PreferenceTask

    @property
    def content(self) -> str:
        """A short name for what the referee is shown, the order of the responses aside."""
        turns = [f"{turn.role}\x1f{turn.content}" for turn in self.task.messages]
        return content_key("\x1e".join([*turns, *self.task.responses]))


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judgement of a group."""

    order: tuple[int, ...]  # slot k of the prompt showed response order[k]
    scores: tuple[float, ...] | None  # N scores, by response; None: they could not be read
    text: str
    tokens: int  # of the judgement
    truncated: bool  # it ran into rollout.max_judgement_tokens


@dataclass(frozen=True, slots=True)
class JudgedGroup:
    """A group and its K verdicts; those at 2m and 2m + 1 saw the responses in reversed orders."""

    known: KnownGroup
    verdicts: tuple[Verdict, ...]


def verified_groups(groups: Sequence[Group], limit: int) -> list[KnownGroup]:
    """The first `limit` reasoning groups that hold right and wrong answers, ready to be judged.

    An answer's quality is the verifier's: 1 right, 0 wrong. Groups in which it failed are left out.
    """
    known = []
    for group in groups:
        task, rewards = group.prompt.task, group.rewards
        if (
            isinstance(task, ReasoningTask)
            and group.mask_reason is None
            and rewards.min() < rewards.max()
        ):
            answers = tuple(response.text for response in group.rollout.responses)
            quality = tuple(rewards.tolist())
            known.append(
                KnownGroup(
                    TaskKind.REASONING,
                    PreferenceTask(task.source, task.key, task.messages, answers, quality),
                )
            )
    return known[:limit]
