"""The cluster of the session, and a submitted run."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, is_installed
from tools.unpack_smollm2 import unpack

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if not is_installed():
        pytest.fail("Slurm is not installed: run tests/slurm/install.sh, as `make slurm-test` does")
    unpack()
    # A socket's path is short, and pytest's own directories are not.
    with tempfile.TemporaryDirectory(prefix="slurm-") as directory:
        variables = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "OMP_NUM_THREADS": "1",
        }
        cluster = Cluster(Path(directory), variables)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
