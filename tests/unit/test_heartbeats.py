"""Two ranks at a real store, in one process."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from torch.distributed import TCPStore

from megatron_urpo.heartbeats import Heartbeats, Sign
from megatron_urpo.launch_environment import TorchRank

INTERVAL, TIMEOUT = 0.02, 0.3


@pytest.fixture
def port():
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    yield store.port
    del store


def heartbeats(port, rank, restart=0):
    return Heartbeats(TorchRank(rank, 2, rank, 2, "127.0.0.1", port, restart), INTERVAL, TIMEOUT)


def sign(beat, stage="rollout"):
    return Sign(beat, stage, "n1", 17)


def test_silence_counts_from_the_last_sign(port):
    one, two = heartbeats(port, 0), heartbeats(port, 1)
    for beat in (1, 2, 3):
        two.show(sign(beat))
        assert one.find_trouble() is None
        time.sleep(TIMEOUT / 2)  # three of them exceed the timeout
    time.sleep(TIMEOUT)
    assert one.find_trouble() == (
        "rank 1 (process 17 on n1, last in stage rollout) has given no sign of life for 0.3 s"
    )


def test_rank_that_starts_or_has_left_is_not_missed(port):
    one, two = heartbeats(port, 0), heartbeats(port, 1)
    assert one.find_trouble() is None
    time.sleep(1.5 * TIMEOUT)
    assert one.find_trouble() is None
    two.show(sign(0))
    assert one.find_trouble() is None
    time.sleep(1.5 * TIMEOUT)
    assert one.find_trouble() is None


def test_first_alarm_stays_and_ends_with_the_restart(port):
    one, two = heartbeats(port, 0), heartbeats(port, 1)
    assert two.raise_alarm("rank 1 raised") == "rank 1 raised"
    assert one.raise_alarm("rank 0 raised") == "rank 1 raised"
    assert one.find_trouble() == two.find_trouble() == "rank 1 raised"
    assert heartbeats(port, 0, restart=1).find_trouble() is None


def test_roll_call_names_who_does_not_answer(port):
    one, two = heartbeats(port, 0), heartbeats(port, 1)
    assert one.call_roll() == ["rank 1 has given no sign of life"]
    two.show(sign(1))
    assert one.call_roll() == [
        "rank 1 (process 17 on n1, last in stage rollout) has given no sign of life"
    ]
    two.show(sign(0))
    assert one.call_roll() == []


KEEPER = """
from torch.distributed import TCPStore
store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
print(store.port, flush=True)
input()
"""


def test_lost_store_is_the_loss_of_its_node(monkeypatch):
    monkeypatch.setattr("megatron_urpo.heartbeats._STORE_LOST_SECONDS", 0.5)
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as keeper:
        port = int(keeper.stdout.readline())
        one = heartbeats(port, 0)
        heartbeats(port, 1).show(sign(1))
        assert one.find_trouble() is None
        keeper.kill()
    assert one.find_trouble() is None  # it may only be busy
    time.sleep(0.6)
    lost = f"the store at 127.0.0.1:{port} is gone, and with it the node of rank 0"
    assert one.find_trouble() == lost
    assert one.call_roll() == [lost]
