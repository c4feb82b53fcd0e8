"""The stream of weights holds a few buckets at a time, however large the model is."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.distributed import weight_stream_worker
from tests.small_models import write_small_model

ROOT = Path(__file__).parents[2]
BUCKET_BYTES = 400_000
RANKS = 4
# Smaller than every matrix: each is a bucket of its own then, as an embedding of gigabytes is.
SMALL_BUCKET_BYTES = 60_000


@pytest.fixture(scope="module")
def streamed(tmp_path_factory):
    """Sizes of the model's tensors in bytes, and what all ranks recorded."""
    directory = tmp_path_factory.mktemp("stream")
    sizes = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 12}
    model = write_small_model("qwen2", directory / "model", **sizes)
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={RANKS}"]
    buckets = [str(BUCKET_BYTES), str(SMALL_BUCKET_BYTES)]
    worker = [weight_stream_worker.__file__, str(model), str(directory), *buckets]
    subprocess.run(
        [sys.executable, *torchrun, *worker],
        check=True,
        timeout=240,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    tensors = load_file(model / "model.safetensors")
    return (
        {name: math.prod(tensor.shape) * 4 for name, tensor in tensors.items()},
        [json.loads((directory / f"{rank}.json").read_text()) for rank in range(RANKS)],
    )


@pytest.mark.parametrize("layout", weight_stream_worker.LAYOUTS)
def test_peak_memory_is_bounded_by_the_bucket(streamed, layout):
    sizes, ranks = streamed
    assert sum(sizes.values()) > 10 * BUCKET_BYTES
    assert max(sizes.values()) < BUCKET_BYTES
    for rank in ranks:
        result = rank[f"{layout} {BUCKET_BYTES}"]
        assert sorted(result["names"]) == sorted(sizes)
        assert BUCKET_BYTES / 2 < result["peak"] <= 3 * BUCKET_BYTES


@pytest.mark.parametrize("layout", weight_stream_worker.LAYOUTS)
def test_peak_memory_is_bounded_by_the_largest_parameter(streamed, layout):
    sizes, ranks = streamed
    gate_and_up = 2 * sizes["model.layers.0.mlp.up_proj.weight"]  # one parameter of Megatron's
    largest = max(gate_and_up, sizes["model.embed_tokens.weight"])
    assert largest > 4 * SMALL_BUCKET_BYTES
    for rank in ranks:
        result = rank[f"{layout} {SMALL_BUCKET_BYTES}"]
        assert sorted(result["names"]) == sorted(sizes)
        assert largest / 2 < result["peak"] <= 3 * largest
