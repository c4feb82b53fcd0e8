"""Groups, verdicts and judgements for the tests of this folder."""

from __future__ import annotations

import numpy as np

from megatron_urpo.monitoring.judged import JudgedGroup, KnownGroup, Verdict
from megatron_urpo.types import (
    ChatMessage,
    FinishReason,
    Group,
    InstructionTask,
    Judgement,
    MaskReason,
    PreferenceTask,
    Prompt,
    ReasoningTask,
    Response,
    Rollout,
    TaskKind,
    VerifierStatus,
)

QUESTION = (ChatMessage("user", "Which is best?"),)
STATUS = {1.0: VerifierStatus.CORRECT, 0.0: VerifierStatus.WRONG}


def verdict(scores, order=None, *, truncated=False):
    order = order or tuple(range(len(scores or (0, 0))))
    return Verdict(tuple(order), None if scores is None else tuple(scores), "text", 5, truncated)


def judged(truth, *verdicts, kind=TaskKind.PREFERENCE, responses=None, source="pairs", key="a"):
    responses = responses or tuple("x" * (index + 1) for index in range(len(truth)))
    task = PreferenceTask(source, key, QUESTION, tuple(responses), tuple(truth))
    return JudgedGroup(KnownGroup(kind, task), verdicts)


def response(text, cut=False):
    reason = FinishReason.LENGTH if cut else FinishReason.STOP
    return Response((1,), np.zeros(1, np.float32), text, reason, 1)


def reasoning(rewards, texts=None, *, key="a", parsed=True, cut=False):
    """A verified group; a reward of None is an answer that the verifier gave up on."""
    texts = texts or [f"answer {number}" for number in range(len(rewards))]
    failed = None in rewards
    return Group(
        Rollout(
            Prompt(0, ReasoningTask("sums", key, QUESTION, ("1",)), (1,)),
            tuple(response(text, cut) for text in texts),
            None,
        ),
        rewards=np.array([np.nan if reward is None else reward for reward in rewards]),
        parsed=np.full(len(rewards), parsed),
        statuses=tuple(STATUS.get(reward, VerifierStatus.TIMEOUT) for reward in rewards),
        mask_reason=MaskReason.VERIFIER_FAILURE if failed else None,
    )


def instruction(texts, scores, order=None, *, attempts=1):
    """A self-judged group; without attempts one whose judge prompt does not fit."""
    order = order or tuple(range(len(texts)))
    judgement = Judgement("", scores, tuple(order), attempts, 9, 9, FinishReason.STOP, 1)
    unread = scores is None
    reason = MaskReason.UNPARSEABLE_JUDGEMENT if attempts else MaskReason.OVERLONG_JUDGE_PROMPT
    return Group(
        Rollout(
            Prompt(0, InstructionTask("open", "a", QUESTION), (1,)),
            tuple(response(text) for text in texts),
            judgement,
        ),
        rewards=np.full(len(texts), np.nan) if unread else np.array(scores, dtype=float),
        parsed=np.full(len(texts), not unread),
        mask_reason=reason if unread else None,
    )
