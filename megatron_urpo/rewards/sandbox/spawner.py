"""Starts boxes, watches them, and tells their ends: the one long-lived process of a sandbox.

It holds nothing that an answer may not see, since answers are forked from it: the descriptors of a
box's documents and pipes only pass through. Messages go over a socket (JSON, with descriptors
beside): {"box": number, "role": ..., "descriptors": [targets], "limits": {...}} starts a box,
{"kill": number} ends one, {"next_test": [numbers]} says that a test ended in boxes and the next one
has begun. Each box that was started ends in one report.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import select
import shutil
import signal
import socket
import tempfile
import time
from dataclasses import asdict, dataclass
from typing import Any

from megatron_urpo.rewards.sandbox import (
    confine,
    interpreter,
    kernel,
    pressure,
    processes,
    programs,
)

_TICK_SECONDS = 0.02  # between two looks at a box
_MESSAGE_BYTES = 1 << 16
_MAX_DESCRIPTORS = 16
_SILENT_INIT = "its init ended without a word"
_FIRST_FREE = 16  # descriptors from here on are in nobody's way


@dataclass(frozen=True, slots=True)
class Report:
    """How a box ended."""

    box: int
    exit_code: int | None  # of the program; None: it was killed by a signal
    signal: int | None
    limit: str  # exceeded: cpu, idle, program, wall, stalled, memory or processes; empty: none
    cpu_seconds: float
    idle_seconds: float  # in which it only waited
    failure: str  # why it could not be set up; empty: it was


@dataclass(slots=True)
class _Box:
    number: int
    init: int  # process id
    status: int  # descriptor on which the init tells the program's end
    limits: confine.Limits
    scratch: str  # directory to remove; empty where the scratch has a file system of its own
    started: float
    seen: float  # when it was looked at last
    cpu_seconds: float = 0.0
    idle_seconds: float = 0.0
    # What of both came before the test that runs now.
    cpu_seconds_before: float = 0.0
    idle_seconds_before: float = 0.0
    begins_test: bool = False  # since it was looked at
    limit: str = ""


class Spawner:
    """The boxes of one sandbox."""

    def __init__(self, connection: socket.socket, machine: confine.Machine) -> None:
        self._connection = connection
        self._machine = machine
        self._boxes: dict[int, _Box] = {}
        self._baseline, _ = processes.memory(os.getpid())

    def run(self) -> None:
        """Serve until the other side is gone, and clear away what it left running."""
        # It may leave messages unread, and reports are still sent to it.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._serve()
        for box in list(self._boxes.values()):
            self._kill(box)

    def _serve(self) -> None:
        while True:
            poll = select.poll()
            poll.register(self._connection, select.POLLIN)
            for box in self._boxes.values():
                poll.register(box.status, select.POLLIN)
            ready = [fd for fd, _ in poll.poll(_TICK_SECONDS * 1000 if self._boxes else None)]
            for box in list(self._boxes.values()):
                if box.status in ready:
                    self._finish(box)
            if self._connection.fileno() in ready and not self._take_message():
                break
            self._watch()

    def _take_message(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(
            self._connection, _MESSAGE_BYTES, _MAX_DESCRIPTORS
        )
        if not data:
            return False
        message = json.loads(data)
        try:
            if "kill" in message:
                if message["kill"] in self._boxes:
                    self._end(self._boxes[message["kill"]])
            elif "next_test" in message:
                for number in message["next_test"]:
                    if number in self._boxes:
                        self._boxes[number].begins_test = True
            else:
                self._start(message, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _start(self, message: dict[str, Any], descriptors: list[int]) -> None:
        limits = confine.Limits.from_record(message["limits"])
        scratch = "" if self._machine.isolated else tempfile.mkdtemp(prefix="urpo-code-")
        status, status_end = os.pipe()
        try:
            init = kernel.fork_into_namespaces(self._machine.namespaces)
        except OSError as error:
            os.close(status)
            os.close(status_end)
            self._report(Report(message["box"], None, None, "", 0.0, 0.0, str(error)))
            return
        if init == 0:
            _run_init(self._machine, limits, message, descriptors, status_end, scratch)
        os.close(status_end)
        now = time.monotonic()
        self._boxes[message["box"]] = _Box(message["box"], init, status, limits, scratch, now, now)

    def _watch(self) -> None:
        """End the boxes that exceed a limit."""
        now = time.monotonic()
        boxes = list(self._boxes.values())
        if not any(now - box.seen >= _TICK_SECONDS for box in boxes):
            return
        usages = [processes.usage([box.init]) for box in boxes]
        # Boxes that run together wait for each other: one that works keeps all from being idle.
        works = any(used.runnable for used in usages) or (
            any(used.blocked for used in usages) and pressure.is_under_pressure("io", "memory")
        )
        before = sum(box.cpu_seconds for box in boxes)
        worked = max(0.0, sum(used.cpu_seconds for used in usages) - before)
        for box, used in zip(boxes, usages, strict=True):
            if not works:
                box.idle_seconds += max(0.0, now - box.seen - worked)
            box.seen, box.cpu_seconds = now, used.cpu_seconds
            if box.begins_test:
                box.cpu_seconds_before, box.idle_seconds_before = box.cpu_seconds, box.idle_seconds
                box.begins_test = False
        together = sum(box.cpu_seconds for box in boxes)
        for box, used in zip(boxes, usages, strict=True):
            box.limit = self._exceeded(box, used, together, now)
            if box.limit:
                self._end(box)

    def _exceeded(self, box: _Box, used: processes.Usage, together: float, now: float) -> str:
        """Which limit, empty if none; `together` is the CPU time of all boxes."""
        limits = box.limits
        if used.processes > limits.processes + 1:  # its init
            return "processes"
        if used.resident_bytes > limits.memory_bytes and (
            processes.own_memory([box.init], self._baseline) > limits.memory_bytes
        ):
            return "memory"
        if used.cpu_seconds - box.cpu_seconds_before > limits.cpu_seconds:
            return "cpu"
        if box.idle_seconds - box.idle_seconds_before > limits.idle_seconds:
            return "idle"
        if limits.program_seconds is not None and (
            together + box.idle_seconds > limits.program_seconds
        ):
            return "program"
        if now - box.started <= limits.wall_seconds:
            return ""
        # Neither CPU time nor rest is used up. A machine that is at leisure is not to blame.
        return "wall" if pressure.is_under_pressure("cpu", "io", "memory") else "stalled"

    def _end(self, box: _Box) -> None:
        """Kill a box before its program ended, and report it."""
        self._kill(box)
        del self._boxes[box.number]
        cpu, idle = box.cpu_seconds, box.idle_seconds
        self._report(Report(box.number, None, signal.SIGKILL, box.limit, cpu, idle, ""))

    def _finish(self, box: _Box) -> None:
        """Clear away a box whose program ended, and report it."""
        data = b""
        while chunk := os.read(box.status, 1 << 16):
            data += chunk
            if data.endswith(b"\n"):
                break
        end = json.loads(data) if data else {}
        # What lives on is not in the init's account.
        is_alone = end.pop("is_alone", True)
        used = 0.0 if is_alone else processes.usage([box.init]).cpu_seconds
        self._kill(box)
        del self._boxes[box.number]
        if not end:
            self._report(Report(box.number, None, None, "", 0.0, 0.0, _SILENT_INIT))
            return
        cpu = end["cpu_seconds"] = max(end["cpu_seconds"], used)
        of_test = cpu - box.cpu_seconds_before
        too_much = end["signal"] == signal.SIGXCPU or of_test > box.limits.cpu_seconds
        limit = "cpu" if too_much else ""
        idle = box.idle_seconds
        self._report(Report(box=box.number, limit=limit, idle_seconds=idle, **end))

    def _kill(self, box: _Box) -> None:
        if not self._machine.isolated:
            processes.kill_descendants(box.init)
        # The kernel kills every process of its pid namespace with it, and waitpid waits for them.
        _kill_process(box.init)
        os.waitpid(box.init, 0)
        os.close(box.status)
        if box.scratch:
            shutil.rmtree(box.scratch)

    def _report(self, report: Report) -> None:
        self._connection.send(json.dumps(asdict(report)).encode())


def _kill_process(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _run_init(
    machine: confine.Machine,
    limits: confine.Limits,
    message: dict[str, Any],
    descriptors: list[int],
    status: int,
    scratch: str,
) -> None:
    """Life of a box's first process; does not return."""
    end: dict[str, Any] = {"exit_code": None, "signal": None, "cpu_seconds": 0.0, "failure": ""}
    try:
        _keep_descriptors([*descriptors, status])
        stdin = dict(zip(message["descriptors"], descriptors, strict=True)).get(programs.STDIN)
        confine.prepare_init(machine, limits, stdin)
        os.chdir(scratch or confine.SCRATCH)
        program = os.fork()
        if program == 0:
            _run_program(machine, limits, message, descriptors, status)
        for descriptor in descriptors:
            os.close(descriptor)
        while (ended := os.waitpid(-1, 0))[0] != program:
            pass  # an orphan of the program's
        code = os.waitstatus_to_exitcode(ended[1])
        end["is_alone"] = _has_no_child_left()
        times = os.times()
        end["cpu_seconds"] = times.children_user + times.children_system
        end["exit_code" if code >= 0 else "signal"] = abs(code)
    except OSError as error:
        end["failure"] = str(error)
    with contextlib.suppress(BrokenPipeError):
        os.write(status, json.dumps(end).encode() + b"\n")
        signal.pause()  # the spawner takes it from here
    os._exit(0)


