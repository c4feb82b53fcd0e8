"""Rollouts on two ranks: an engine each, and one engine over both."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = "tests.end_to_end.rollout_two_ranks_worker"
REPOSITORY = Path(__file__).resolve().parents[2]


def launch(directory, tensor_parallel_size):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += [f"--master-port={port}", "-m", WORKER, str(directory), str(tensor_parallel_size)]
    result = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr[-4000:]
    return [json.loads((directory / f"rank{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize(
    "tensor_parallel_size",
    [
        pytest.param(1, id="two engines"),
        # Engines of two ranks sample in a run of test_layouts.py as well.
        pytest.param(2, id="one engine", marks=pytest.mark.slow),
    ],
)
def test_every_rank_ends_with_the_whole_batch(tmp_path, tensor_parallel_size):
    first, second = launch(tmp_path, tensor_parallel_size)
    assert first["gathered"] == second["gathered"]
    assert [group["index"] for group in first["gathered"]] == list(range(5))
    assert {version for group in first["gathered"] for version in group["versions"]} == {3}
    assert first["greedy_agrees"], "greedy output differs from transformers'"
    assert second["greedy_agrees"], "greedy output differs from transformers'"
    assert max(first["mismatch"], second["mismatch"]) < 1e-3
    if tensor_parallel_size == 1:
        assert sorted(first["own"] + second["own"]) == list(range(5))
        assert first["own"]
        assert second["own"]
    else:
        assert first["own"] == second["own"] == list(range(5))
        assert first["sampled"] == second["sampled"], "the ranks of one engine fell out of step"
