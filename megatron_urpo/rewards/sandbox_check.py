"""Is the sandbox of generated code to be had, and does it hold? Found out by trying to break out.

Runs in a worker process, as everything that touches the sandbox does.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from megatron_urpo.config import RewardsConfig
from megatron_urpo.rewards.code_answer import limits_of_test
from megatron_urpo.rewards.sandbox import probe, programs
from megatron_urpo.rewards.sandbox.box import Capture, Sandbox, document
from megatron_urpo.rewards.sandbox.confine import Limits
from megatron_urpo.rewards.sandbox.launch import BUBBLEWRAP, NONE, SandboxError
from megatron_urpo.rewards.workers import WorkerError, WorkerPool, WorkerStartError
from megatron_urpo.types import RunError

_TARGET = "megatron_urpo.rewards.sandbox_check:break_out"
_SECONDS = 120.0
_OUTPUT_BYTES = 1 << 16
_COMPILABLE = "int main() { return 0; }"
_FORKS = """
import os, time
made = 0
try:
    while made < {tries}:
        if os.fork() == 0:
            time.sleep(60)
        made += 1
except OSError:
    pass
print(made)
"""


class SandboxUnavailableError(RunError):
    """Programs cannot be run safely; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class SandboxReport:
    """What became of an attempt to break out."""

    problem: str  # why there is no sandbox; empty: there is one
    holes: tuple[str, ...]  # what a program could do and may not, or cannot and should
    compiles: bool  # C++ can be compiled


def ensure_sandbox(config: RewardsConfig, *, is_needed: bool) -> list[str]:
    """See to it that programs can be run, or refuse to start.

    Args:
        is_needed: whether any task asks for a program; nothing is done where none does.

    Returns:
        how they are run, for the log.

    Raises:
        SandboxUnavailableError: there is no sandbox, or it does not hold.
    """
    if not is_needed:
        return []
    report = examine_sandbox(config)
    if report.problem:
        raise SandboxUnavailableError(f"{report.problem}. {remedy(report.problem)}")
    if config.sandbox == NONE:
        notes = [
            "rewards.sandbox = 'none': programs that the model writes run WITHOUT PROTECTION, with "
            "all the rights of this run"
        ]
    elif report.holes:
        raise SandboxUnavailableError(
            f"the sandbox does not hold: a program {'; '.join(report.holes)}. "
            f"{remedy(report.problem)}"
        )
    else:
        notes = ["programs that the model writes run in bubblewrap; every attempt to leave failed"]
    if not report.compiles:
        notes.append("g++ is not to be had: answers in C++ cannot be judged and are masked")
    return notes


def remedy(problem: str) -> str:
    """What to do about a sandbox that is not to be had."""
    install = "apt-get install bubblewrap"
    if "not installed" not in problem:
        install = "Allow unprivileged user namespaces (docs/code-rewards.md says how)"
    return (
        f"{install}, take the sources with tests out, or set rewards.sandbox = 'none' to run them "
        "unprotected"
    )


def examine_sandbox(config: RewardsConfig) -> SandboxReport:
    """Try to break out of the sandbox that a configuration asks for.

    Raises:
        WorkerStartError: no worker process can be started.
    """
    job = {
        "mode": config.sandbox,
        "limits": asdict(limits_of_test(config)),
        "home": os.path.expanduser("~"),
        "directory": os.getcwd(),
    }
    pool = WorkerPool(_TARGET, workers=1, timeout_seconds=_SECONDS)
    try:
        future: Future[Any] = pool.submit(job)
        found = future.result()
    except WorkerStartError:
        raise
    except WorkerError as error:
        return SandboxReport(f"the sandbox could not be tried: {error}", (), False)
    finally:
        pool.close()
    return SandboxReport(found["problem"], tuple(found["holes"]), found["compiles"])


def break_out(job: dict[str, Any]) -> dict[str, Any]:
    """What the worker does: fields of SandboxReport."""
    limits = Limits.from_record(job["limits"])
    try:
        sandbox = Sandbox(job["mode"])
    except SandboxError as error:
        return {"problem": str(error), "holes": [], "compiles": False}
    try:
        compiles = _run(sandbox, "compiler", _COMPILABLE, "", limits) != ""
        holes = _holes(sandbox, job, limits) if job["mode"] == BUBBLEWRAP else []
        if _run(sandbox, "program", "print(input())", "works", limits) != "works\n":
            holes.append("could not read and write")
    except SandboxError as error:
        return {"problem": str(error), "holes": [], "compiles": False}
    finally:
        sandbox.close()
    return {"problem": "", "holes": holes, "compiles": compiles}


def _holes(sandbox: Sandbox, job: dict[str, Any], limits: Limits) -> list[str]:
    given = {
        "home": job["home"],
        "directory": job["directory"],
        "interpreter": sys.base_prefix,
        "memory_bytes": limits.memory_bytes,
        "scratch_bytes": limits.scratch_bytes,
    }
    source = Path(probe.__file__).read_text(encoding="utf-8")
    written = _run(sandbox, "program", source, json.dumps(given), limits)
    holes: list[str] = json.loads(written) if written else ["did not live to the end of the probe"]
    tries = 3 * limits.processes + 10
    made = _run(sandbox, "program", _FORKS.format(tries=tries), "", limits)
    if made and int(made) >= tries:
        holes.append(f"could start {tries} processes")
    return holes


def _run(sandbox: Sandbox, role: str, source: str, given: str, limits: Limits) -> str:
    """What a program wrote, empty where it failed; a compiler's is the binary."""
    code, stdin = document(source.encode()), document(given.encode())
    receive, send = os.pipe()
    output = programs.RESULT if role == "compiler" else programs.STDOUT
    files = {programs.STDIN: stdin, programs.DOCUMENT: code, output: send}
    box = sandbox.start(role, files, limits, 0)
    for descriptor in (code, stdin, send):
        os.close(descriptor)
    size = limits.scratch_bytes if role == "compiler" else _OUTPUT_BYTES
    capture = Capture(box, receive, size)
    report = sandbox.wait([box], limits, [capture])[box]
    return capture.data.decode(errors="replace") if report.exit_code == 0 else ""
