"""What a process tree uses, next to what psutil says."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from megatron_urpo.rewards.sandbox import processes

TREE = """
import os, sys, time
block = bytearray({size})
if os.fork() == 0:
    time.sleep(100)
end = time.process_time() + {seconds}
while time.process_time() < end: pass
print("ready", flush=True)
time.sleep(100)
"""


@pytest.fixture
def tree_of():
    trees = []

    def start(size=0, seconds=0.0):
        command = [sys.executable, "-c", TREE.format(size=size, seconds=seconds)]
        trees.append(subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True))
        assert trees[-1].stdout.readline() == b"ready\n"
        return trees[-1].pid

    yield start
    for tree in trees:
        processes.kill_descendants(tree.pid)
        tree.kill()
        tree.wait()
        tree.stdout.close()


def test_usage(tree_of):
    pid = tree_of(size=50 << 20, seconds=0.3)
    used = processes.usage([pid])
    parent = psutil.Process(pid)
    both = [parent, *parent.children()]
    assert len(both) == used.processes == 2
    assert used.cpu_seconds == pytest.approx(
        sum(t.user + t.system for t in (process.cpu_times() for process in both)), abs=0.021
    )
    assert used.resident_bytes == pytest.approx(
        sum(process.memory_info().rss for process in both), rel=0.1
    )
    time.sleep(0.1)
    assert not processes.usage([pid]).runnable


def test_own_memory_counts_what_is_above_the_baseline(tree_of):
    pid = tree_of(size=50 << 20)
    anonymous, shared = processes.memory(pid)
    assert anonymous > 50 << 20
    assert shared == 0
    # The child has the block from its parent; the root itself does not count.
    assert processes.own_memory([pid], 0) > 50 << 20
    assert processes.own_memory([pid], anonymous) == 0


def test_what_works_is_runnable():
    assert processes.usage([os.getpid()]).runnable


THREADS = """
import threading, time
def work():
    while True: pass
threading.Thread(target=work).start()
print("ready", flush=True)
"""
VFORK = """
import ctypes, os, platform, time
number = {"x86_64": 56, "aarch64": 220}[platform.machine()]
print("ready", flush=True)
if ctypes.CDLL(None).syscall(number, 0x4000 | 17, 0, 0, 0, 0) == 0:
    time.sleep(100)
"""


@pytest.fixture
def started():
    running = []

    def start(code):
        command = [sys.executable, "-c", code]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        assert running[-1].stdout.readline() == b"ready\n"
        return running[-1].pid

    yield start
    for process in running:
        processes.kill_descendants(process.pid)
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_thread_that_works_is_runnable(started):
    """Also while the first one, whose state is the process's, waits for it to end."""
    pid = started(THREADS)
    time.sleep(0.2)
    assert all(processes.usage([pid]).runnable for _ in range(50))


def test_waiting_for_a_vfork_is_not_working(started):
    pid = started(VFORK)
    deadline = time.monotonic() + 30
    while psutil.Process(pid).status() != psutil.STATUS_DISK_SLEEP:
        assert time.monotonic() < deadline
    time.sleep(0.2)
    used = processes.usage([pid])
    assert used.processes == 2
    assert not used.runnable
    assert not used.blocked


def test_descendants_are_found_and_killed(tree_of):
    pid = tree_of()
    (child,) = psutil.Process(pid).children()
    assert processes.descendants([pid]) == [child.pid]
    assert processes.descendants([child.pid]) == []
    processes.kill_descendants(pid)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_process_that_is_gone_uses_nothing():
    process = subprocess.Popen(["true"])
    process.wait()
    assert processes.usage([process.pid]) == processes.Usage(0, 0.0, 0, False, False)
