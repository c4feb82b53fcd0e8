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

    def send(self, message: Any) -> int:
        """Write one JSON value; the bytes it took.

        Raises ChannelClosedError when nobody reads.
        """
        line = json.dumps(message).encode() + b"\n"
        data = memoryview(line)
        try:
            while data:
                data = data[os.write(self._send_fd, data) :]
        except BrokenPipeError as error:
            raise ChannelClosedError("nobody reads") from error
        return len(line)

    def receive(self, more_bytes: int = 0) -> Any:
        """Read one JSON value.

        Args:
            more_bytes: by which this line may be longer than others.

        Raises:
            ChannelClosedError: at the end; LineTooLongError: at a line that is too long.
            ValueError, RecursionError: the line is no JSON.
        """
        max_bytes = self._max_line_bytes + more_bytes
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            chunk = os.read(self._receive_fd, 1 << 16)
            if not chunk:
                raise ChannelClosedError("no whole line")
            if searched + len(chunk) > max_bytes:
                raise LineTooLongError(f"a line of more than {max_bytes} bytes")
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return json.loads(line)
