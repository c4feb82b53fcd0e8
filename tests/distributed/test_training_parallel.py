"""Two ranks compute what one computes, under data, tensor and pipeline parallelism."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.distributed import training_worker
from tests.small_models import write_small_model

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["llama_tied", "qwen2"])
def results(request, tmp_path_factory):
    """Results by layout and rank: of one rank alone, and of both ranks of every layout of two."""
    directory = tmp_path_factory.mktemp("parallel")
    model = write_small_model(request.param, directory / "model")
    worker = [training_worker.__file__, str(model), str(directory / "checkpoint"), str(directory)]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    for launcher in ([], torchrun):
        subprocess.run(
            [sys.executable, *launcher, *worker],
            check=True,
            timeout=240,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
    files = directory.glob("*-?.pt")
    return {file.stem: torch.load(file, weights_only=False) for file in files}


PLACES = [f"{layout}-{rank}" for layout in training_worker.LAYOUTS for rank in range(2)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("prefix", ["", "resumed_"])
def test_two_ranks_agree_with_one(results, place, prefix):
    expected, mine = results["alone-0"], results[place]
    for one, two in zip(expected[f"{prefix}statistics"], mine[f"{prefix}statistics"], strict=True):
        assert two.loss == pytest.approx(one.loss, abs=1e-5)
        assert two.grad_norm == pytest.approx(one.grad_norm, rel=1e-4)
        assert two.by_kind.keys() == one.by_kind.keys()
        for kind, statistics in one.by_kind.items():
            assert two.by_kind[kind].tokens == statistics.tokens
            assert two.by_kind[kind].entropy == pytest.approx(statistics.entropy, rel=1e-5)
            assert two.by_kind[kind].ratio == pytest.approx(statistics.ratio, rel=1e-4)
    assert mine[f"{prefix}weights"].keys() == expected[f"{prefix}weights"].keys()
    for name, tensor in expected[f"{prefix}weights"].items():
        torch.testing.assert_close(mine[f"{prefix}weights"][name], tensor, rtol=0, atol=2e-5)


def test_the_layout_of_data_parallelism_is_the_hard_one(results):
    ranks = [results[f"data-{rank}"]["micro_batches"] for rank in range(2)]
    assert sorted(sum(counts) for counts, _ in ranks) == [0, 15]  # one rank has a filler only
    (_, one), (_, other) = ranks
    assert len(one) == len(other)
    assert sum(one) != sum(other)
