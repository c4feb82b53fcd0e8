"""A few layers with the sizes of Qwen3-8B, on one GPU. Skipped, with the reason, without one."""

from pathlib import Path

import pytest
import torch

from benchmarks.fp8 import write_stack
from megatron_urpo.environment import installed_version

LAYERS = 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = None
    if not torch.cuda.is_available():
        reason = "no CUDA device"
    elif installed_version("transformer-engine") is None:
        reason = "Transformer Engine is not installed: make install-gpu"
    if reason is not None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model directory."""
    directory = tmp_path_factory.mktemp("stack")
    write_stack(directory, LAYERS)
    return directory
