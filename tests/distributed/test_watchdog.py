"""Two real ranks, of which one does not come to a barrier: both end, and the log says why."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.distributed import watchdog_worker

ROOT = Path(__file__).parents[2]
# Far below what rank 1 would take, and below the 30 minutes of a collective.
PATIENCE_SECONDS = 180


@pytest.fixture(scope="module")
def outcomes():
    """What rank 1 does -> exit status and log of the job; all jobs side by side."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    # A stopped process does not answer SIGTERM; torchrun waits so long before it kills.
    command += ["--shutdown-timeout=5", watchdog_worker.__file__]
    jobs = {
        action: subprocess.Popen(
            [*command, action],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
        for action in ("come", "hang", "stop", "block", "fail")
    }
    logs = {action: job.communicate(timeout=PATIENCE_SECONDS)[0] for action, job in jobs.items()}
    return {action: (job.returncode, logs[action]) for action, job in jobs.items()}


def lines_of(log: str, rank: int) -> str:
    return "\n".join(line for line in log.splitlines() if line.startswith(f"[rank {rank}] "))


def test_a_run_without_trouble_is_left_alone(outcomes):
    status, log = outcomes["come"]
    assert status == 0, log
    assert "WATCHDOG" not in log


def test_a_hanging_stage_ends_all_ranks_with_their_stacks(outcomes):
    status, log = outcomes["hang"]
    assert status != 0
    for rank, function in ((0, "in barrier"), (1, "in hang")):
        assert re.search(
            rf"\[rank {rank}\] WATCHDOG: rank [01]: stage rollout takes longer than "
            r"run.stage_timeout_minutes = 0.1\n"
            rf"\[rank {rank}\] process \d+ on \S+, in stage rollout for \d+ s:\n",
            log,
        ), log
        assert function in lines_of(log, rank)
    assert re.search(r"exitcode\s*: 75", log)


def test_a_stopped_process_is_named_by_the_rank_before_it(outcomes):
    status, log = outcomes["stop"]
    assert status != 0
    assert re.search(
        r"\[rank 0\] WATCHDOG: rank 1 \(process \d+ on \S+, last in stage \S+\) has given no sign "
        r"of life for 4 s",
        log,
    ), log
    assert "in barrier" in lines_of(log, 0)


def test_a_blocked_interpreter_still_shows_its_stack(outcomes):
    status, log = outcomes["block"]
    assert status != 0
    timeout, stacks = log.split("Timeout (0:00:04)!", 1)
    assert "in block" in stacks
    assert "WATCHDOG: rank 1:" not in timeout  # its own thread could not


def test_an_error_of_one_rank_ends_the_others(outcomes):
    status, log = outcomes["fail"]
    assert status != 0
    assert "[rank 0] WATCHDOG: rank 1 raised ArithmeticError: rank 1 cannot go on" in log
    # Its stack, or its traceback where the broken connection came before the watchdog looked.
    assert re.search(r"\[rank ?0\]:? .* in barrier\n", log)
    assert re.search(r"\[rank1\]: .* in fail\n", log)  # the traceback itself
