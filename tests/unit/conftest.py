"""Real data, where there is some."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data():
    directory = os.environ.get("URPO_TEST_DATA")
    if not directory:
        pytest.skip("URPO_TEST_DATA names no directory with the public data sets (docs/data.md)")
    return Path(directory)
