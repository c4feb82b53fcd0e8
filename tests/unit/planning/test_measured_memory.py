"""The memory model against what torch's allocator counts, on configurations it was not made with.

tests/distributed/test_measured_memory.py has those of two ranks.
"""

import pytest
import torch

from megatron_urpo.training import parallel as parallelism
from tests.measured_memory import ONE_RANK, compare


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    parallelism.shutdown()
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ONE_RANK)
def test_every_component_within_ten_percent(name, tmp_path):
    case = ONE_RANK[name]
    for component, (measured, predicted) in compare(case, case.write_model(tmp_path)).items():
        assert predicted == pytest.approx(measured, rel=0.1), component
