"""The command lines that start a spawner."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from megatron_urpo.rewards.sandbox.launch import BUBBLEWRAP, NONE, SandboxError, spawner_command


def options(arguments, name):
    """What follows each occurrence of an option."""
    return [arguments[i + 1] for i, word in enumerate(arguments) if word == name]


def test_everything_is_bound_read_only_and_nothing_of_the_user(bubblewrap):
    with ExitStack() as resources:
        arguments = spawner_command(BUBBLEWRAP, 9, resources).arguments
    assert not {"--bind", "--share-net", "--bind-try", "--dev"} & set(arguments)
    devices = {f"/dev/{name}" for name in ("null", "full", "random", "urandom")}
    assert set(options(arguments, "--dev-bind")) == devices
    bound = {Path(path) for path in options(arguments, "--ro-bind")}
    home = Path(os.path.expanduser("~"))
    assert not {path for path in bound if home.is_relative_to(path)}
    assert {"--unshare-pid", "--unshare-net", "--unshare-ipc", "--clearenv"} <= set(arguments)
    assert {"--die-with-parent", "--new-session"} <= set(arguments)
    assert options(arguments, "--remount-ro")[-1] == "/"


def test_root_brings_a_namespace_with_a_second_user(bubblewrap):
    """The descriptor is of a user namespace that is not ours, and is closed afterwards."""
    with ExitStack() as resources:
        command = spawner_command(BUBBLEWRAP, 9, resources)
        if os.geteuid() != 0:
            assert "--unshare-user" in command.arguments
            assert command.descriptors == ()
            return
        (namespace,) = command.descriptors
        assert options(command.arguments, "--userns") == [str(namespace)]
        other = os.readlink(f"/proc/self/fd/{namespace}")
        assert other.startswith("user:")
        assert other != os.readlink("/proc/self/ns/user")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(namespace)


def test_without_bubblewrap(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with ExitStack() as resources:
        with pytest.raises(SandboxError, match="bwrap is not installed"):
            spawner_command(BUBBLEWRAP, 9, resources)
        command = spawner_command(NONE, 9, resources)
    assert command.arguments[-2:] == ["9", "none"]
    assert "SECRET" not in command.environment and "HOME" in command.environment
