"""A process alone; tests/distributed/test_watchdog.py has ranks."""

import subprocess
import sys

import pytest

from megatron_urpo.config import RunConfig
from megatron_urpo.launch_environment import ALONE
from megatron_urpo.metrics import Timers
from megatron_urpo.watchdog import EXIT_STATUS, Watchdog

HANGING = """
import time
from megatron_urpo.config import RunConfig
from megatron_urpo.launch_environment import ALONE
from megatron_urpo.metrics import Timers
from megatron_urpo.watchdog import Watchdog

def forever():
    time.sleep(3600)

timers = Timers()
config = RunConfig(stage_timeout_minutes=1.5 / 60, heartbeat_timeout_minutes=1 / 60)
with Watchdog(config, ALONE) as watchdog, watchdog.follow(timers):
    for _ in range(4):
        with timers("sft"):
            time.sleep(0.5)
    print("steps of the same name are not one stage", flush=True)
    with timers("run"), timers("rewards"):
        forever()
"""


def test_stage_without_end_ends_the_process_with_its_stack():
    result = subprocess.run(
        [sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == EXIT_STATUS
    assert result.stdout == "steps of the same name are not one stage\n"
    assert "stage rewards takes longer than run.stage_timeout_minutes = 0.025" in result.stderr
    assert "in forever\n" in result.stderr
    assert all(line.startswith("[rank 0] ") for line in result.stderr.splitlines())


def test_errors_pass_through():
    watchdog = Watchdog(RunConfig(), ALONE)
    with pytest.raises(KeyError), watchdog, watchdog.follow(Timers()):
        raise KeyError("mine")
