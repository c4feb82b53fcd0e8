"""The verifier of code: does the program in the last fenced block of a response pass its tests?

The program runs in a sandbox, in a worker process (code_job); nothing of it runs here. A program
that exceeds its time, its memory or its output has failed its tests and is wrong; `timeout` and
`error` say that the machine or the verifier failed, and nothing about the answer.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import Any

from megatron_urpo.code_tests.records import (
    AssertTests,
    CallTests,
    CodeFailure,
    CodeResult,
    CodeTests,
    Language,
    StdioTests,
    write_tests,
)
from megatron_urpo.config import RewardsConfig
from megatron_urpo.rewards.code_job import CodeJob
from megatron_urpo.rewards.sandbox.confine import Limits
from megatron_urpo.rewards.workers import (
    Attachment,
    JobTimeoutError,
    WorkerError,
    WorkerPool,
    WorkerStartError,
)
from megatron_urpo.types import VerifierStatus

WORKER_TARGET = "megatron_urpo.rewards.code_job:judge"
LANGUAGES = {
    "": Language.PYTHON,
    **dict.fromkeys(("python", "python3", "py"), Language.PYTHON),
    **dict.fromkeys(("c++", "cpp", "cxx", "cc", "c++14", "c++17", "c++20"), Language.CPP),
}
# A test that got neither its CPU time nor its waiting in so many times its seconds was starved.
_WALL_FACTOR = 30
# So was a program whose tests together took so many times its seconds and what follows.
_JOB_FACTOR, _JOB_SECONDS = 4, 90
# A worker that does not end by then is still at what the answer wrote.
_READING_SECONDS = 60

_STATUSES = {
    None: VerifierStatus.CORRECT,
    CodeFailure.STARVED: VerifierStatus.TIMEOUT,
    CodeFailure.VERIFIER: VerifierStatus.ERROR,
}


@dataclass(frozen=True, slots=True)
class Program:
    """What a response says is to be run."""

    language: Language
    code: str


@dataclass(frozen=True, slots=True)
class CodeOutcome:
    """What became of one answer."""

    status: VerifierStatus
    extracted: str | None  # the code; None: there is none that could be run
    result: CodeResult


@dataclass(frozen=True, slots=True)
class CodeVerification:
    """A verification under way."""

    program: Program | None
    total: int  # tests, as far as it is known before they run
    job: Future[Any] | None  # None: there is nothing to run

    def done(self) -> bool:
        """Whether `outcome` would not wait."""
        return self.job is None or self.job.done()

    def outcome(self) -> CodeOutcome:
        """The outcome, waited for.

        Raises:
            WorkerStartError: workers cannot be started at all.
        """
        if self.program is None or self.job is None:
            return self._outcome(CodeResult(0, self.total, CodeFailure.NO_CODE))
        try:
            verdict = self.job.result()
        except JobTimeoutError:
            return self._outcome(CodeResult(0, self.total, CodeFailure.TIME_LIMIT))
        except WorkerStartError:
            raise
        except WorkerError:
            return self._outcome(CodeResult(0, self.total, CodeFailure.VERIFIER))
        failure = verdict["failure"] and CodeFailure(verdict["failure"])
        return self._outcome(CodeResult(verdict["passed"], verdict["total"], failure))

    def _outcome(self, result: CodeResult) -> CodeOutcome:
        status = _STATUSES.get(result.failure, VerifierStatus.WRONG)
        return CodeOutcome(status, None if self.program is None else self.program.code, result)


def open_pool(config: RewardsConfig) -> WorkerPool:
    """The workers that programs are run by; starts nothing yet."""
    seconds = _job_seconds(config) + _READING_SECONDS
    return WorkerPool(WORKER_TARGET, config.code_workers, seconds)


def _job_seconds(config: RewardsConfig) -> float:
    return _JOB_FACTOR * config.code_program_seconds + _JOB_SECONDS


def begin_verification(
    response: str, tests: CodeTests, pool: WorkerPool, config: RewardsConfig
) -> CodeVerification:
    """Take up the program of a response; never blocks."""
    return begin_verifications([response], tests, pool, config)[0]


def begin_verifications(
    responses: Sequence[str], tests: CodeTests, pool: WorkerPool, config: RewardsConfig
) -> list[CodeVerification]:
    """Take up the programs of the responses to one problem; never blocks.

    The tests may be many megabytes: they are encoded once, when the first program is about to run.
    """
    shared = Attachment(functools.partial(write_tests, tests))
    total = _count(tests)

    def begin(response: str) -> CodeVerification:
        program = extract_program(response)
        if program is None:
            return CodeVerification(None, total, None)
        return CodeVerification(program, total, pool.submit(make_job(program, config), shared))

    return [begin(response) for response in responses]


def make_job(program: Program, config: RewardsConfig) -> CodeJob:
    """What a worker needs to know besides the tests."""
    return {
        "code": program.code,
        "language": program.language.value,
        "sandbox": config.sandbox,
        "limits": asdict(limits_of_test(config)),
        "program_seconds": config.code_program_seconds,
        "wall_seconds": _job_seconds(config),
        "output_bytes": config.code_output_kib << 10,
    }


def limits_of_test(config: RewardsConfig) -> Limits:
    """What one test may use."""
    return Limits(
        cpu_seconds=config.code_test_seconds,
        idle_seconds=config.code_test_seconds,
        wall_seconds=config.code_test_seconds * _WALL_FACTOR,
        memory_bytes=config.code_memory_mib << 20,
        scratch_bytes=config.code_scratch_mib << 20,
        processes=config.code_processes,
    )


def extract_program(response: str) -> Program | None:
    """The last fenced block (``` or ~~~), in time linear in the text.

    None if there is no block, if the last one is not closed (the response was cut off), or if its
    info string names a language that is not run. A block without one is Python.
    """
    found: Program | None = None
    fence, info, indent, lines = "", "", 0, list[str]()
    for line in response.split("\n"):
        text = line.strip()
        mark = text[:1]
        length = len(text) - len(text.lstrip(mark)) if mark in ("`", "~") else 0
        if not fence:
            # A line such as ```code``` opens nothing.
            if length >= 3 and "`" not in text[length:]:
                fence, info, lines = text[:length], text[length:].strip(), []
                indent = len(line) - len(line.lstrip())
                found = None
        elif length == len(text) and text.startswith(fence):
            language = LANGUAGES.get(info.lower().split()[0] if info else "")
            found = Program(language, "\n".join(lines) + "\n") if language else None
            fence = ""
        else:
            prefix = line[:indent]
            lines.append(line[indent:] if not prefix.strip() else line)
    return found


def _count(tests: CodeTests) -> int:
    if isinstance(tests, StdioTests | CallTests):
        return len(tests.cases)
    return len(tests.statements) if isinstance(tests, AssertTests) else 1
