"""Ends a run that hangs: on every rank together, with everybody's stack in the log.

consumes   the stage that is running, and signs of life of the other ranks
produces   the Python stacks of all ranks, and the exit status EXIT_STATUS
waits for  nothing: a thread looks at a clock

What ends a run on all ranks within seconds of each other:

- a stage takes longer than run.stage_timeout_minutes on some rank;
- a rank raises: the others, who would wait for it in a collective, are told;
- a rank is silent for run.heartbeat_timeout_minutes: its process was stopped, or its node died;
- the job's key-value store is gone, and with it the node that kept it.

A rank whose interpreter is blocked (in C code that holds its lock) cannot look at any clock. For
that case every heartbeat sets a timer of faulthandler anew, which needs no interpreter: it prints
the stacks and ends the process.
"""

from __future__ import annotations

import faulthandler
import os
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

from megatron_urpo.config import RunConfig
from megatron_urpo.heartbeats import Heartbeats, Sign
from megatron_urpo.launch_environment import TorchRank
from megatron_urpo.types import RunError

EXIT_STATUS = 75  # sysexits.h: a temporary failure; started again, the run continues
_STDERR = 2  # sys.stderr may be an object without a file, as in a notebook
_LONGEST_INTERVAL = 5.0  # seconds between two beats
_CLEAN_UP_SECONDS = 30.0  # for a rank that raised to leave by itself
# A rank sees the alarm within one interval, and leaves itself another; torchrun ends all ranks of a
# node as soon as one has ended, so each waits until the others must have printed their stacks.
_PRINTING_INTERVALS = 3


class StageClock(Protocol):
    """What knows the running stage, and how often it has changed."""

    @property
    def stage(self) -> str | None: ...

    @property
    def changes(self) -> int: ...


class Watchdog:
    """Watches this process from entering to leaving it.

    with (
        Watchdog(config.run, rank) as watchdog,
        open_trainer(config) as trainer,
        watchdog.follow(trainer.timers),
    ):
        trainer.run()
    """

    def __init__(self, config: RunConfig, rank: TorchRank) -> None:
        """rank: a single one's stages are timed, and there is nobody to tell."""
        self._stage_timeout = 60 * config.stage_timeout_minutes
        self._heartbeat_timeout = 60 * config.heartbeat_timeout_minutes
        self._interval = min(_LONGEST_INTERVAL, self._heartbeat_timeout / 10)
        self._name = f"rank {rank.rank}"
        self._peers = None
        if rank.world_size > 1:
            self._peers = Heartbeats(rank, self._interval, self._heartbeat_timeout)
        # Nobody misses a process alone: one that was suspended at the terminal may go on.
        self._blocked_timeout = self._heartbeat_timeout if self._peers else self._stage_timeout
        self._clock: StageClock | None = None
        self._stage, self._changes = "start", -1
        self._stage_since = time.monotonic()
        self._failed_at: float | None = None
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._tell(error)
        self._left.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()
        self._show_life(beat=0)

    @contextmanager
    def follow(self, clock: StageClock) -> Iterator[None]:
        """Within it the stages are those of the clock, and an error is told to all ranks at once.

        Enter it last: what is torn down around it may wait for ranks that wait for this one.
        """
        self._clock = clock
        try:
            yield
        except BaseException as error:
            self._tell(error)
            raise

    def _watch(self) -> None:
        """The thread."""
        beat = 0
        while not self._left.is_set():
            beat += 1
            faulthandler.dump_traceback_later(self._blocked_timeout, exit=True, file=_STDERR)
            self._note_stage()
            self._show_life(beat)
            reason = self._find_reason()
            if reason is not None and not self._left.is_set():
                self._abort(reason)
            self._left.wait(self._interval)

    def _note_stage(self) -> None:
        if self._clock is None or self._clock.changes == self._changes:
            return
        self._changes, self._stage_since = self._clock.changes, time.monotonic()
        self._stage = self._clock.stage or "none"

    def _show_life(self, beat: int) -> None:
        if self._peers is not None:
            self._peers.show(Sign(beat, self._stage, socket.gethostname(), os.getpid()))

    def _find_reason(self) -> str | None:
        """Why the run has to end now; None: it goes on."""
        now = time.monotonic()
        if self._failed_at is not None:
            late = now - self._failed_at > _CLEAN_UP_SECONDS
            return f"{self._name} does not get away from its error" if late else None
        if now - self._stage_since > self._stage_timeout:
            return (
                f"{self._name}: stage {self._stage} takes longer than run.stage_timeout_minutes = "
                f"{self._stage_timeout / 60:g}"
            )
        reason = self._peers.find_trouble() if self._peers else None
        if reason is not None:
            # Often the same error is on its way here: its own traceback says more than a stack.
            self._left.wait(self._interval)
        return None if self._failed_at is not None else reason

    def _tell(self, error: BaseException) -> None:
        """Tells the other ranks of an error of this one, and the log which of them are silent."""
        if self._failed_at is not None:
            return
        self._failed_at = time.monotonic()
        if self._peers is None:
            return
        own = f"{self._name} raised {traceback.format_exception_only(error)[-1].strip()}"
        alarm = self._peers.raise_alarm(own)
        if alarm == own and isinstance(error, Exception):
            # A broken connection names an address; which rank is gone, its silence tells.
            _write("".join(f"[{self._name}] {line}\n" for line in self._peers.call_roll()))
        elif alarm not in (own, None) and _is_connection_error(error):
            _write(f"[{self._name}] WATCHDOG: {alarm}\n")

    def _abort(self, reason: str) -> None:
        """Prints the stacks of all threads and ends the process, whatever they are doing."""
        if self._peers is not None:
            self._peers.raise_alarm(reason)
        seconds = time.monotonic() - self._stage_since
        with tempfile.TemporaryFile("w+") as file:
            place = f"process {os.getpid()} on {socket.gethostname()}"
            print(f"WATCHDOG: {reason}", file=file)
            print(f"{place}, in stage {self._stage} for {seconds:.0f} s:", file=file, flush=True)
            faulthandler.dump_traceback(file, all_threads=True)
            file.seek(0)
            _write("".join(f"[{self._name}] {line}" for line in file))
        if self._peers is not None:
            time.sleep(_PRINTING_INTERVALS * self._interval)
        os._exit(EXIT_STATUS)


def _is_connection_error(error: BaseException) -> bool:
    """Whether torch.distributed may have raised it, for a rank that has left; it names no rank."""
    return isinstance(error, RuntimeError) and not isinstance(error, RunError)


def _write(text: str) -> None:
    """To stderr in as few pieces as the system allows: the ranks share the log."""
    sys.stderr.flush()
    rest = text.encode()
    while rest:
        rest = rest[os.write(_STDERR, rest) :]
