import os

import pytest

from megatron_urpo.main_memory import available_memory, total_memory

GIB = 1 << 30


@pytest.mark.parametrize(
    ("limit", "used", "available", "total"),
    [
        ("max\n", "0\n", 8, 16),
        (f"{4 * GIB}\n", f"{GIB}\n", 3, 4),
        (f"{12 * GIB}\n", f"{GIB}\n", 8, 12),
        (f"{64 * GIB}\n", "0", 8, 16),
        (None, None, 8, 16),
    ],
)
def test_a_container_limits_it(limit, used, available, total):
    sizes = {"MemTotal": 16, "MemFree": 1, "MemAvailable": 8}
    lines = [f"{name}: {size * GIB // 1024} kB\n" for name, size in sizes.items()]
    files = {"meminfo": "".join(lines), "memory.max": limit, "memory.current": used}

    def read(path):
        if files[path.name] is None:
            raise FileNotFoundError(path)
        return files[path.name]

    assert available_memory(read) == available * GIB
    assert total_memory(read) == total * GIB


def test_of_this_machine():
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert available_memory() <= total_memory() <= machine
