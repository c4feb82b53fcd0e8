"""The mixture of a batch: exact shares of the kinds and sources, in a resumable order.

Shares that do not divide the batch are rounded by largest remainders, and what rounding gave or
took is settled in the next batches: after any number of batches each kind is within one prompt of
its exact share. Sources of one kind share it in the same way, by their weights or, where none is
set, by their numbers of tasks. Each source is read in a seeded order, newly shuffled in every
epoch. In phase 1 of the curriculum there are no instructions (paper section 4.1.4).
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from megatron_urpo.config import ConfigError, DataConfig
from megatron_urpo.data.apportionment import Apportionment
from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.sources import Source
from megatron_urpo.data.splits import generator
from megatron_urpo.types import Task, TaskKind


class Mixture:
    """Deals the tasks of each step."""

    def __init__(self, config: DataConfig, sources: Sequence[Source], seed: int) -> None:
        """
        Raises:
            ConfigError: a kind has a share of the batch and no source, or no kind has a share.
        """
        self._config = config
        self._streams = {
            kind: [_Stream(source, seed) for source in sources if source.config.kind == kind]
            for kind in TaskKind
        }
        for phase in (1, 2):
            ratio = config.ratio(phase)
            if phase == 1 and config.phase1_steps == 0:
                continue
            if not any(ratio.values()):
                raise ConfigError(
                    f"the batches of phase {phase} would be empty: raise data.preference_ratio or "
                    "data.reasoning_ratio, or set data.phase1_steps = 0"
                )
            for kind, share in ratio.items():
                if share > 0 and not self._streams[kind]:
                    raise ConfigError(
                        f"data.{kind}_ratio = {share:g}, but data.sources has no {kind} source: "
                        "add one or set the ratio to 0"
                    )
        self._kind_shares: Apportionment[TaskKind] = Apportionment()
        self._source_shares: dict[TaskKind, Apportionment[str]] = {
            kind: Apportionment() for kind in TaskKind
        }

    def next_batch(self, step_index: int) -> list[Task]:
        """The tasks of a step (counted from 0), grouped by kind; data.prompts_per_step of them."""
        ratio = self._config.ratio(self._config.phase(step_index))
        counts = self._kind_shares.deal(self._config.prompts_per_step, ratio)
        batch: list[Task] = []
        for kind, count in counts.items():
            streams = {stream.source.config.name: stream for stream in self._streams[kind]}
            weights = {name: stream.share for name, stream in streams.items()}
            for name, share in self._source_shares[kind].deal(count, weights).items():
                batch += [streams[name].next() for _ in range(share)]
        return batch

    def state(self) -> dict[str, Any]:
        """The position in all streams, as JSON values."""
        return {
            "kinds": self._kind_shares.state(),
            "sources": {str(kind): shares.state() for kind, shares in self._source_shares.items()},
            "streams": {
                stream.source.config.name: stream.state()
                for streams in self._streams.values()
                for stream in streams
            },
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continues exactly where state() was taken.

        Raises:
            DataError: the sources are not those of the saved state.
        """
        streams = [stream for streams in self._streams.values() for stream in streams]
        names = {stream.source.config.name for stream in streams}
        if names != set(state["streams"]):
            raise DataError(
                f"the saved position is of the sources {sorted(state['streams'])}, the "
                f"configuration has {sorted(names)}: resume with the same data.sources"
            )
        for stream in streams:
            stream.load_state(state["streams"][stream.source.config.name])
        self._kind_shares.load_state({TaskKind(kind): c for kind, c in state["kinds"].items()})
        for kind, shares in self._source_shares.items():
            shares.load_state(state["sources"][str(kind)])


class _Stream:
    """An endless, seeded reading of one source."""

    def __init__(self, source: Source, seed: int) -> None:
        self.source = source
        self._seed = seed
        self._epoch = 0
        self._position = 0
        self._order = self._shuffled()

    @property
    def share(self) -> float:
        """Of the source, relative to others of its kind."""
        return self.source.config.weight or len(self.source.tasks)

    def next(self) -> Task:
        if self._position == len(self._order):
            self._epoch += 1
            self._position = 0
            self._order = self._shuffled()
        task = self.source.tasks[self._order[self._position]]
        self._position += 1
        return task

    def state(self) -> dict[str, int]:
        return {
            "epoch": self._epoch,
            "position": self._position,
            "items": len(self.source.tasks),
        }

    def load_state(self, state: Mapping[str, int]) -> None:
        if state["items"] != len(self.source.tasks):
            raise DataError(
                f"source {self.source.config.name!r} has {len(self.source.tasks)} items, and had "
                f"{state['items']} when the run was saved: restore its data, or start a new run"
            )
        self._epoch, self._position = state["epoch"], state["position"]
        self._order = self._shuffled()

    def _shuffled(self) -> array[int]:
        order = array("q", range(len(self.source.tasks)))
        generator("epoch", self._seed, self.source.config.name, self._epoch).shuffle(order)
        return order