def _has_no_child_left() -> bool:
    """Wait for children that have ended; whether none lives on."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def _run_program(
    machine: confine.Machine,
    limits: confine.Limits,
    message: dict[str, Any],
    descriptors: list[int],
    status: int,
) -> None:
    """Life of a box's second process; does not return."""
    code = 1
    try:
        try:
            confine.confine_program(machine, limits)
            _place_descriptors(descriptors, message["descriptors"])
        except OSError as error:
            end = {"exit_code": None, "signal": None, "cpu_seconds": 0.0, "failure": str(error)}
            os.write(status, json.dumps(end).encode() + b"\n")
            os._exit(1)
        code = programs.run(message["role"], message["max_line_bytes"])
    finally:
        os._exit(code)


def _keep_descriptors(kept: list[int]) -> None:
    """Close all descriptors but these, those of other boxes and the connection among them."""
    below = 0
    for descriptor in sorted(kept):
        os.closerange(below, descriptor)
        below = descriptor + 1
    os.closerange(below, os.sysconf("SC_OPEN_MAX"))


def _place_descriptors(descriptors: list[int], targets: list[int]) -> None:
    """Give each descriptor the number it is to have, and close all others.

    Standard ones that are not among the targets are /dev/null.
    """
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, _FIRST_FREE) for descriptor in descriptors]
    os.closerange(0, _FIRST_FREE)
    for target in (programs.STDIN, programs.STDOUT, programs.STDERR):
        null = os.open("/dev/null", os.O_RDWR)  # takes the lowest number there is: this one
        assert null == target
        os.set_inheritable(null, True)
    for descriptor, target in zip(moved, targets, strict=True):
        os.dup2(descriptor, target)
    os.closerange(programs.RESULT + 1, os.sysconf("SC_OPEN_MAX"))


def main(connection: int, isolated: bool) -> None:
    """Serve on an inherited socket; the first message says that the spawner is ready."""
    machine = confine.Machine.examine(isolated)
    confine.prepare_spawner(machine)
    interpreter.add_site_names()
    gc.collect()
    gc.freeze()  # what is collected in a child would have to be copied
    with socket.socket(fileno=connection) as end:
        end.send(b"ready")
        Spawner(end, machine).run()
