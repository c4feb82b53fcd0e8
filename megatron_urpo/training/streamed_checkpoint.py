"""Megatron's distributed checkpoint, written and read a tensor at a time.

Megatron saves tensors that are in memory. Here a model on the meta device says which tensors there
are and where each belongs, and a tensor is made when its turn to be written comes; so a model of
any size passes through the memory of one parameter. What lies on disk is Megatron's own format: it
loads with `dist_checkpointing.load` at any layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from megatron.core import dist_checkpointing
from megatron.core.dist_checkpointing.core import CheckpointingException
from megatron.core.dist_checkpointing.mapping import ShardedStateDict, ShardedTensor
from megatron.core.dist_checkpointing.strategies.base import SaveShardedStrategy
from megatron.core.dist_checkpointing.strategies.torch import (
    MCoreSavePlanner,
    _replace_state_dict_keys_with_sharded_keys,
    mcore_to_pyt_state_dict,
)
from torch import Tensor
from torch.distributed import checkpoint as torch_checkpoint
from torch.distributed.checkpoint import CheckpointException
from torch.distributed.checkpoint.planner import WriteItem

from megatron_urpo.types import RunError


class StreamedSave(SaveShardedStrategy):
    """For dist_checkpointing.save: tensors on the meta device are made as they are written."""

    def __init__(self, sources: list[Tensor], make: Callable[[int], Tensor]) -> None:
        """
        Args:
            sources: the meta tensors that the state dict was built from, each with a storage of
                its own.
            make: the real tensor for the source of this number, in its shape and dtype.
        """
        super().__init__("torch_dist", 1)
        self._planner = _MakingPlanner(sources, make)

    def save(self, sharded_state_dict: ShardedStateDict, checkpoint_dir: str | Path) -> None:
        """Writes this rank's part; a collective."""
        by_key, _, _ = _replace_state_dict_keys_with_sharded_keys(sharded_state_dict, True)
        torch_checkpoint.save(
            mcore_to_pyt_state_dict(by_key),
            # Nothing ahead of its turn: that would be for copies from a GPU.
            storage_writer=torch_checkpoint.FileSystemWriter(
                checkpoint_dir, per_thread_copy_ahead=0
            ),
            planner=self._planner,
        )

    @property
    def can_handle_sharded_objects(self) -> bool:
        return True


class _MakingPlanner(MCoreSavePlanner):
    """Looks up meta tensors as any planner would, then hands out real ones."""

    def __init__(self, sources: list[Tensor], make: Callable[[int], Tensor]) -> None:
        super().__init__(dedup_replicated_tensors=False, flatten_state_dict=False)
        # A view shares the storage of what it views, on the meta device as elsewhere.
        self._number_of = {_storage(source): number for number, source in enumerate(sources)}
        self._make = make
        # Megatron cuts a parameter into pieces that follow one another: made once for all.
        self._latest: tuple[int, Tensor] | None = None

    def resolve_data(self, write_item: WriteItem) -> Any:
        data = super().resolve_data(write_item)
        if not isinstance(data, Tensor):
            return data
        number = self._number_of[_storage(data)]
        if self._latest is None or self._latest[0] != number:
            self._latest = None  # before the next one is made, not after
            self._latest = number, self._make(number).contiguous()
        return self._latest[1].as_strided(data.shape, data.stride(), data.storage_offset())


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


class CheckpointReader:
    """Tensors of a distributed checkpoint by their keys, whole or one layer of a stack."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)
        self._described = dist_checkpointing.load_tensors_metadata(self._directory)

    def __contains__(self, key: str) -> bool:
        return key in self._described

    def read(self, key: str, layer: int | None = None) -> Tensor:
        """The tensor of a key; of one layer where Megatron stacks all layers under a key.

        Raises:
            RunError: the checkpoint was deleted meanwhile.
        """
        described = self._described[key]
        size, offset = list(described.global_shape), []
        if layer is not None:
            offset = [(0, layer, size[0])]
            size[0] = 1
        data = torch.empty(size, dtype=described.dtype)
        wanted = ShardedTensor.from_rank_offsets(key, data, *offset)
        with _explained_deletion(self._directory):
            loaded = dist_checkpointing.load(
                {"tensor": wanted}, self._directory, validate_access_integrity=False
            )
        return loaded["tensor"] if layer is None else loaded["tensor"][0]


@contextmanager
def _explained_deletion(directory: str) -> Iterator[None]:
    """A run that goes on deletes its older checkpoints, also one that is being read."""
    try:
        yield
    except (CheckpointingException, CheckpointException, OSError) as error:
        if Path(directory).is_dir():
            raise
        raise RunError(
            f"{directory} was deleted while it was read: a run keeps its newest "
            "checkpoint.keep_last; start again, or read one that checkpoint.keep_every keeps"
        ) from error
