"""What a start refuses before it reads weights."""

import pytest
import torch

from megatron_urpo import build
from megatron_urpo.config import Config, ConfigError, RolloutConfig, WeightSyncConfig
from megatron_urpo.device import DeviceFacts
from megatron_urpo.training.platform import Platform


@pytest.mark.parametrize("open_run", [build.open_trainer, build.open_probe, build.open_inference])
def test_an_engine_in_fp8_is_refused_on_a_gpu_without(open_run, monkeypatch):
    def unreadable(*arguments, **named):
        raise AssertionError("weights were to be read")

    for name in ("open_policy", "open_model_files", "VLLMEngine"):
        monkeypatch.setattr(build, name, unreadable)
    for name in ("load_inputs", "load_encoder", "load_held_out", "load_probe_tasks"):
        monkeypatch.setattr(build, name, lambda *arguments: None)
    monkeypatch.setattr(build, "check_judge_prompt", lambda *arguments: None)
    ampere = Platform(torch.device("cuda"), "nccl", DeviceFacts(compute_capability=(8, 0)))
    monkeypatch.setattr(build, "detect", lambda launch: ampere)
    config = Config(
        rollout=RolloutConfig(quantization="fp8"), weight_sync=WeightSyncConfig(verify="never")
    )
    refused = pytest.raises(ConfigError, match=r"needs compute capability 8\.9, this GPU has 8\.0")
    with refused, open_run(config):
        pass
