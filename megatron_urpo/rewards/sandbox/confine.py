"""Taking rights away: what a box may see, use and do.

Two processes set a box up. Its init, the first process of its pid namespace, keeps its rights, runs
nothing but our code and cannot be traced; it makes the mounts, forks the program and waits for it.
The program's process then gives up its own rights, for good, before it runs anything.
"""

from __future__ import annotations

import os
import platform
import re
import resource
import signal
from dataclasses import dataclass
from typing import Any

from megatron_urpo.rewards.sandbox import kernel, seccomp

SCRATCH = "/tmp"
STDIN_FILE = "/proc/stdin"  # where /dev/stdin leads
# Of a root that was given a user namespace with a second user: see box.
UNPRIVILEGED_ID = 1
_NICENESS = 5  # the engine and the watcher go before
_OPEN_FILES = 64  # a socket holds up to 208 KiB that no limit counts
# The worker that started the spawner ignores them, and passes that on.
_INHERITED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_STACK_BYTES = 64 << 20
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# The kernel counts processes by user and user namespace from this release on.
_PROCESS_COUNT_RELEASE = (5, 14)
_SPAWNER_PROCESSES = 8  # ours, which count with the program's where both have one user


@dataclass(frozen=True, slots=True)
class Limits:
    """What a box may use. Seconds of CPU time and of waiting are counted over all its processes."""

    cpu_seconds: float
    idle_seconds: float  # in which none of its processes wants to run
    wall_seconds: float  # a busy machine may take so long; one at leisure does not
    memory_bytes: int  # address space of each process, and memory of all together
    scratch_bytes: int  # of all files together
    processes: int  # threads counted
    # CPU time and waiting of all tests, of boxes that run together, where several run in a box one
    # after another: the seconds above are then each test's. None: there is one.
    program_seconds: float | None = None

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Limits:
        """The inverse of dataclasses.asdict."""
        return cls(**record)


@dataclass(frozen=True, slots=True)
class Machine:
    """What the spawner found out once, for all boxes."""

    isolated: bool  # in a bubblewrap, with the right to make namespaces
    seccomp_filter: bytes
    counts_processes: bool  # of the boxes only, not all those of the user

    @classmethod
    def examine(cls, isolated: bool) -> Machine:
        """Raises OSError where the machine is none that the sandbox knows."""
        seccomp_filter = seccomp.build_filter(platform.machine())
        release = re.match(r"(\d+)\.(\d+)", os.uname().release)
        assert release is not None
        counts = (int(release[1]), int(release[2])) >= _PROCESS_COUNT_RELEASE
        return cls(isolated, seccomp_filter, isolated and counts)

    @property
    def namespaces(self) -> int:
        """Flags of what a box gets for itself; the network it never had."""
        if not self.isolated:
            return 0
        return kernel.CLONE_NEWPID | kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC


def prepare_spawner(machine: Machine) -> None:
    """Do once what all boxes inherit."""
    if machine.isolated:
        # It keeps the capabilities it has, but nothing started from here on gains any.
        kernel.drop_bounding_set()


def prepare_init(machine: Machine, limits: Limits, stdin: int | None) -> None:
    """Make the box's own view of files, as its init.

    Args:
        stdin: descriptor of the file that the program reads; None: there is none.
    """
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if not machine.isolated:
        _end_with_parent()
        return
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE, None)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    size = f"size={limits.scratch_bytes},nr_inodes=4096,mode=1777"
    kernel.mount("scratch", SCRATCH, "tmpfs", flags, size)
    kernel.mount(SCRATCH, "/dev/shm", None, kernel.MS_BIND, None)
    _hide_processes(flags | kernel.MS_NOEXEC, stdin)


def _hide_processes(flags: int, stdin: int | None) -> None:
    """Cover /proc, and put a copy of standard input there: the kernel shows the file itself only
    where it shows processes."""
    read_only = flags | kernel.MS_RDONLY
    if stdin is None:
        kernel.mount("nothing", "/proc", "tmpfs", read_only, "size=4k,nr_inodes=1")
        return
    size = os.fstat(stdin).st_size
    options = f"size={size + _PAGE_BYTES},nr_inodes=2"
    kernel.mount("input", "/proc", "tmpfs", flags, options)
    copy = os.open(STDIN_FILE, os.O_WRONLY | os.O_CREAT, 0o444)
    sent = 0
    while sent < size:
        sent += os.sendfile(copy, stdin, sent, size - sent)
    os.close(copy)
    kernel.mount("input", "/proc", None, kernel.MS_REMOUNT | read_only, options)


def confine_program(machine: Machine, limits: Limits) -> None:
    """Give up every right that a program needs none of, in the process that will run it."""
    os.setsid()
    for number in _INHERITED_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    os.nice(_NICENESS)
    os.umask(0o022)
    _set_limits(machine, limits)
    if not machine.isolated:
        _end_with_parent()
    else:
        if os.getuid() == 0:
            os.setgroups([])
            os.setresgid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
            os.setresuid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
        kernel.clear_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install(machine.seccomp_filter)


def _end_with_parent() -> None:
    """For where no pid namespace does it: a spawner that is killed cannot clear its boxes away."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


def _set_limits(machine: Machine, limits: Limits) -> None:
    # Soft limit: SIGXCPU, which says what happened; a second later the kernel insists.
    whole = limits.cpu_seconds if limits.program_seconds is None else limits.program_seconds
    seconds = int(whole) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    for kind, value in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.scratch_bytes),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        _lower(kind, value)
    # Programs that recurse deeply raise it themselves; the address space bounds it.
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    soft = min(_STACK_BYTES, limits.memory_bytes)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))
    if machine.counts_processes:
        _lower(resource.RLIMIT_NPROC, limits.processes + _SPAWNER_PROCESSES)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))
