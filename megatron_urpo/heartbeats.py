"""Signs of life between the ranks of a job, and the alarm that ends all of them.

They go through the key-value store of torchrun over a connection of their own, not through
collectives: those are what hangs. A rank watches the one after it, so that the work of each does
not grow with their number.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from megatron_urpo.launch_environment import TorchRank

if TYPE_CHECKING:
    from torch.distributed import TCPStore

# The node that keeps the store ends last: who is at work without it has lost the others.
_STORE_LOST_SECONDS = 10.0
_ROLL_CALL_BEATS = 3
_STORE_WAITS = 3  # that fit between two signs of life before this rank counts as lost itself


@dataclass(frozen=True, slots=True)
class Sign:
    """A rank's sign of life."""

    beat: int  # rises while the rank lives; 0: it left as it should
    stage: str
    host: str
    pid: int

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, last in stage {self.stage}"


class Heartbeats:
    """This rank's connection to the others. All methods may be called from any thread."""

    def __init__(self, rank: TorchRank, interval: float, timeout: float) -> None:
        """
        Args:
            interval: seconds between two calls of show.
            timeout: seconds without a sign of the next rank after which it counts as lost.
        """
        self._rank = rank
        self._interval = interval
        self._timeout = timeout
        self._neighbour = (rank.rank + 1) % rank.world_size
        self._lock = threading.Lock()
        self._store: TCPStore | None = None
        self._reached_at = time.monotonic()  # the store, last
        self._seen: Sign | None = None  # of the neighbour, newest
        self._changed_at = time.monotonic()

    def show(self, sign: Sign) -> None:
        """Gives this rank's sign of life."""
        self._attempt(lambda store: store.set(self._key(self._rank.rank), json.dumps(asdict(sign))))

    def find_trouble(self) -> str | None:
        """A sentence when the alarm was raised, the next rank is silent, or the store is gone."""
        now = time.monotonic()
        alarm = self._attempt(lambda store: _get(store, self._key("alarm")))
        if alarm is not None:
            return alarm
        if self._store is None:
            lost = now - self._reached_at > _STORE_LOST_SECONDS and self._seen is not None
            return self._store_lost() if lost else None
        sign = self._read(self._neighbour)
        if sign != self._seen:
            self._seen, self._changed_at = sign, now
        starting_or_left = sign is None or sign.beat == 0
        if starting_or_left or now - self._changed_at <= self._timeout:
            return None
        return f"{_describe_silence(self._neighbour, sign)} for {self._timeout:g} s"

    def raise_alarm(self, reason: str) -> str | None:
        """Tells all ranks. Returns the first alarm of the job, which stays; None: no store."""
        key = self._key("alarm")
        return self._attempt(lambda store: store.compare_set(key, "", reason).decode())

    def call_roll(self) -> list[str]:
        """A sentence for every other rank that is silent now, after waiting for a few beats."""
        others = [rank for rank in range(self._rank.world_size) if rank != self._rank.rank]
        before = {rank: self._read(rank) for rank in others}
        deadline = time.monotonic() + _ROLL_CALL_BEATS * self._interval
        while others and time.monotonic() < deadline:
            time.sleep(self._interval / 5)
            others = [rank for rank in others if self._read(rank) in (None, before[rank])]
        if self._store is None:
            return [self._store_lost()]
        return [
            _describe_silence(rank, sign)
            for rank in others
            if (sign := before[rank]) is None or sign.beat > 0
        ]

    def _attempt(self, action: Callable[[TCPStore], str | None]) -> str | None:
        """Runs an action on the store; None also where the store cannot be reached."""
        with self._lock:
            try:
                if self._store is None:
                    self._store = _connect(self._rank, self._timeout / _STORE_WAITS)
                result = action(self._store)
            except RuntimeError:  # of torch.distributed: it cannot be reached, any more or yet
                self._store = None
                return None
            self._reached_at = time.monotonic()
            return result

    def _read(self, rank: int) -> Sign | None:
        text = self._attempt(lambda store: _get(store, self._key(rank)))
        return None if text is None else Sign(**json.loads(text))

    def _key(self, name: int | str) -> str:
        # A torchrun that restarts its ranks keeps its store.
        return f"heartbeats/{self._rank.restart}/{name}"

    def _store_lost(self) -> str:
        return (
            f"the store at {self._rank.store_host}:{self._rank.store_port} is gone, and with it "
            "the node of rank 0"
        )


def _connect(rank: TorchRank, seconds: float) -> TCPStore:
    from torch.distributed import TCPStore

    return TCPStore(
        rank.store_host,
        rank.store_port,
        is_master=False,
        wait_for_workers=False,
        timeout=timedelta(seconds=seconds),
    )


def _get(store: TCPStore, key: str) -> str | None:
    return store.get(key).decode() if store.check([key]) else None


def _describe_silence(rank: int, sign: Sign | None) -> str:
    if sign is None:
        return f"rank {rank} has given no sign of life"
    return f"rank {rank} ({sign}) has given no sign of life"
