"""Which limit a box exceeds, and which of two."""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from megatron_urpo.rewards.sandbox import pressure, processes, spawner
from megatron_urpo.rewards.sandbox.confine import Limits, Machine

LIMITS = Limits(
    cpu_seconds=2.0,
    idle_seconds=2.0,
    wall_seconds=60.0,
    memory_bytes=256 << 20,
    scratch_bytes=4 << 20,
    processes=16,
)
NOTHING = processes.Usage(2, 0.0, 0, False, False)


@pytest.mark.parametrize(
    ("used", "idle", "now", "is_busy", "limit"),
    [
        ({}, 1.0, 59.0, True, ""),
        ({"cpu_seconds": 2.1}, 0.0, 10.0, True, "cpu"),
        ({"processes": 18}, 0.0, 10.0, True, "processes"),
        ({}, 2.1, 10.0, True, "idle"),
        ({"cpu_seconds": 1.9}, 1.9, 10.0, True, "program"),
        ({}, 1.0, 61.0, True, "wall"),
        ({}, 1.0, 61.0, False, "stalled"),  # the machine had time for it
    ],
)
def test_limits(monkeypatch, used, idle, now, is_busy, limit):
    monkeypatch.setattr(pressure, "is_under_pressure", lambda *_: is_busy)
    here, there = socket.socketpair()
    with here, there:
        boxes = spawner.Spawner(here, Machine(False, b"", False))
        limits = replace(LIMITS, program_seconds=3.0)
        box = spawner._Box(1, 0, 0, limits, "", started=0.0, seen=0.0, idle_seconds=idle)
        usage = replace(NOTHING, **used)
        assert boxes._exceeded(box, usage, usage.cpu_seconds, now) == limit


WORK = """
import sys, time
while time.process_time() < float(sys.argv[1]): pass
print(flush=True)
time.sleep(100)
"""


@pytest.fixture
def box_that_worked():
    """Makes boxes whose process has used up some CPU time and sleeps."""
    started = []

    def make(number, cpu_seconds):
        command = [sys.executable, "-c", WORK, str(cpu_seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b"\n"
        status = os.open("/dev/null", os.O_RDONLY)
        now = time.monotonic()
        return spawner._Box(number, process.pid, status, LIMITS, "", started=now, seen=now - 1.0)

    yield make
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_end_of_one_box_is_not_that_of_the_other(box_that_worked):
    """Tests live on where the answer they call has used up its time, to say how far it came."""
    answer, checker = box_that_worked(1, 0.6), box_that_worked(2, 0.2)
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        boxes = spawner.Spawner(here, Machine(False, b"", False))
        for box in (answer, checker):
            box.limits = replace(LIMITS, cpu_seconds=0.5)
            boxes._boxes[box.number] = box
        boxes._watch()
        assert list(boxes._boxes) == [2]
        report = json.loads(there.recv(1 << 16))
        assert (report["box"], report["limit"]) == (1, "cpu")
        boxes._end(checker)
