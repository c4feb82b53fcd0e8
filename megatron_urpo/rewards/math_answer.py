r"""The rule verifier of reasoning: is a response's final answer equivalent to a gold answer?

The C++ engine (csrc/answers) finds the answer and decides it exactly; what it cannot decide goes to
the math-verify library, in a worker process under a wall clock. docs/answers.md says what is
accepted and what is refused. Nothing a model wrote is ever evaluated as Python.
"""

from __future__ import annotations

import atexit
import functools
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from megatron_urpo import _core
from megatron_urpo.rewards.workers import (
    JobTimeoutError,
    WorkerError,
    WorkerPool,
    WorkerStartError,
)
from megatron_urpo.types import VerifierStatus

WORKER_TARGET = "megatron_urpo.rewards.math_job:judge"
# Of the pool that `verify` makes for itself.
DEFAULT_TIMEOUT_SECONDS = 10.0
_DECIDED = (VerifierStatus.WRONG, VerifierStatus.CORRECT)


@dataclass(frozen=True, slots=True)
class AnswerOutcome:
    """What became of one answer."""

    status: VerifierStatus
    extracted: str | None  # the final answer; None: the response has none


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A comparison that a worker makes."""

    job: Future[Any]
    golds: Sequence[str]
    pool: WorkerPool

    def status(self) -> VerifierStatus:
        """What came of it. An answer is wrong on which the library fails or does not come to an
        end, if it manages the golds: else a policy could have its group left out by it."""
        try:
            status = VerifierStatus(self.job.result())
        except JobTimeoutError:
            status = VerifierStatus.TIMEOUT
        except WorkerStartError:
            raise
        except WorkerError:
            status = VerifierStatus.ERROR
        if status in _DECIDED or not self._manages_golds():
            return status
        return VerifierStatus.WRONG

    def _manages_golds(self) -> bool:
        """Whether the library can tell each of them from the plainest of answers."""
        jobs = [self.pool.submit({"answer": "0", "golds": [gold]}) for gold in self.golds]
        try:
            return all(VerifierStatus(job.result()) in _DECIDED for job in jobs)
        except WorkerStartError:
            raise
        except WorkerError:
            return False


@dataclass(frozen=True, slots=True)
class Verification:
    """A verification under way."""

    extracted: str | None
    status: VerifierStatus | None  # None: a worker decides
    comparison: _Comparison | None = None  # set where status is None

    def outcome(self) -> AnswerOutcome:
        """The outcome, waited for.

        Raises:
            WorkerStartError: workers cannot be started at all.
        """
        if self.comparison is not None:
            return AnswerOutcome(self.comparison.status(), self.extracted)
        assert self.status is not None
        return AnswerOutcome(self.status, self.extracted)


def verify(
    response: str, gold: str | Sequence[str], pool: WorkerPool | None = None
) -> AnswerOutcome:
    r"""Compare the final answer of a response with the accepted answers.

    Args:
        response: a model's text. Its final answer is the content of the last \boxed{...}; without a
            box, what it announces or states at its end (docs/answers.md). Without one, and when the
            last box is never closed, the outcome is `wrong`.
        gold: the accepted answer or answers, with or without \boxed{}; one match suffices.
        pool: workers of `WORKER_TARGET`; by default one of this module's own, made when first
            needed.

    Returns:
        The outcome; `timeout` and `error` (the library does not manage the gold) say nothing about
        the answer.

    Raises:
        ValueError: no gold, or an empty one.
        WorkerStartError: workers cannot be started.
    """
    return begin_verification(response, gold, pool).outcome()


def begin_verification(
    response: str, gold: str | Sequence[str], pool: WorkerPool | None = None
) -> Verification:
    """`verify` without waiting: see there for arguments and errors."""
    golds = [gold] if isinstance(gold, str) else list(gold)
    return _verification(_core.judge_answer(response, golds), pool)


def begin_verifications(
    responses: Sequence[str], gold: str | Sequence[str], pool: WorkerPool | None = None
) -> list[Verification]:
    """`begin_verification` of the responses to one problem, in one call without the GIL."""
    golds = [gold] if isinstance(gold, str) else list(gold)
    judgements = _core.judge_answers(list(responses), [golds] * len(responses))
    return [_verification(judgement, pool) for judgement in judgements]


def _verification(
    judgement: tuple[str | None, int, list[str]], pool: WorkerPool | None
) -> Verification:
    extracted, verdict, undecided = judgement
    if not undecided:
        return Verification(extracted, _DECIDED[verdict])
    pool = pool or _own_pool()
    job = pool.submit({"answer": extracted, "golds": undecided})
    return Verification(extracted, None, _Comparison(job, undecided, pool))


@functools.cache
def _own_pool() -> WorkerPool:
    pool = WorkerPool(WORKER_TARGET, workers=1, timeout_seconds=DEFAULT_TIMEOUT_SECONDS)
    atexit.register(pool.close)
    return pool
