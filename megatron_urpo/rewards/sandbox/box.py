"""The outside of a sandbox: starts it, has boxes started in it, and reads what they write.

A worker process keeps one for as long as it lives. Documents go in as descriptors, so what the
spawner itself holds, and every program gets a copy of, has nothing of any of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from megatron_urpo.rewards.sandbox.confine import Limits
from megatron_urpo.rewards.sandbox.launch import NONE, SandboxError, spawner_command
from megatron_urpo.rewards.sandbox.spawner import Report

_START_SECONDS = 60.0  # for an interpreter on a busy machine
_CLEARING_SECONDS = 10.0  # for the spawner to end its boxes where no namespace does
_ANSWER_SECONDS = 30.0  # in which the spawner reports a box past its last limit


@dataclass(slots=True)
class Capture:
    """What a box writes to a pipe, up to a number of bytes."""

    box: int
    descriptor: int  # the end that is read, closed at the end of the box
    max_bytes: int
    # Boxes in which a test ends and the next begins with each line.
    tested: Sequence[int] = ()
    data: bytearray = field(default_factory=bytearray)
    overflowed: bool = False  # the box was ended for writing more


class Sandbox:
    """One spawner and its boxes."""

    def __init__(self, mode: str) -> None:
        """Starts a sandbox in a mode of rewards.sandbox.

        Raises SandboxError, with what bubblewrap said, if it does not start.
        """
        self._clears_away = mode == NONE
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.ExitStack() as resources, theirs:
            command = spawner_command(mode, theirs.fileno(), resources)
            self._process = subprocess.Popen(
                command.arguments,
                env=command.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(), *command.descriptors),
                # It outlives a worker that is killed with its process group: programs that left
                # the group, and their files, would have nobody to clear them away.
                start_new_session=self._clears_away,
            )
        self._connection = ours
        self._boxes = 0  # started so far
        self._reports: dict[int, Report] = {}  # that nobody has waited for yet
        self._receive(time.monotonic() + _START_SECONDS)

    def start(
        self, role: str, files: Mapping[int, int], limits: Limits, max_line_bytes: int
    ) -> int:
        """Start a box.

        Args:
            role: a key of programs' roles.
            files: descriptor inside -> descriptor here, which the caller may close afterwards.
            max_line_bytes: longest line that the box reads from its channel.

        Returns:
            the box's number, for `wait`.
        """
        self._boxes += 1
        message = {
            "box": self._boxes,
            "role": role,
            "descriptors": list(files),
            "limits": asdict(limits),
            "max_line_bytes": max_line_bytes,
        }
        self._send(json.dumps(message).encode(), list(files.values()))
        return self._boxes

    def end(self, box: int) -> None:
        """Have a box killed; `wait` still has to be called."""
        self._send(json.dumps({"kill": box}).encode(), [])

    def wait(
        self, boxes: Sequence[int], limits: Limits, captures: Sequence[Capture] = ()
    ) -> dict[int, Report]:
        """Read what boxes write until all of those named have ended; each is waited for once.

        Raises SandboxError if the spawner stops answering, or could not set a box up.
        """
        deadline = time.monotonic() + limits.wall_seconds + _ANSWER_SECONDS
        reading = {capture.descriptor: capture for capture in captures}
        while reading or not self._reports.keys() >= set(boxes):
            poll = select.poll()
            for descriptor in (self._connection.fileno(), *reading):
                poll.register(descriptor, select.POLLIN)
            remaining = deadline - time.monotonic()
            ready = poll.poll(remaining * 1000) if remaining > 0 else []
            if not ready:
                raise SandboxError("the sandbox does not report the end of a program")
            for descriptor, _ in ready:
                if descriptor not in reading:
                    self._take_report(deadline)
                elif not self._read(reading[descriptor]):
                    os.close(reading.pop(descriptor).descriptor)
        return {box: self._reports.pop(box) for box in boxes}

    def _take_report(self, deadline: float) -> None:
        report = Report(**json.loads(self._receive(deadline)))
        if report.failure:
            raise SandboxError(f"a box could not be set up: {report.failure}")
        self._reports[report.box] = report

    def close(self) -> None:
        """End all that runs in the sandbox, and wait for it."""
        self._connection.close()
        if self._clears_away:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_CLEARING_SECONDS)
        self._process.kill()
        with self._process:
            pass

    def _read(self, capture: Capture) -> bool:
        """Whether more may come."""
        chunk = os.read(capture.descriptor, 1 << 16)
        if len(capture.data) + len(chunk) > capture.max_bytes:
            capture.overflowed = True
            self.end(capture.box)
            return False
        capture.data += chunk
        if capture.tested and b"\n" in chunk:
            self._send(json.dumps({"next_test": list(capture.tested)}).encode(), [])
        return bool(chunk)

    def _send(self, data: bytes, descriptors: list[int]) -> None:
        try:
            socket.send_fds(self._connection, [data], descriptors)
        except OSError as error:
            raise SandboxError(f"the sandbox has ended: {self._last_words()}") from error

    def _receive(self, deadline: float) -> bytes:
        self._connection.settimeout(max(0.0, deadline - time.monotonic()))
        try:
            data = self._connection.recv(1 << 16)
        except TimeoutError:
            self.close()
            raise SandboxError("the sandbox does not answer") from None
        except OSError:
            data = b""
        if not data:
            raise SandboxError(f"the sandbox has ended: {self._last_words()}")
        return data

    def _last_words(self) -> str:
        self._process.kill()
        _, errors = self._process.communicate()
        return errors.decode(errors="replace").strip() or f"exit code {self._process.returncode}"


def document(content: bytes) -> int:
    """A descriptor of a nameless file that can be read and nothing else."""
    writable = os.memfd_create("document")
    try:
        with open(writable, "wb", closefd=False) as file:
            file.write(content)
        return os.open(f"/proc/self/fd/{writable}", os.O_RDONLY)
    finally:
        os.close(writable)
