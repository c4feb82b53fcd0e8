"""The outside of a sandbox: starting, reading, and what is said when it fails."""

import os
import select
import signal
from dataclasses import replace

import psutil
import pytest

from megatron_urpo.rewards.sandbox import programs
from megatron_urpo.rewards.sandbox.box import Capture, Sandbox, document
from megatron_urpo.rewards.sandbox.confine import Limits
from megatron_urpo.rewards.sandbox.launch import SandboxError

LIMITS = Limits(
    cpu_seconds=2.0,
    idle_seconds=2.0,
    wall_seconds=60.0,
    memory_bytes=256 << 20,
    scratch_bytes=4 << 20,
    processes=16,
)


@pytest.fixture
def sandbox(bubblewrap):
    sandbox = Sandbox("bubblewrap")
    yield sandbox
    sandbox.close()


def start(sandbox, code, limits=LIMITS, max_bytes=1 << 16):
    given = document(code.encode())
    receive, send = os.pipe()
    box = sandbox.start("program", {programs.DOCUMENT: given, programs.STDOUT: send}, limits, 0)
    os.close(given)
    os.close(send)
    return box, Capture(box, receive, max_bytes)


def test_boxes_run_side_by_side(sandbox):
    started = [start(sandbox, f"print({n})\nraise SystemExit({n})") for n in range(4)]
    numbers, captures = zip(*started, strict=True)
    reports = sandbox.wait(numbers, LIMITS, captures)
    assert [bytes(capture.data) for capture in captures] == [b"0\n", b"1\n", b"2\n", b"3\n"]
    assert [reports[number].exit_code for number in numbers] == [0, 1, 2, 3]
    assert {report.limit for report in reports.values()} == {""}


def test_signals_and_cpu_time_are_reported(sandbox):
    code = "import os, time\nwhile time.process_time() < 0.5: pass\nos.kill(os.getpid(), 11)"
    box, capture = start(sandbox, code)
    report = sandbox.wait([box], LIMITS, [capture])[box]
    assert (report.exit_code, report.signal) == (None, signal.SIGSEGV)
    assert report.cpu_seconds == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("end", ["os._exit(0)", "time.sleep(100)"])
def test_cpu_time_of_children_that_nobody_waits_for_is_reported(sandbox, end):
    code = f"""
import os, time
if os.fork() == 0:
    while time.process_time() < 0.5: pass
    open("done", "w").close()
    {end}
while not os.path.exists("done"): time.sleep(0.01)
time.sleep(0.05)
"""
    box, capture = start(sandbox, code)
    report = sandbox.wait([box], LIMITS, [capture])[box]
    assert report.exit_code == 0
    assert report.cpu_seconds == pytest.approx(0.5, abs=0.2)


def test_waiting_is_not_working(sandbox):
    box, capture = start(sandbox, "import time\ntime.sleep(1)")
    report = sandbox.wait([box], LIMITS, [capture])[box]
    assert report.cpu_seconds < 0.5
    assert report.idle_seconds == pytest.approx(1.0, abs=0.5)


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        ("while True: pass", "cpu"),
        ("import time\ntime.sleep(100)", "idle"),
        ("import os\nwhile True: os.fork()", "processes"),
    ],
)
def test_limits_are_named(sandbox, code, limit):
    box, capture = start(sandbox, code, replace(LIMITS, cpu_seconds=0.5, idle_seconds=0.5))
    report = sandbox.wait([box], LIMITS, [capture])[box]
    assert (report.limit, report.exit_code) == (limit, None)


def test_output_is_read_up_to_its_limit(sandbox):
    box, capture = start(sandbox, "while True: print('x' * 1000)", max_bytes=10_000)
    assert sandbox.wait([box], LIMITS, [capture])[box].signal == signal.SIGKILL
    assert capture.overflowed
    assert len(capture.data) <= 10_000


def test_a_box_can_be_ended(sandbox):
    box, capture = start(sandbox, "print('started', flush=True)\nwhile True: pass")
    sandbox.end(box)
    report = sandbox.wait([box], LIMITS, [capture])[box]
    assert (report.signal, report.limit) == (signal.SIGKILL, "")
    sandbox.end(box)  # nothing is left to end
    box, capture = start(sandbox, "print(1)")
    assert sandbox.wait([box], LIMITS, [capture])[box].exit_code == 0


def test_a_document_can_only_be_read():
    descriptor = document(b"content")
    try:
        assert os.read(descriptor, 100) == b"content"
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(descriptor, b"x")
    finally:
        os.close(descriptor)


def test_a_box_that_cannot_be_set_up_is_no_verdict(sandbox):
    """The kernel mounts no scratch of less than nothing."""
    box, capture = start(sandbox, "print(1)", replace(LIMITS, scratch_bytes=-1))
    with pytest.raises(SandboxError, match="a box could not be set up: .*mount /tmp"):
        sandbox.wait([box], LIMITS, [capture])


def test_a_dead_spawner_is_said(sandbox):
    psutil.Process(sandbox._process.pid).children(recursive=True)[-1].kill()
    sandbox._process.wait()
    with pytest.raises(SandboxError, match="the sandbox has ended: exit code"):
        start(sandbox, "print(1)")


def test_closing_leaves_no_process(bubblewrap):
    sandbox = Sandbox("bubblewrap")
    start(sandbox, "import time\ntime.sleep(100)")
    inside = psutil.Process(sandbox._process.pid).children(recursive=True)
    assert inside
    sandbox.close()
    psutil.wait_procs(inside, timeout=30)
    assert [process for process in inside if process.is_running()] == []


def test_closing_without_a_sandbox_leaves_no_process_and_no_file():
    """Even with a report that nobody has read, which the kernel tells as an error."""
    sandbox = Sandbox("none")
    patient = replace(LIMITS, idle_seconds=100.0)
    _, sleeping = start(
        sandbox,
        "import os, time\nprint(os.getpid(), os.getcwd(), flush=True)\ntime.sleep(10**9)",
        patient,
    )
    pid, directory = os.read(sleeping.descriptor, 1 << 16).split()
    program = psutil.Process(int(pid))
    start(sandbox, "", patient)
    assert select.select([sandbox._connection], [], [], 60)[0]
    sandbox.close()
    psutil.wait_procs([program], timeout=30)
    assert not program.is_running()
    assert not os.path.exists(directory)
