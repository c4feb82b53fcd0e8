"""Settings of all tests, and real data where there is some."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The time an example takes depends on what else the machine does.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")


@pytest.fixture(scope="session")
def real_data():
    directory = os.environ.get("URPO_TEST_DATA")
    if not directory:
        pytest.skip("URPO_TEST_DATA names no directory with the public data sets (docs/data.md)")
    return Path(directory)
