"""The launch files start real ranks, or say what to type."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def launch(directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a launch file where there is no model."""
    (directory / "examples").symlink_to(ROOT / "examples")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=directory,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.parametrize("program", ["bash", "torchrun"])
def test_one_command_starts_all_ranks(program, tmp_path):
    result = launch(
        tmp_path, program, "examples/run_urpo_qwen7b.sh", "--nproc-per-node=2",
        "--training.tensor_model_parallel_size=2",
    )  # fmt: skip
    assert ("starting all 2 of this machine" in result.stdout) == (program == "torchrun")
    assert "model.path = 'models/Qwen2.5-7B' is no directory" in result.stderr
    if program == "bash":
        assert result.returncode == 2  # of the rank; torchrun's own program says 1 for all


def test_too_few_nodes_are_refused_with_the_command_to_type(tmp_path):
    result = launch(tmp_path, "bash", "examples/run_urpo_qwen72b.sh", "--nproc-per-node=8")
    assert result.returncode == 2
    assert "python -m megatron_urpo.launch: 8 ranks cannot hold" in result.stderr
    assert "    sbatch --nodes=4 examples/run_urpo_qwen72b.sh\n" in result.stderr
    assert "torchrun --nnodes=4 --nproc-per-node=8" in result.stderr
    assert "Traceback" not in result.stderr
