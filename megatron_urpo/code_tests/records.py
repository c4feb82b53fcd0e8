"""Tests of code answers and what they say: the records.

megatron_urpo.code_tests.encodings reads them from data. Imports nothing but the standard library:
the worker that runs the tests loads this too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Language(str, Enum):
    """The languages that can be run."""

    PYTHON = "python"
    CPP = "cpp"


@dataclass(frozen=True, slots=True)
class StdioCase:
    """What a program reads and what it has to write."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class StdioTests:
    """A program is run once a case."""

    cases: tuple[StdioCase, ...]  # at least one


@dataclass(frozen=True, slots=True)
class CallCase:
    """The arguments of one call and the results that are right, as JSON texts."""

    arguments: str  # of a list
    results: tuple[str, ...]  # any of them; at least one


@dataclass(frozen=True, slots=True)
class CallTests:
    """A function, or a method of class Solution, is called once a case."""

    function: str  # an identifier
    cases: tuple[CallCase, ...]  # at least one


@dataclass(frozen=True, slots=True)
class AssertTests:
    """Python statements that must not raise, in order."""

    setup: str  # Python; run before the answer, and before the statements
    statements: tuple[str, ...]  # at least one
    names: tuple[str, ...]  # what the statements take from the answer, at least one


@dataclass(frozen=True, slots=True)
class CheckTests:
    """A Python function check(candidate) that must neither raise nor return False."""

    setup: str  # Python; run before the answer, and before the check
    check: str  # Python that defines check
    entry_point: str  # expression for the candidate, e.g. "add" or "Solution().add"
    names: tuple[str, ...]  # what else the check takes from the answer


CodeTests = StdioTests | CallTests | AssertTests | CheckTests


class CodeFailure(str, Enum):
    """Why a code answer did not pass."""

    NO_CODE = "no_code"  # no closed fenced block in a language that the tests can run
    COMPILE_ERROR = "compile_error"
    RUNTIME_ERROR = "runtime_error"  # an exception, a signal or an exit code, or an early end
    WRONG_RESULT = "wrong_result"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    PROCESS_LIMIT = "process_limit"
    OUTPUT_LIMIT = "output_limit"
    # Of the verifier, not of the answer, which is masked.
    STARVED = "starved"  # the machine was too busy to run it
    VERIFIER = "verifier"  # the tests need what the verifier cannot do, or a worker died


@dataclass(frozen=True, slots=True)
class CodeResult:
    """What the tests said of one answer. They stop at the first failure."""

    passed: int  # tests passed before it
    total: int  # tests there are, at least 1
    failure: CodeFailure | None  # None: all passed

    @property
    def share(self) -> float:
        """Share of the tests passed, in [0, 1]."""
        return self.passed / self.total


def write_tests(tests: CodeTests) -> dict[str, Any]:
    """The tests as JSON types."""
    return {"kind": _KINDS[type(tests)], **asdict(tests)}


def read_tests(record: Mapping[str, Any]) -> CodeTests:
    """The tests that write_tests wrote, also after JSON made lists of its tuples."""
    fields = {name: value for name, value in record.items() if name != "kind"}
    match record["kind"]:
        case "stdio":
            return StdioTests(tuple(StdioCase(**case) for case in fields["cases"]))
        case "call":
            cases = (
                CallCase(case["arguments"], tuple(case["results"])) for case in fields["cases"]
            )
            return CallTests(fields["function"], tuple(cases))
        case "assert":
            names, statements = tuple(fields["names"]), tuple(fields["statements"])
            return AssertTests(fields["setup"], statements, names)
        case "check":
            return CheckTests(**fields | {"names": tuple(fields["names"])})
    raise ValueError(f"kind = {record['kind']!r}: one of {', '.join(_KINDS.values())} is known")


_KINDS: dict[type, str] = {
    StdioTests: "stdio",
    CallTests: "call",
    AssertTests: "assert",
    CheckTests: "check",
}
