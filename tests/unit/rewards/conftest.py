"""The sandbox that tests of code rewards need."""

import shutil

import pytest


@pytest.fixture
def bubblewrap():
    """Skips where there is none; where there is one, it has to work."""
    if shutil.which("bwrap") is None:
        pytest.skip("bwrap is not installed: apt-get install bubblewrap")
