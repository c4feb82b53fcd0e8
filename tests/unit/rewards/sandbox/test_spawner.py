"""Which limit a box exceeds."""

import socket
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
        ({}, 1.0, 61.0, True, "wall"),
        ({}, 1.0, 61.0, False, "stalled"),  # the machine had time for it
    ],
)
def test_limits(monkeypatch, used, idle, now, is_busy, limit):
    monkeypatch.setattr(pressure, "is_under_pressure", lambda *_: is_busy)
    here, there = socket.socketpair()
    with here, there:
        boxes = spawner.Spawner(here, Machine(False, b"", False))
        box = spawner._Box(1, 0, 0, LIMITS, "", started=0.0, seen=0.0, idle_seconds=idle)
        assert boxes._exceeded(box, replace(NOTHING, **used), now) == limit
