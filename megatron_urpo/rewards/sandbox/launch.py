"""The command line that starts a spawner: in a bubblewrap, or bare where that was asked for."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from megatron_urpo.rewards.sandbox import confine, kernel

BUBBLEWRAP, NONE = "bubblewrap", "none"
_NOBODY = 65534
_PACKAGE = Path(__file__).resolve().parents[2]
# What the spawner imports, below the package; the sandbox holds no other file of ours.
_INSIDE = ("code_tests/names.py", "rewards/sandbox")
_INSIDE_ROOT = "/opt/urpo"
_SYSTEM_DIRECTORIES = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# The loader's index of libraries; what Debian's compilers are links to.
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives")
# No terminals, whose reading waits; no zero, a mapping of which is memory that no process owns.
_DEVICES = ("null", "full", "random", "urandom")
# What the spawner needs to make boxes with. Programs have none of it.
_CAPABILITIES = ("CAP_SYS_ADMIN", "CAP_SETPCAP", "CAP_SETUID", "CAP_SETGID")
_ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "PYTHONHASHSEED": "0",  # the same answer gets the same verdict
    "TMPDIR": "/tmp",
}
_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from megatron_urpo.rewards.sandbox.spawner import main; "
    "del sys.path[0]; main(int(sys.argv[2]), sys.argv[3] == 'bubblewrap')"
)


class SandboxError(RuntimeError):
    """The sandbox cannot be started, or does not do its work."""


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a spawner."""

    arguments: list[str]
    environment: dict[str, str]
    descriptors: tuple[int, ...]  # to be inherited besides the connection


def spawner_command(mode: str, connection: int, resources: ExitStack) -> Command:
    """The command for a mode, `BUBBLEWRAP` or `NONE`.

    Args:
        connection: the spawner's end of the socket.
        resources: closes what the command needs only until it has started.

    Raises:
        SandboxError: there is no bwrap.
    """
    python = [str(_interpreter()), "-sPSB", "-c", _BOOTSTRAP]
    if mode == NONE:
        arguments = [*python, str(_PACKAGE.parent), str(connection), mode]
        return Command(arguments, _ENVIRONMENT, ())
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise SandboxError("bwrap is not installed")
    user, descriptors = _user_arguments(resources)
    arguments = [
        *(bwrap, *user, "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
        *("--unshare-cgroup-try", "--die-with-parent", "--new-session", "--hostname", "sandbox"),
        *(word for name in _CAPABILITIES for word in ("--cap-add", name)),
        *("--clearenv", *_words("--setenv", _ENVIRONMENT)),
        *_file_arguments(),
        *("--proc", "/proc", "--tmpfs", "/dev", "--dir", "/dev/shm"),
        *(word for name in _DEVICES for word in ("--dev-bind", f"/dev/{name}", f"/dev/{name}")),
        *("--symlink", confine.STDIN_FILE, "/dev/stdin", "--dir", "/tmp", "--chdir", "/"),
        *("--remount-ro", "/dev", "--remount-ro", "/"),
        *(*python, _INSIDE_ROOT, str(connection), mode),
    ]
    return Command(arguments, {}, descriptors)


def _words(option: str, values: dict[str, str]) -> list[str]:
    return [word for name, value in values.items() for word in (option, name, value)]


def _interpreter() -> Path:
    """The interpreter itself, not a virtual environment's link to it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    path = Path(sys.base_prefix) / "bin" / version
    return path if path.exists() else Path(sys.executable).resolve()


def _file_arguments() -> list[str]:
    """All files there are inside: the system, the interpreter and our own few, read-only."""
    arguments = ["--ro-bind", "/usr", "/usr"]
    for name in _SYSTEM_DIRECTORIES:
        path = Path(name)
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), name]
        elif path.is_dir():
            arguments += ["--ro-bind", name, name]
    for name in _SYSTEM_FILES:
        arguments += [*_parents(Path(name)), "--ro-bind-try", name, name]
    prefixes = {Path(sys.base_prefix).resolve(), Path(sys.base_exec_prefix).resolve()}
    interpreter = _interpreter().resolve()
    if not any(interpreter.is_relative_to(prefix) for prefix in prefixes):
        prefixes.add(interpreter.parents[1])
    for prefix in sorted(prefixes):
        if not prefix.is_relative_to("/usr"):
            arguments += [*_parents(prefix), "--ro-bind", str(prefix), str(prefix)]
    for name in _INSIDE:
        inside = Path(_INSIDE_ROOT) / _PACKAGE.name / name
        arguments += [*_parents(inside), "--ro-bind", str(_PACKAGE / name), str(inside)]
    return arguments


def _parents(path: Path) -> list[str]:
    """Make the directories above a path, for everybody to pass through."""
    parents = [str(parent) for parent in reversed(path.parents) if parent != Path("/")]
    return [word for parent in parents for word in ("--perms", "0755", "--dir", parent)]


def _user_arguments(resources: ExitStack) -> tuple[list[str], tuple[int, ...]]:
    """How the sandbox gets its user namespace, and the descriptors that takes.

    An ordinary user is the same user inside. Root gets a namespace with a second user, nobody, for
    the programs: root of the machine is exempt from limits even inside a namespace.
    """
    if os.geteuid() == 0:
        try:
            namespace = _namespace_with_nobody()
        except PermissionError:
            pass  # root of a container that has no second user, and is no root of the machine
        else:
            resources.callback(os.close, namespace)
            return ["--userns", str(namespace)], (namespace,)
    return ["--unshare-user", "--uid", "1000", "--gid", "1000"], ()


def _namespace_with_nobody() -> int:
    """A descriptor of a new user namespace that maps root and nobody."""
    ready, tell_ready = os.pipe()
    done, tell_done = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            kernel.unshare(kernel.CLONE_NEWUSER)
            os.write(tell_ready, b"x")
            os.close(tell_done)
            os.read(done, 1)
        finally:
            os._exit(0)
    try:
        os.close(tell_ready)
        if not os.read(ready, 1):
            raise PermissionError("user namespaces are not to be had")
        mapping = f"0 0 1\n{confine.UNPRIVILEGED_ID} {_NOBODY} 1\n"
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{pid}/{name}").write_text(mapping)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    finally:
        for descriptor in (ready, done, tell_done):
            os.close(descriptor)
        os.waitpid(pid, 0)
