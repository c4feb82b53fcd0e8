import os

import pytest
import torch

from megatron_urpo.config import Config, ConfigError, TrainingConfig
from megatron_urpo.device import DeviceFacts
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.platform import (
    Platform,
    cuda_type_names,
    use_deterministic_algorithms,
)

CPU = Platform(torch.device("cpu"), "gloo")
CUDA = Platform(torch.device("cuda", 0), "nccl", DeviceFacts((9, 0), (13, 0), (2, 11)))


def test_other_libraries_see_the_real_torch(parallel):
    if parallel.platform.is_cuda:
        pytest.skip("nothing is patched with a GPU")
    assert torch.tensor.__module__ != "megatron_urpo.training.platform"
    with pytest.raises((AssertionError, RuntimeError)):  # torch itself still knows no CUDA here
        torch.zeros(1, device="cuda")
    assert torch.zeros(1).type() == "torch.FloatTensor"
    assert not torch.cuda.is_available()


def test_cuda_type_names_last_as_long_as_the_context():
    with cuda_type_names(CPU):
        assert torch.zeros(1).type() == "torch.cuda.FloatTensor"
        assert torch.zeros(1).type(torch.int64).dtype == torch.int64
    assert torch.zeros(1).type() == "torch.FloatTensor"


def test_transformer_impl_follows_the_device():
    assert CPU.transformer_impl("auto") == CPU.transformer_impl("local") == "local"
    assert CUDA.transformer_impl("auto") == "transformer_engine"
    with pytest.raises(ConfigError, match="needs a CUDA device"):
        CPU.transformer_impl("transformer_engine")
    with pytest.raises(ConfigError, match="'local' computes attention with the CPU's kernels"):
        CUDA.transformer_impl("local")
    without = Platform(CUDA.device, "nccl", DeviceFacts((9, 0), (13, 0)))
    with pytest.raises(ConfigError, match="needs Transformer Engine, which is not installed"):
        without.transformer_impl("auto")


def test_determinism_reaches_the_libraries_of_a_gpu(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setenv("NVTE_ALLOW_NONDETERMINISTIC_ALGO", "1")
    try:
        use_deterministic_algorithms(CUDA)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert os.environ["NVTE_ALLOW_NONDETERMINISTIC_ALGO"] == "0"


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"tensor_model_parallel_size": 2}, "1 ranks cannot hold .* a multiple of 2 ranks"),
        ({"context_parallel_size": 1, "pipeline_model_parallel_size": 3}, "multiple of 3 ranks"),
    ],
)
def test_layouts_need_enough_ranks(layout, message):
    with pytest.raises(ConfigError, match=message):
        parallelism.initialize(Config(training=TrainingConfig(**layout)))
