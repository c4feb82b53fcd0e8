"""Streams a model's weights in small buckets and records the memory it took.

weight_stream_worker.py MODEL_DIRECTORY OUTPUT_DIRECTORY BUCKET_BYTES...
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from megatron_urpo.config import Config, ModelConfig, TrainingConfig
from megatron_urpo.model_shape import read_model_shape
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.hf_weights import load_hf_weights
from megatron_urpo.training.model import build_model
from megatron_urpo.training.weight_stream import stream_hf_weights
from tests.distributed.next_layout import leave_layout

TENSOR = {"tensor_model_parallel_size": 2}
PIPELINE = {"pipeline_model_parallel_size": 2}
# Of four ranks: the first two have a copy of the model on each half of them.
LAYOUTS: dict[str, dict[str, Any]] = {
    "tensor": TENSOR,
    "virtual": PIPELINE | {"virtual_pipeline_model_parallel_size": 2},
    "tensor_pipeline": TENSOR | PIPELINE,
}


class LiveMemory(TorchDispatchMode):
    """Counts the bytes of all storages made within it that are still alive."""

    def __init__(self) -> None:
        super().__init__()
        self.peak_bytes = 0
        self._live: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        before = {tensor.untyped_storage()._cdata for tensor in tensors_in((args, kwargs))}
        result = function(*args, **(kwargs or {}))
        for tensor in tensors_in(result):
            storage = tensor.untyped_storage()
            if storage._cdata not in before:
                self._live[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        if self._alive_bytes() > self.peak_bytes:
            time.sleep(0.02)  # gloo's threads let go of a collective's tensors after it has ended
            self.peak_bytes = max(self.peak_bytes, self._alive_bytes())
        return result

    def _alive_bytes(self) -> int:
        self._live = {key: entry for key, entry in self._live.items() if not entry[0].expired()}
        return sum(size for _, size in self._live.values())


def tensors_in(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def measure(directory: Path, layout: dict[str, Any], bucket_bytes: int) -> dict[str, Any]:
    config = Config(
        model=ModelConfig(path=str(directory), params_dtype="float32"),
        training=TrainingConfig(**layout),
    )
    parallel = parallelism.initialize(config)
    shape = read_model_shape(directory)
    chunks = build_model(shape, config, parallel)
    load_hf_weights(chunks, directory, shape, parallel)
    expected = load_file(directory / "model.safetensors")
    names = []
    with LiveMemory() as memory:
        for name, tensor in stream_hf_weights(chunks, shape, parallel, bucket_bytes):
            assert torch.equal(tensor, expected[name]), name
            names.append(name)
    leave_layout()
    return {"peak": memory.peak_bytes, "names": names}


def main() -> None:
    directory, output = (Path(argument) for argument in sys.argv[1:3])
    torch.set_num_threads(1)
    results = {
        f"{name} {bucket_bytes}": measure(directory, layout, int(bucket_bytes))
        for name, layout in LAYOUTS.items()
        for bucket_bytes in sys.argv[3:]
    }
    rank = torch.distributed.get_rank()
    (output / f"{rank}.json").write_text(json.dumps(results))
    parallelism.shutdown()


if __name__ == "__main__":
    main()
