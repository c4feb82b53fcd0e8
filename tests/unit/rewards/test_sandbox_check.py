"""The check at the start: it holds for this sandbox, and finds the holes of others."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from megatron_urpo.config import RewardsConfig
from megatron_urpo.rewards import sandbox_check
from megatron_urpo.rewards.sandbox import launch
from megatron_urpo.rewards.sandbox_check import (
    SandboxReport,
    SandboxUnavailableError,
    break_out,
    ensure_sandbox,
    examine_sandbox,
)


def test_every_attempt_fails(bubblewrap):
    assert examine_sandbox(RewardsConfig()) == SandboxReport("", (), True)
    (note,) = ensure_sandbox(RewardsConfig(), is_needed=True)
    assert "run in bubblewrap; every attempt to leave failed" in note


def test_running_without_protection_is_said():
    (note,) = ensure_sandbox(RewardsConfig(sandbox="none"), is_needed=True)
    assert "WITHOUT PROTECTION" in note


def test_without_tests_nothing_is_asked_for(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert ensure_sandbox(RewardsConfig(), is_needed=False) == []


def test_a_machine_without_bubblewrap_is_refused(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxUnavailableError, match="bwrap is not installed. apt-get install"):
        ensure_sandbox(RewardsConfig(), is_needed=True)


def test_a_bubblewrap_that_does_not_work_is_refused_in_its_own_words(monkeypatch, tmp_path):
    bwrap = tmp_path / "bwrap"
    bwrap.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxUnavailableError, match="uid map: Permission denied.*unprivileged"):
        ensure_sandbox(RewardsConfig(), is_needed=True)


@pytest.fixture
def directory():
    """Open to every user, and not in /tmp, of which a box has its own."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        os.chmod(name, 0o777)
        yield Path(name)


def examined(monkeypatch, directory, change):
    """What the check finds in a sandbox whose command line was changed."""
    real = launch.spawner_command

    def changed(mode, connection, resources):
        command = real(mode, connection, resources)
        return launch.Command(change(command.arguments), command.environment, command.descriptors)

    monkeypatch.setattr("megatron_urpo.rewards.sandbox.box.spawner_command", changed)
    limits = sandbox_check.asdict(sandbox_check.limits_of_test(RewardsConfig()))
    (directory / "secret").write_text("secret")
    job = {
        "mode": "bubblewrap",
        "limits": limits,
        "home": str(directory),
        "directory": str(directory),
    }
    found = break_out(job)
    assert found["problem"] == ""
    return found["holes"]


def test_holes_are_found(bubblewrap, monkeypatch, directory):
    """Each of these sandboxes has one thing that ours has not."""
    place = str(directory)

    def bind(arguments):
        # Before the option that makes everything read-only.
        at = arguments.index("--proc")
        way = ["--perms", "0755", "--dir", "/var", "--perms", "0755", "--dir", "/var/tmp"]
        return [*arguments[:at], *way, "--bind", place, place, *arguments[at:]]

    def environment(arguments):
        at = arguments.index("--clearenv") + 1
        return [*arguments[:at], "--setenv", "SECRET", "1", *arguments[at:]]

    def passwd(arguments):
        at = arguments.index("--proc")
        return [*arguments[:at], "--ro-bind", "/etc/passwd", "/etc/passwd", *arguments[at:]]

    assert examined(monkeypatch, directory, bind) == [
        f"could write into {place}",
        f"could read {place}",
        f"could read {place}",
    ]
    assert examined(monkeypatch, directory, environment) == ["could see environment variables"]
    assert examined(monkeypatch, directory, passwd) == ["could read /etc/passwd"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_has_the_same_sandbox(bubblewrap, directory):
    """As nobody, with the system's interpreter and a copy of the package that all may read."""
    python = shutil.which("python3", path="/usr/bin:/bin:/usr/local/bin")
    if python is None:
        pytest.skip("no interpreter of the system, which every user could start")
    package = Path(sandbox_check.__file__).parents[1]
    shutil.copytree(package, directory / "megatron_urpo", ignore=shutil.ignore_patterns("*.so"))
    program = (
        f"import sys; sys.path.insert(0, {str(directory)!r})\n"
        "from dataclasses import asdict\n"
        "from megatron_urpo.rewards.sandbox import box, confine, programs, probe\n"
        "import json, os\n"
        "limits = confine.Limits(8.0, 8.0, 80.0, 512 << 20, 4 << 20, 16)\n"
        "sandbox = box.Sandbox('bubblewrap')\n"
        "given = {'home': '/root', 'directory': %r, 'interpreter': sys.base_prefix,\n"
        "    'memory_bytes': limits.memory_bytes, 'scratch_bytes': limits.scratch_bytes}\n"
        "code = box.document(open(probe.__file__, 'rb').read())\n"
        "stdin = box.document(json.dumps(given).encode())\n"
        "receive, send = os.pipe()\n"
        "files = {programs.STDIN: stdin, programs.DOCUMENT: code, programs.STDOUT: send}\n"
        "number = sandbox.start('program', files, limits, 0)\n"
        "os.close(send)\n"
        "capture = box.Capture(number, receive, 1 << 16)\n"
        "report = sandbox.wait([number], limits, [capture])[number]\n"
        "print(report.exit_code, capture.data.decode())\n"
        "print(os.getuid())\n"
        "sandbox.close()\n"
    ) % str(directory)
    result = subprocess.run(
        [python, "-B", "-c", program],
        user=65534,
        group=65534,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.stdout.split() == ["0", "[]", "65534"], result.stderr
