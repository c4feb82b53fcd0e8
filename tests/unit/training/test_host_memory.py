import subprocess
import sys
from pathlib import Path

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
