"""The memory model against what torch's allocator counts on two ranks, under every parallelism."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import measured_memory
from tests.measured_memory import TWO_RANKS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """By case, what each rank found."""
    directory = tmp_path_factory.mktemp("memory")
    for name, case in TWO_RANKS.items():
        case.write_model(directory / name)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run(
        [sys.executable, *launcher, measured_memory.__file__, str(directory), *TWO_RANKS],
        check=True,
        timeout=400,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    return {
        name: [json.loads((directory / f"{name}-{rank}.json").read_text()) for rank in range(2)]
        for name in TWO_RANKS
    }


@pytest.mark.parametrize("name", TWO_RANKS)
def test_every_component_of_the_largest_rank_within_ten_percent(ranks, name):
    for component in ranks[name][0]:
        measured, predicted = (max(rank[component][k] for rank in ranks[name]) for k in range(2))
        assert predicted == pytest.approx(measured, rel=0.1), component
