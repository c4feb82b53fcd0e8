"""Ctrl-C and termination signals, turned into a wish to stop after the current step."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType

from megatron_urpo.console import say
from megatron_urpo.ranks import Ranks

# SIGUSR1 is what Slurm's --signal sends ahead of a time limit.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

BEFORE_STEPS = "stopping before the first step: there is nothing to save"
IN_STEPS = "saving after this step, then stopping"
AFTER_STEPS = "the run is complete and saved: only its export is left, and will be finished"


class StopRequest:
    """While it is entered, the first signal sets `requested`; a second one ends the program.

    with StopRequest() as stop:
        while not stop.requested:
            ...

    A signal of before counts where it is blocked until then, as the launcher does.
    """

    def __init__(self) -> None:
        self.requested: signal.Signals | None = None
        self.consequence = BEFORE_STEPS  # what is said to come of it; the holder keeps it true
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        for number in _SIGNALS:
            self._previous[number] = signal.signal(number, self._receive)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def is_asked_of(self, ranks: Ranks) -> bool:
        """Whether any rank was asked; alike on all of them, which call it together."""
        return any(ranks.gather_objects(self.requested is not None))

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested is not None:
            raise KeyboardInterrupt
        self.requested = signal.Signals(number)
        say(
            f"\n{self.requested.name}: {self.consequence}. "
            "Once more to stop at once (the last checkpoint stays)."
        )
