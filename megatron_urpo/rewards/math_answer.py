r"""The rule verifier of reasoning: is the final boxed answer equivalent to a gold answer?

Three steps, each only for what the one before cannot decide:

1. text:     the same characters once notation without meaning is taken away; words and dates are
             decided here for good, since as formulas "listen" and "silent" are the same product;
2. numbers:  integers, decimals and fractions, compared exactly as rationals. Where a number is
             asked for, a sum, difference or product of numbers is wrong even if it has that value:
             it restates the problem, and a policy rewarded for that stops calculating;
3. formulas: the math-verify library, in a worker process under a wall clock.

Nothing a model wrote is ever evaluated as Python.
"""

from __future__ import annotations

import atexit
import functools
import re
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction
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


@dataclass(frozen=True, slots=True)
class AnswerOutcome:
    """What became of one answer."""

    status: VerifierStatus
    extracted: str | None  # content of the last \boxed{...}; None: there is no final answer


@dataclass(frozen=True, slots=True)
class Verification:
    """A verification under way."""

    extracted: str | None
    status: VerifierStatus | None  # None: a worker decides
    job: Future[Any] | None = None  # set where status is None

    def outcome(self) -> AnswerOutcome:
        """The outcome, waited for.

        Raises:
            WorkerStartError: workers cannot be started at all.
        """
        if self.job is None:
            assert self.status is not None
            return AnswerOutcome(self.status, self.extracted)
        try:
            status = VerifierStatus(self.job.result())
        except JobTimeoutError:
            status = VerifierStatus.TIMEOUT
        except WorkerStartError:
            raise
        except WorkerError:
            status = VerifierStatus.ERROR
        return AnswerOutcome(status, self.extracted)


def verify(
    response: str, gold: str | Sequence[str], pool: WorkerPool | None = None
) -> AnswerOutcome:
    r"""Compare the last \boxed{...} of a response with the accepted answers.

    Args:
        response: a model's text. Without a closed final box the outcome is `wrong`.
        gold: the accepted answer or answers, with or without \boxed{}; one match suffices.
        pool: workers of `WORKER_TARGET`; by default one of this module's own, made when first
            needed.

    Returns:
        The outcome; `timeout` and `error` (the library failed, or cannot read the gold) say nothing
        about the answer.

    Raises:
        ValueError: no gold, or an empty one.
        WorkerStartError: workers cannot be started.
    """
    return begin_verification(response, gold, pool).outcome()


def begin_verification(
    response: str, gold: str | Sequence[str], pool: WorkerPool | None = None
) -> Verification:
    """`verify` without waiting: see there for arguments and errors."""
    golds = [_gold_answer(each) for each in ([gold] if isinstance(gold, str) else gold)]
    if not golds:
        raise ValueError("no gold answer to compare with: give at least one")
    extracted = _core.last_boxed(response)
    if extracted is None or not extracted.strip():
        return Verification(extracted, VerifierStatus.WRONG)
    answer = _clean(extracted)
    undecided = []
    for each in golds:
        equal = _equivalent(answer, _clean(each))
        if equal:
            return Verification(extracted, VerifierStatus.CORRECT)
        if equal is None:
            undecided.append(each)
    if not undecided:
        return Verification(extracted, VerifierStatus.WRONG)
    job = (pool or _own_pool()).submit({"answer": extracted, "golds": undecided})
    return Verification(extracted, None, job)


@functools.cache
def _own_pool() -> WorkerPool:
    pool = WorkerPool(WORKER_TARGET, workers=1, timeout_seconds=DEFAULT_TIMEOUT_SECONDS)
    atexit.register(pool.close)
    return pool


def _gold_answer(gold: str) -> str:
    boxed = _core.last_boxed(gold)
    answer = (gold if boxed is None else boxed).strip()
    if not answer:
        raise ValueError(f"gold answer {gold!r} is empty")
    return answer


def _equivalent(answer: str, gold: str) -> bool | None:
    """Of two cleaned answers; None where text and numbers do not decide it."""
    if _squeezed(answer) == _squeezed(gold):
        return True
    if _WORDS.fullmatch(gold) and not _FUNCTION.search(gold):
        return _folded(answer) == _folded(gold)
    if _DATE.fullmatch(gold):
        return False
    gold_number = _rational(gold)
    if gold_number is None:
        return None
    answer_number = _rational(answer)
    if answer_number is not None:
        return answer_number == gold_number
    return False if _WORDS.fullmatch(answer) or _ARITHMETIC.fullmatch(answer) else None


# Notation without meaning -> what stands for it.
_NOTATION = (
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])"), ""),
    (re.compile(r"\\[()\[\]!,;:]|\\?\$"), ""),
    (re.compile(r"\{,\}"), ","),
    (re.compile("[\u2212\u2013]"), "-"),
    (re.compile(r"\\ |~|\u00a0"), " "),
)
_TEXT_COMMAND = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|operatorname)\s*\{([^{}]*)\}"
)
# A word of three letters and more, which no product of variables is written as.
_WORDS = re.compile(r"(?=.*[^\W\d_]{3})[^\W\d_][^\W\d_ '.,-]*+(?:[ '.,-]++[^\W\d_]*+)*+")
_FUNCTION = re.compile(r"\b(?:sin|cos|tan|cot|sec|csc|log|exp|sqrt|inf)\b")
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}")

_DECIMAL = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+)"
_NUMBER = re.compile(
    rf"(?P<sign>[+-]?)\s*(?:(?P<whole>{_DECIMAL})(?:\s*/\s*(?P<over>{_DECIMAL}))?"
    rf"|\\frac\s*\{{\s*(?P<top>-?{_DECIMAL})\s*\}}\s*\{{\s*(?P<bottom>-?{_DECIMAL})\s*\}}"
    r"|\\frac\s*(?P<short_top>\d)\s*(?P<short_bottom>\d))",
    re.ASCII,
)
_ARITHMETIC = re.compile(
    r"(?=.*\d\W*(?:[-+*/]|\\times|\\cdot|\\div))(?:[-\d\s.,(){}+*/×·÷]|\\(?:times|cdot|div)(?![A-Za-z]))+",
    re.ASCII,
)
# Longer ones are left to the wall clock of a worker: reading digits takes quadratic time.
_MAX_NUMBER_CHARS = 1000


def _clean(answer: str) -> str:
    for pattern, replacement in _NOTATION:
        answer = pattern.sub(replacement, answer)
    answer = answer.strip().removesuffix(".").rstrip()
    text = _TEXT_COMMAND.fullmatch(answer)
    return text[1].strip().removesuffix(".") if text else answer


def _squeezed(answer: str) -> str:
    """Without the white space that separates nothing."""
    return re.sub(r"(?<=[^\w\s])\s++|\s++(?=[^\w\s]|$)", "", answer)


def _folded(answer: str) -> str:
    return " ".join(answer.casefold().split())


def _rational(answer: str) -> Fraction | None:
    """The exact value of an integer, decimal or fraction; None for anything else."""
    if len(answer) > _MAX_NUMBER_CHARS:
        return None
    match = _NUMBER.fullmatch(answer)
    if match is None:
        return None
    parts = match.groupdict()
    numerator = parts["whole"] or parts["top"] or parts["short_top"]
    denominator = parts["over"] or parts["bottom"] or parts["short_bottom"] or "1"
    value, divisor = (Fraction(part.replace(",", "")) for part in (numerator, denominator))
    if divisor == 0:
        return None
    return (-value if parts["sign"] == "-" else value) / divisor
