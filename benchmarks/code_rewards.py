"""Code answers judged in a second: 500 programs of 10 tests, each test in a process of its own.

python -m benchmarks.code_rewards [--programs 500] [--workers 2]

Four ways to run the same programs on the same inputs, on as many workers:

    sandbox         rewards.code_answer with its warm workers, which also compares the outputs
    sandbox, 1      the same with one worker: what a second core adds
    bare            the floor: fork and exec of the interpreter, nothing that protects anything
    bare bubblewrap a bubblewrap and an interpreter for every test, on a tenth of the programs

Besides the throughput, which depends on what else the machine does (the load is written down), the
CPU time of all processes is measured. The share of the cores that a way keeps busy tells whether it
is bounded by them or by waiting. Raw numbers go to benchmarks/results/code_rewards.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.machine import describe_machine
from megatron_urpo.code_tests.records import StdioCase, StdioTests
from megatron_urpo.config import RewardsConfig
from megatron_urpo.environment import environment_record
from megatron_urpo.rewards.code_answer import begin_verification, open_pool
from megatron_urpo.rewards.workers import WorkerPool
from megatron_urpo.types import VerifierStatus

RESULTS = Path(__file__).resolve().parent / "results" / "code_rewards.json"
TESTS = 10

# Problems as they are set: read, calculate, write. {0} makes each program another one.
PROGRAMS: tuple[tuple[str, Callable[[int, int], tuple[str, str]]], ...] = (
    (
        "n = int(input())\nvalues = list(map(int, input().split()))\nprint(sum(values) + {0})\n",
        lambda program, test: (
            f"{test + 2}\n{' '.join(str(i * test) for i in range(test + 2))}\n",
            str(sum(i * test for i in range(test + 2)) + program),
        ),
    ),
    (
        "import sys\nfrom collections import Counter\n"
        "words = sys.stdin.read().split()\n"
        "for word, count in sorted(Counter(words).items()):\n    print(word, count + {0})\n",
        lambda program, test: (
            "b a " * test + "c",
            "\n".join([f"{word} {test + program}" for word in "ab" if test] + [f"c {1 + program}"]),
        ),
    ),
    (
        "n = int(input()) + {0}\nsieve = [True] * (n + 1)\n"
        "for i in range(2, int(n ** 0.5) + 1):\n"
        "    if sieve[i]:\n        sieve[i * i :: i] = [False] * len(sieve[i * i :: i])\n"
        "print(sum(sieve[2:]))\n",
        lambda program, test: (
            f"{1000 * test}\n",
            str(sum(_is_prime(n) for n in range(2, 1000 * test + program + 1))),
        ),
    ),
)


def _is_prime(number: int) -> bool:
    return all(number % divisor for divisor in range(2, int(number**0.5) + 1))


@dataclass(frozen=True, slots=True)
class Program:
    """A program and its tests."""

    code: str
    tests: StdioTests


@dataclass(frozen=True, slots=True)
class Measured:
    """One way of running programs."""

    workers: int
    programs: int
    seconds: float
    cpu_seconds: float | None  # of all processes; None: the kernel does not tell

    def describe(self) -> str:
        """A line of the table."""
        tests = self.programs * TESTS
        line = f"{self.workers:7} {self.programs / self.seconds:11.1f} {tests / self.seconds:9.0f}"
        if self.cpu_seconds is None:
            return line
        busy = self.cpu_seconds / self.seconds / (os.cpu_count() or 1)
        return f"{line} {1000 * self.cpu_seconds / tests:12.2f} {100 * busy:10.0f} %"


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=500)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    programs = make_programs(arguments.programs)
    load = [os.getloadavg()[0]]
    measured = {
        "sandbox": judge(programs, arguments.workers),
        "sandbox, 1": judge(programs, 1),
        "bare": run_bare(programs, arguments.workers, []),
        "bare bubblewrap": run_bare(
            programs[: max(1, len(programs) // 10)], arguments.workers, BUBBLEWRAP
        ),
    }
    load.append(os.getloadavg()[0])
    record = {
        "machine": describe_machine(),
        "environment": environment_record(),
        "load_average": {"before": load[0], "after": load[1]},
        "tests_per_program": TESTS,
        "measured": {name: asdict(each) for name, each in measured.items()},
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    print(f"load average {load[0]:.1f} before, {load[1]:.1f} after")
    print(f"{'':16} workers  programs/s   tests/s  CPU ms/test   cores busy")
    for name, each in measured.items():
        print(f"{name:16} {each.describe()}")


def make_programs(count: int) -> list[Program]:
    """Programs that are all different."""
    programs = []
    for number in range(count):
        code, case = PROGRAMS[number % len(PROGRAMS)]
        cases = tuple(StdioCase(*case(number, test)) for test in range(TESTS))
        programs.append(Program(code.format(number), StdioTests(cases)))
    return programs


def judge(programs: Sequence[Program], workers: int) -> Measured:
    """With the workers of the reward stage, warm from one program each."""
    config = RewardsConfig(code_workers=workers)
    pool = open_pool(config)
    try:
        _verify(programs[: 4 * workers], pool, config)
        cpu = _cpu_of_children()
        start = time.perf_counter()
        _verify(programs, pool, config)
        seconds = time.perf_counter() - start
        return Measured(workers, len(programs), seconds, _cpu_of_children() - cpu)
    finally:
        pool.close()


def _verify(programs: Sequence[Program], pool: WorkerPool, config: RewardsConfig) -> None:
    pending = [
        begin_verification(f"```python\n{each.code}```", each.tests, pool, config)
        for each in programs
    ]
    for verification in pending:
        outcome = verification.outcome()
        if outcome.status is not VerifierStatus.CORRECT:
            raise RuntimeError(f"a right program was judged {outcome}")


def _cpu_of_children() -> float:
    """CPU seconds of this process, all below it, and all those they waited for."""
    here = psutil.Process()
    times = [process.cpu_times() for process in (here, *here.children(recursive=True))]
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)


BUBBLEWRAP = [
    *"bwrap --unshare-all --die-with-parent --new-session --ro-bind / / --tmpfs /tmp".split(),
]


def run_bare(programs: Sequence[Program], workers: int, prefix: list[str]) -> Measured:
    """With an interpreter started for each test; the outputs are compared as plain text."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        paths = []
        for number, program in enumerate(programs):
            paths.append(Path(directory) / f"{number}.py")
            paths[-1].write_text(program.code)

        def run(item: tuple[Path, Program]) -> None:
            path, program = item
            for case in program.tests.cases:
                done = subprocess.run(
                    [*prefix, sys.executable, "-ISB", str(path)],
                    input=case.input,
                    capture_output=True,
                    text=True,
                    check=True,
                )
                if done.stdout.strip() != case.output.strip():
                    raise RuntimeError(f"{path} wrote {done.stdout!r} for {case}")

        before = _cpu_of_bare()
        start = time.perf_counter()
        with ThreadPoolExecutor(workers) as threads:
            list(threads.map(run, zip(paths, programs, strict=True)))
        seconds = time.perf_counter() - start
    # The first process of a pid namespace is waited for by nobody who would add up its time.
    cpu = None if prefix else _cpu_of_bare() - before
    return Measured(workers, len(programs), seconds, cpu)


def _cpu_of_bare() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main()
