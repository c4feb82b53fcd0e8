"""A real Slurm of two nodes on one machine, which lasts as long as a test session.

One slurmctld and two slurmd, run by whoever runs the tests, with a munge key, ports and files of
their own: a Slurm that the machine may have is left alone.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

NODES = ("n0", "n1")
_CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={directory}/munge.socket
CredType=cred/munge
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool-%n
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd-%n.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdLogFile={directory}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=3600
KillWait=30
NodeName=n0 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def wait_until(condition: Callable[[], object], seconds: float, what: Callable[[], str]) -> None:
    """Raises TimeoutError, with the text of what(), when a condition does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:g} s: {what()}")
        time.sleep(0.5)


class Cluster:
    """The daemons, and the commands of Slurm's users."""

    def __init__(self, directory: Path, variables: Mapping[str, str]) -> None:
        """
        Args:
            directory: on a short path, for munge's socket.
            variables: of the jobs' environment, besides those of this process.
        """
        self.directory = directory
        outer = {name: value for name, value in os.environ.items() if "SLURM" not in name}
        self.environment = outer | {**variables, "SLURM_CONF": str(directory / "slurm.conf")}
        self.environment["PATH"] += ":/usr/sbin"  # of the daemons, for users that are not root
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        (self.directory / "state").mkdir()
        for node in NODES:
            (self.directory / f"spool-{node}").mkdir()
        text = _CONFIG.format(
            host=socket.gethostname(),
            ports=_free_ports(3),
            user=getpass.getuser(),
            directory=self.directory,
        )
        (self.directory / "slurm.conf").write_text(text)
        key = self.directory / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        files = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        paths = [f"--{name}={self.directory}/munge.{end}" for name, end in files.items()]
        self._start("munged", "--foreground", "--force", f"--key-file={key}", *paths)
        wait_until((self.directory / "munge.socket").exists, 10, lambda: "munged made no socket")
        self._start("slurmctld", "-D")
        for node in NODES:
            self.start_node(node)
        wait_until(
            lambda: self._idle() == 2, 60, lambda: f"the nodes are not idle: {self.directory}"
        )

    def start_node(self, node: str) -> None:
        self._start("slurmd", "-D", "-N", node, name=node)

    def kill_node(self, node: str) -> None:
        """Ends everything that runs on a node at once, as a loss of power does."""
        self._daemons[node].kill()
        self._daemons.pop(node).wait()
        doomed = set(self._processes_of(node))
        for process in list(doomed):
            parent = _parent(process)
            if _name(parent) == "slurmstepd":
                doomed.add(parent)
        for process in doomed:
            os.kill(process, signal.SIGSTOP)  # none may say anything of the end of another
        for process in doomed:
            os.kill(process, signal.SIGKILL)

    def _processes_of(self, node: str) -> Iterator[int]:
        """Processes of jobs of this cluster on a node."""
        mine = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                variables = path.read_bytes().split(b"\0")
            except OSError:  # it has ended, or is another user's
                continue
            if mine in variables and f"SLURMD_NODENAME={node}".encode() in variables:
                yield int(path.parent.name)

    def stop(self) -> None:
        if (self.directory / "slurm.conf").exists() and "n0" in self._daemons:
            subprocess.run(["scancel", "--me", "--signal=KILL"], env=self.environment, check=False)
            subprocess.run(["scancel", "--me"], env=self.environment, check=False)
            time.sleep(2)
        for node in NODES:
            for process in self._processes_of(node):
                os.kill(process, signal.SIGKILL)
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
            daemon.wait()

    def submit(self, *arguments: object) -> str:
        """sbatch; returns the job id."""
        said = self._run("sbatch", "--parsable", *map(str, arguments))
        return said.strip()

    def state(self, job: str) -> str:
        """RUNNING, PENDING, COMPLETED, FAILED, ..."""
        return self.field(job, "JobState")

    def field(self, job: str, name: str) -> str:
        shown = self._run("scontrol", "show", "job", "--oneliner", job)
        (value,) = re.findall(rf"(?<!\S){name}=(\S+)", shown)
        return value

    def scontrol(self, *arguments: str) -> None:
        self._run("scontrol", *arguments)

    def scancel(self, *arguments: str) -> None:
        self._run("scancel", *arguments)

    def _idle(self) -> int:
        return self._run("sinfo", "--Node", "--noheader", "--format=%T").split().count("idle")

    def _start(self, program: str, *arguments: str, name: str | None = None) -> None:
        self._daemons[name or program] = subprocess.Popen(
            [program, *arguments],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _run(self, *command: str) -> str:
        result = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, f"{' '.join(command)}: {result.stderr}"
        return result.stdout


def is_installed() -> bool:
    path = f"{os.environ['PATH']}:/usr/sbin"
    return all(shutil.which(name, path=path) for name in ("munged", "slurmctld", "slurmd"))


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]


def _parent(process: int) -> int:
    (parent,) = re.findall(r"^PPid:\s*(\d+)", Path(f"/proc/{process}/status").read_text(), re.M)
    return int(parent)


def _name(process: int) -> str:
    return Path(f"/proc/{process}/comm").read_text().strip()
