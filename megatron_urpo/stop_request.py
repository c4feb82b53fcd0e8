"""Ctrl-C and termination signals, turned into a wish to stop after the current step."""

from __future__ import annotations

import signal
import sys
from types import FrameType, TracebackType

# SIGUSR1 is what Slurm's --signal sends ahead of a time limit.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """While it is entered, the first signal sets `requested`; a second one ends the program.

    with StopRequest() as stop:
        while not stop.requested:
            ...
    """

    def __init__(self) -> None:
        self.requested: signal.Signals | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        for number in _SIGNALS:
            self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested is not None:
            raise KeyboardInterrupt
        self.requested = signal.Signals(number)
        print(
            f"\n{self.requested.name}: saving after this step, then stopping. "
            "Once more to stop at once (the last checkpoint stays).",
            file=sys.stderr,
            flush=True,
        )
