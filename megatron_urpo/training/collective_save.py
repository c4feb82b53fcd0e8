"""Megatron's save, where what rank 0 does alone fails on every rank or on none.

dist_checkpointing.save has rank 0 write three small files between its collectives: common.pt,
.metadata and metadata.json. Where one of them cannot be written rank 0 leaves, and the others wait
for it as long as the process group lets them. These are the same steps, with each failure shared.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from megatron.core.dist_checkpointing.core import CheckpointingConfig, save_config
from megatron.core.dist_checkpointing.serialization import _CONTENT_METADATA_KEY
from megatron.core.dist_checkpointing.state_dict_utils import save_preprocess
from megatron.core.dist_checkpointing.strategies.async_utils import AsyncRequest
from megatron.core.dist_checkpointing.strategies.common import COMMON_STATE_FNAME
from megatron.core.dist_checkpointing.strategies.torch import TorchDistSaveShardedStrategy


def plan_save(
    state: dict[str, Any], directory: Path, content_metadata: dict[str, Any]
) -> AsyncRequest:
    """What dist_checkpointing.save(async_sharded_save=True) does and returns; a collective.

    Raises:
        OSError: on all ranks, the one of rank 0.
    """
    sharded, common = save_preprocess({**state, _CONTENT_METADATA_KEY: content_metadata})
    _on_rank_0(partial(_write_common, common, directory / COMMON_STATE_FNAME))
    return _Strategy("torch_dist", 1).async_save(sharded, str(directory))


class _Strategy(TorchDistSaveShardedStrategy):
    """Completes a checkpoint by a step of its own, when all ranks know that all have written."""

    def _get_save_and_finalize_callbacks(self, writer: Any, planned: Any) -> AsyncRequest:
        metadata: list[tuple[Any, ...]] = []
        # Without the writer in it, which would keep itself and its copies of all tensors alive.
        writer.finish = lambda *arguments: metadata.append(arguments)
        request = super()._get_save_and_finalize_callbacks(writer, planned)

        def complete() -> None:
            for arguments in metadata:
                type(writer).finish(writer, *arguments)
            save_config(CheckpointingConfig(self.backend, self.version), writer.checkpoint_dir)

        request.finalize_fns.append(partial(_on_rank_0, complete))
        return request


def _write_common(common: dict[str, Any], path: Path) -> None:
    content = io.BytesIO()  # torch's writer of files does not say why it was refused
    torch.save(common, content)
    path.write_bytes(content.getbuffer())


def _on_rank_0(action: Callable[[], None]) -> None:
    """Does it there; every rank raises the OSError that it ends with."""
    failure: list[OSError | None] = [None]
    if dist.get_rank() == 0:
        try:
            action()
        except OSError as error:
            failure[0] = error
    dist.broadcast_object_list(failure, src=0)
    if failure[0] is not None:
        raise failure[0]
