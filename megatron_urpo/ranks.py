"""What the stages ask of the ranks of a job as a whole; training.parallel.Parallel has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Ranks(Protocol):
    """This process among the ranks of its job. All methods are collectives."""

    @property
    def rank(self) -> int: ...

    @property
    def world_size(self) -> int: ...

    def barrier(self) -> None: ...

    def gather_objects(self, value: Any) -> list[Any]:
        """The values of all ranks, in rank order, on every rank."""
        ...

    def on_main(self, action: Callable[[], None]) -> None:
        """Does it on rank 0; where it fails there, every rank raises."""


class OneRank:
    """A process without others, and without torch.distributed."""

    rank = 0
    world_size = 1

    def barrier(self) -> None:
        pass

    def gather_objects(self, value: Any) -> list[Any]:
        return [value]

    def on_main(self, action: Callable[[], None]) -> None:
        action()
