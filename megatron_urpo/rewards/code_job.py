"""What a worker of rewards.code_answer runs: one answer against its tests, in a sandbox.

| tests  | in the sandbox                           | outside it                           |
|--------|------------------------------------------|--------------------------------------|
| stdio  | the program, once a case                 | its output is compared               |
| call   | the answer, once a case                  | calls it and compares the result     |
| assert | the answer; apart from it, the test code | reads the verdict of the test code   |
| check  | the same                                 | the same                             |

Expected results never enter the process of an answer, nor any process that it is forked from. A
sandbox that fails raises: the worker ends, the answer counts as not judged, and another worker
starts another sandbox.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypedDict, TypeVar

from megatron_urpo.code_tests.records import (
    AssertTests,
    CallCase,
    CallTests,
    CheckTests,
    CodeFailure,
    CodeResult,
    Language,
    StdioCase,
    StdioTests,
    read_tests,
)
from megatron_urpo.rewards.code_compare import same_output, same_result
from megatron_urpo.rewards.sandbox import programs
from megatron_urpo.rewards.sandbox.box import Capture, Sandbox, document
from megatron_urpo.rewards.sandbox.channel import Channel, ChannelClosedError, LineTooLongError
from megatron_urpo.rewards.sandbox.confine import Limits
from megatron_urpo.rewards.sandbox.spawner import Report
from megatron_urpo.rewards.sandbox.wire import ResultReader, WireError, Writer

_Case = TypeVar("_Case", StdioCase, CallCase)

_COMPILE_SECONDS = 30.0
_VERDICT_BYTES = 1 << 16
_LIMIT_FAILURES = {
    "cpu": CodeFailure.TIME_LIMIT,
    "idle": CodeFailure.TIME_LIMIT,
    "program": CodeFailure.TIME_LIMIT,
    "wall": CodeFailure.STARVED,
    "stalled": CodeFailure.TIME_LIMIT,
    "memory": CodeFailure.MEMORY_LIMIT,
    "processes": CodeFailure.PROCESS_LIMIT,
}


class CodeJob(TypedDict):
    """One answer, as JSON; its tests go beside it."""

    code: str
    language: str  # of code_tests.Language
    sandbox: str  # rewards.sandbox
    limits: dict[str, Any]  # of one test: dataclasses.asdict of Limits
    program_seconds: float  # CPU time and waiting of all tests together
    wall_seconds: float  # of all tests together; the machine is too busy if it gets so far
    output_bytes: int  # of one test


class CodeVerdict(TypedDict):
    """A CodeResult, as JSON."""

    passed: int
    total: int
    failure: str | None


def judge(job: CodeJob, tests: dict[str, Any]) -> CodeVerdict:
    """Run the tests up to the first that fails.

    Args:
        tests: of code_tests.write_tests.

    Raises SandboxError: the sandbox failed, not the answer.
    """
    result = _Run(_sandbox(job["sandbox"]), job, tests).result()
    failure = result.failure and result.failure.value
    return {"passed": result.passed, "total": result.total, "failure": failure}


@functools.cache
def _sandbox(mode: str) -> Sandbox:
    """The worker's own, started with its first job."""
    sandbox = Sandbox(mode)
    atexit.register(sandbox.close)
    return sandbox


@dataclass(slots=True)
class _Ending:
    """How a box ended and what it had written."""

    report: Report
    output: bytes
    overflowed: bool

    @property
    def failure(self) -> CodeFailure | None:
        if self.overflowed:
            return CodeFailure.OUTPUT_LIMIT
        if self.report.limit:
            return _LIMIT_FAILURES[self.report.limit]
        return None if self.report.exit_code == 0 else CodeFailure.RUNTIME_ERROR


