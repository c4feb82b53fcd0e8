"""The report's section of sampled answers and the judgements they got."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from megatron_urpo.rollout_log import RolloutLog
from megatron_urpo.types import (
    FinishReason,
    Group,
    InstructionTask,
    Judgement,
    PreferenceTask,
    ReasoningTask,
    Response,
    TaskKind,
)

GROUPS_PER_KIND = 2
RESPONSES_PER_GROUP = 4
MAX_CHARACTERS = 1500  # of one shown text


def render_samples(log: RolloutLog) -> str:
    """Groups of each kind from the last recorded step, and folded away from the first one."""
    steps = log.steps()
    if not steps:
        return (
            '<p class="note">No rollout was recorded (metrics.rollout_every = 0 records none).</p>'
        )
    shown = _step(steps[-1], log.read(steps[-1]))
    if len(steps) == 1:
        return shown
    first = _step(steps[0], log.read(steps[0]))
    return f"{shown}<details><summary>The same at step {steps[0]}</summary>{first}</details>"


def _step(step: int, groups: Sequence[Group]) -> str:
    cards = [
        _card(group)
        for kind in TaskKind
        for group in [g for g in groups if g.kind is kind][:GROUPS_PER_KIND]
    ]
    return f'<p class="label">From step {step}, {len(groups)} groups.</p>{"".join(cards)}'


def _card(group: Group) -> str:
    task = group.prompt.task
    head = f"<h3>{task.kind} · {escape(task.source)} · {escape(task.key)}</h3>"
    if group.mask_reason is not None:
        head += _badge(f"masked: {group.mask_reason.value.replace('_', ' ')}", "bad")
    turns = "".join(
        f"[{m.role}] " * (len(task.messages) > 1) + m.content + "\n" for m in task.messages
    )
    question = f'<div class="label">Prompt</div>{_text(turns.strip())}'
    shown = [_response(group, number) for number in range(len(group.rollout.responses))]
    more = len(shown) - RESPONSES_PER_GROUP
    answers = f'<div class="answers">{"".join(shown[:RESPONSES_PER_GROUP])}</div>'
    if more > 0:
        answers += f'<p class="label">and {more} more</p>'
    return f'<div class="card">{head}{question}{_truth(group)}{answers}{_judgement(group)}</div>'


def _truth(group: Group) -> str:
    """What the task knows: the gold answer, or the ranked responses."""
    match group.prompt.task:
        case ReasoningTask(tests=tests) if tests is not None:
            return ""
        case ReasoningTask(gold=gold):
            return f'<p class="label">Gold: {escape(" or ".join(gold))}</p>'
        case PreferenceTask(responses=responses, truth=truth):
            order = {response: slot + 1 for slot, response in enumerate(group.prompt.order)}
            blocks = "".join(
                f'<div><span class="label">Response {order.get(index, index + 1)}, true quality '
                f"{truth[index]:g}</span>{_text(response)}</div>"
                for index, response in sorted(
                    enumerate(responses), key=lambda item: order.get(item[0], item[0])
                )
            )
            return f'<div class="answers">{blocks}</div>'
        case InstructionTask():
            return ""


def _response(group: Group, number: int) -> str:
    response: Response = group.rollout.responses[number]
    reward = float(group.rewards[number])
    what = "judgement" if group.kind is TaskKind.PREFERENCE else "answer"
    label = "tau" if group.kind is TaskKind.PREFERENCE else "reward"
    badges = [
        _badge("no reward" if math.isnan(reward) else f"{label} {reward:.3g}", _tone(group, reward))
    ]
    if group.statuses:
        badges.append(_badge(group.statuses[number].value))
    if group.code_results:
        result = group.code_results[number]
        why = f", {result.failure.value.replace('_', ' ')}" if result.failure else ""
        badges.append(_badge(f"{result.passed} of {result.total} tests{why}"))
    if not group.parsed[number]:
        badges.append(_badge("not parsed", "bad"))
    if response.finish_reason is FinishReason.LENGTH:
        badges.append(_badge("cut off", "bad"))
    return (
        f'<div><span class="label">{what.capitalize()} {number + 1} </span>{"".join(badges)}'
        f"{_text(response.text)}</div>"
    )


def _tone(group: Group, reward: float) -> str:
    """Colour of a reward; a self-score has none, its scale is the referee's own."""
    if math.isnan(reward) or group.kind is TaskKind.INSTRUCTION:
        return ""
    return "good" if reward > 0 else "bad"


def _judgement(group: Group) -> str:
    judgement: Judgement | None = group.rollout.judgement
    if judgement is None or judgement.attempts == 0:
        return ""
    order = ", ".join(str(response + 1) for response in judgement.order)
    badges = _badge(f"shown in the order {order}") + _badge(f"{judgement.attempts} attempt(s)")
    if judgement.scores is None:
        badges += _badge("not parsed", "bad")
    if judgement.shortened:
        badges += _badge("answers shortened")
    return (
        f'<span class="label">The judgement of all answers </span>{badges}{_text(judgement.text)}'
    )


def _badge(text: str, tone: str = "") -> str:
    return f'<span class="badge {tone}">{escape(text)}</span>'


def _text(text: str) -> str:
    cut = len(text) - MAX_CHARACTERS
    if cut > 0:
        text = f"{text[:MAX_CHARACTERS]}\n[{cut} more characters]"
    return f"<pre>{escape(text) or '(empty)'}</pre>"
