"""Pretrained weights on three tensor-parallel ranks, which is what SmolLM2's nine heads allow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.distributed import smollm2_worker
from tools.unpack_smollm2 import unpack

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What one rank recorded, and what each of three did."""
    directory = tmp_path_factory.mktemp("smollm2")
    for world in (1, 3):
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
        worker = [smollm2_worker.__file__, str(unpack()), str(directory)]
        subprocess.run(
            [sys.executable, *(launcher if world > 1 else ()), *worker],
            check=True,
            timeout=900,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
    (directory / "alone.safetensors").unlink()
    return [
        [torch.load(directory / f"{world}-{rank}.pt", weights_only=False) for rank in range(world)]
        for world in (1, 3)
    ]


def test_scores_and_statistics_agree(results):
    (alone,), ranks = results
    for mine in ranks:
        assert mine["scores"].keys() == alone["scores"].keys()
        for key, (logprobs, entropy) in alone["scores"].items():
            np.testing.assert_allclose(mine["scores"][key][0], logprobs, rtol=1e-5, atol=3e-5)
            np.testing.assert_allclose(mine["scores"][key][1], entropy, rtol=1e-5, atol=3e-5)
        for one, two in zip(alone["statistics"], mine["statistics"], strict=True):
            assert two.loss == pytest.approx(one.loss, rel=1e-5, abs=1e-6)
            assert two.grad_norm == pytest.approx(one.grad_norm, rel=1e-5)
            for kind, statistics in one.by_kind.items():
                assert two.by_kind[kind].tokens == statistics.tokens
                assert two.by_kind[kind].reference_kl == pytest.approx(
                    statistics.reference_kl, rel=1e-4, abs=1e-7
                )
        assert alone["statistics"][-1].grad_norm > 0


def test_weights_change_alike(results):
    for mine in results[1]:
        distance, change = np.sum(list(mine["distances"].values()), axis=0)
        assert change > 0
        assert (distance / change) ** 0.5 < 1e-4