class _Run:
    """The tests of one answer."""

    def __init__(self, sandbox: Sandbox, job: CodeJob, tests: dict[str, Any]) -> None:
        self._sandbox = sandbox
        self._code = job["code"]
        self._language = Language(job["language"])
        self._tests = read_tests(tests)
        self._test_limits = Limits.from_record(job["limits"])
        self._output_bytes = job["output_bytes"]
        self._seconds_left = job["program_seconds"]
        self._deadline = time.monotonic() + job["wall_seconds"]

    def result(self) -> CodeResult:
        """The result of all tests."""
        match self._tests:
            case StdioTests() as tests:
                return self._stdio(tests)
            case CallTests() as tests:
                function = tests.function
                return self._cases(tests.cases, lambda case: self._call(function, case))
            case AssertTests() | CheckTests() as tests:
                return self._checked(tests)

    @property
    def _limits(self) -> Limits:
        """Of a test that starts now."""
        wall_seconds = min(self._test_limits.wall_seconds, self._wall_seconds_left)
        return replace(self._test_limits, wall_seconds=wall_seconds)

    @property
    def _wall_seconds_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """What it takes to read what an answer wrote is on the answer's account."""
        before = time.process_time()
        try:
            yield
        finally:
            self._seconds_left -= time.process_time() - before

    def _cases(
        self, cases: Sequence[_Case], fails: Callable[[_Case], CodeFailure | None]
    ) -> CodeResult:
        for passed, case in enumerate(cases):
            failure = fails(case)
            if failure is None and self._seconds_left < 0:
                failure = CodeFailure.TIME_LIMIT
            if failure is None and time.monotonic() > self._deadline:
                failure = CodeFailure.STARVED
            if failure is not None:
                return CodeResult(passed, len(cases), failure)
        return CodeResult(len(cases), len(cases), None)

    def _stdio(self, tests: StdioTests) -> CodeResult:
        role, program = "program", self._code.encode(errors="surrogatepass")
        if self._language is Language.CPP:
            role = "binary"
            compiled = self._compile(program)
            if isinstance(compiled, CodeFailure):
                return CodeResult(0, len(tests.cases), compiled)
            program = compiled

        def fails(case: StdioCase) -> CodeFailure | None:
            ending = self._program(role, program, case.input)
            if ending.failure is not None:
                return ending.failure
            with self._reading():
                written = ending.output.decode(errors="replace")
                right = same_output(written, case.output)
            return None if right else CodeFailure.WRONG_RESULT

        return self._cases(tests.cases, fails)

    def _compile(self, source: bytes) -> bytes | CodeFailure:
        limits = replace(self._limits, cpu_seconds=_COMPILE_SECONDS, idle_seconds=_COMPILE_SECONDS)
        given = document(source)
        receive, send = os.pipe()
        box = self._sandbox.start(
            "compiler", {programs.DOCUMENT: given, programs.RESULT: send}, limits, 0
        )
        _close(given, send)
        ending = self._ending(box, limits, Capture(box, receive, limits.scratch_bytes))
        if ending.report.exit_code == programs.NO_COMPILER:
            return CodeFailure.VERIFIER
        if ending.failure is CodeFailure.RUNTIME_ERROR:
            return CodeFailure.COMPILE_ERROR
        return ending.failure or ending.output

    def _program(self, role: str, program: bytes, given: str) -> _Ending:
        code, stdin = document(program), document(given.encode(errors="surrogatepass"))
        receive, send = os.pipe()
        files = {programs.STDIN: stdin, programs.STDOUT: send, programs.DOCUMENT: code}
        limits = self._limits
        box = self._sandbox.start(role, files, limits, 0)
        _close(code, stdin, send)
        return self._ending(box, limits, Capture(box, receive, self._output_bytes))

    def _ending(self, box: int, limits: Limits, capture: Capture) -> _Ending:
        report = self._sandbox.wait([box], limits, [capture])[box]
        self._seconds_left -= report.cpu_seconds + report.idle_seconds
        return _Ending(report, bytes(capture.data), capture.overflowed)

    def _call(self, function: str, case: CallCase) -> CodeFailure | None:
        if self._language is not Language.PYTHON:
            return CodeFailure.NO_CODE
        box, channel, ends = self._start_functions("", self._limits)
        arguments = Writer({}).write(json.loads(case.arguments), {})
        reply: Any = None
        try:
            channel.send(
                {"target": ["expression", function], "operation": "call", "arguments": arguments}
            )
            with self._reading():
                reply = channel.receive()
                returned = ResultReader().read(reply["result"])[0]
                right = any(same_result(returned, json.loads(each)) for each in case.results)
            failure = None if right else CodeFailure.WRONG_RESULT
        except LineTooLongError:
            failure = CodeFailure.OUTPUT_LIMIT
        except ChannelClosedError:
            failure = CodeFailure.RUNTIME_ERROR
        except (WireError, RecursionError, MemoryError, KeyError, TypeError, ValueError):
            raised = isinstance(reply, Mapping) and "raised" in reply
            failure = CodeFailure.RUNTIME_ERROR if raised else CodeFailure.WRONG_RESULT
        self._sandbox.end(box)
        report = self._sandbox.wait([box], self._test_limits)[box]
        _close(*ends)
        self._seconds_left -= report.cpu_seconds + report.idle_seconds
        if failure is CodeFailure.RUNTIME_ERROR and report.limit:
            return _LIMIT_FAILURES[report.limit]
        return failure

    def _start_functions(self, setup: str, limits: Limits) -> tuple[int, Channel, tuple[int, int]]:
        """A box whose functions can be called; its number, the channel, and its descriptors."""
        content = json.dumps({"setup": setup, "code": self._code}).encode()
        code = document(content)
        (requests, ask), (replies, reply) = os.pipe(), os.pipe()
        files = {programs.DOCUMENT: code, programs.RECEIVE: requests, programs.SEND: reply}
        # What a test passes may be as long as it is: the limit is on what the answer sends.
        box = self._sandbox.start("functions", files, limits, sys.maxsize)
        _close(code, requests, reply)
        return box, Channel(replies, ask, self._output_bytes), (replies, ask)

    def _checked(self, tests: AssertTests | CheckTests) -> CodeResult:
        total = len(tests.statements) if isinstance(tests, AssertTests) else 1
        if self._language is not Language.PYTHON:
            return CodeResult(0, total, CodeFailure.NO_CODE)
        # All tests run in the same two boxes: to start new ones costs more than most tests.
        limits = replace(
            self._test_limits,
            wall_seconds=self._wall_seconds_left,
            program_seconds=self._seconds_left,
        )
        # The box of the answer is started before the tests are so much as read by the sandbox.
        answer, _, ends = self._start_functions(tests.setup, limits)
        test_code = {name: getattr(tests, name) for name in tests.__slots__}
        content = json.dumps(test_code).encode()
        given = document(content)
        receive, send = os.pipe()
        files = {
            programs.DOCUMENT: given,
            programs.RECEIVE: ends[0],
            programs.SEND: ends[1],
            programs.RESULT: send,
        }
        checker = self._sandbox.start("checker", files, limits, self._output_bytes)
        _close(given, send, *ends)
        # A line of a byte for each test, which has more of them.
        max_bytes = len(content) + _VERDICT_BYTES
        capture = Capture(checker, receive, max_bytes, tested=(answer, checker))
        reports = self._sandbox.wait([checker], limits, [capture])
        self._sandbox.end(answer)  # it may not want to
        reports |= self._sandbox.wait([answer], self._test_limits)
        first, *others = capture.data.split(b"\n")
        exceeded = [report.limit for report in reports.values() if report.limit]
        if not others:
            # Until the tests began, nothing of the answer reached their process.
            failure = _LIMIT_FAILURES[exceeded[0]] if exceeded else CodeFailure.VERIFIER
            return CodeResult(0, total, failure)
        *passed_lines, verdict_line = others
        passed, total, failure = len(passed_lines), int(first), CodeFailure.RUNTIME_ERROR
        if verdict_line:
            verdict = json.loads(verdict_line)
            passed, total = verdict["passed"], verdict["total"]
            failure = verdict["failure"] and CodeFailure(verdict["failure"])
        if failure is CodeFailure.RUNTIME_ERROR and exceeded:
            failure = _LIMIT_FAILURES[exceeded[0]]
        return CodeResult(passed, total, failure)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
