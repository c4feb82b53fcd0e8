"""Texts go from rank to rank through the host: the engine holds the GPU while they do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.distributed import gather_worker

ROOT = Path(__file__).parents[2]


def test_nothing_is_gathered_through_gpus(tmp_path):
    result = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
            gather_worker.__file__, str(tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    # Every rank has all of them.
    for line in ("items ['of rank 0', 'of rank 1']", "held-out ()", "judged []", "monitored 0"):
        assert result.stdout.count(f"{line}\n") == 2
