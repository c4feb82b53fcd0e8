"""JSON lines over two pipes: what an answer's functions are called through."""

from __future__ import annotations

import json
import os
from typing import Any


class ChannelClosedError(EOFError):
    """The other side has ended."""


class LineTooLongError(ChannelClosedError):
    """The other side said more than it may; nothing more is read."""


class Channel:
    """One end."""

    def __init__(self, receive_fd: int, send_fd: int, max_line_bytes: int) -> None:
        """Takes two pipes and the longest line that is read."""
        self._receive_fd = receive_fd
        self._send_fd = send_fd
        self._max_line_bytes = max_line_bytes
        self._buffer = bytearray()

    def send(self, message: Any) -> None:
        """Write one JSON value.

        Raises ChannelClosedError when nobody reads.
        """
        data = memoryview(json.dumps(message).encode() + b"\n")
        try:
            while data:
                data = data[os.write(self._send_fd, data) :]
        except BrokenPipeError as error:
            raise ChannelClosedError("nobody reads") from error

    def receive(self) -> Any:
        """Read one JSON value.

        Raises:
            ChannelClosedError: at the end; LineTooLongError: at a line that is too long.
            ValueError, RecursionError: the line is no JSON.
        """
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            chunk = os.read(self._receive_fd, 1 << 16)
            if not chunk:
                raise ChannelClosedError("no whole line")
            if searched + len(chunk) > self._max_line_bytes:
                raise LineTooLongError(f"a line of more than {self._max_line_bytes} bytes")
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return json.loads(line)
