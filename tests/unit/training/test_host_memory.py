import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from megatron_urpo.training.host_memory import exempt_living_objects

# Blocks so small that glibc takes them from its heap, where the last one keeps all others.
PROGRAM = """
import re
from megatron_urpo.training.host_memory import release_freed_memory

def resident():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmRSS:\\s+(\\d+)", status.read())[1]) / 1024

blocks = [bytearray(b"x" * 65536) for _ in range(6000)]
del blocks[:-1]
kept = resident()
release_freed_memory()
print(kept - resident())
"""


def test_gaps_below_a_block_in_use_go_back_to_the_system():
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(result.stdout) > 300  # MiB, of 375


class Node:
    """Garbage that only a collection finds: it holds itself."""

    def __init__(self):
        self.me = self


@pytest.fixture
def unfrozen():
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_objects_of_now_are_not_looked_at_again_and_later_garbage_is_found(unfrozen):
    earlier, living = weakref.ref(Node()), Node()
    exempt_living_objects()
    assert earlier() is None
    assert not any(found is living for found in gc.get_objects())
    frozen = gc.get_freeze_count()
    later = weakref.ref(Node())
    exempt_living_objects()
    assert later() is not None
    assert gc.get_freeze_count() <= frozen
    gc.collect()
    assert later() is None
