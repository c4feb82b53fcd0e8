"""Starts a run on everything the surroundings offer: one machine, a Slurm job, a torchrun.

    python -m megatron_urpo.launch [--nproc-per-node N] train CONFIG [overrides]

The files examples/run_*.sh end here, whether bash, sbatch, srun or torchrun runs them. Each process
finds out which part is its own:

    machine        outside of Slurm and torchrun: one torchrun with a rank for every GPU
    slurm batch    the batch script of a job: srun one task a node
    slurm task     such a task: its node's torchrun, met by the others at the first node
    lone rank      plain `torchrun FILE` started 1 rank where more fit: becomes "machine"
    rank           everything has been started: runs the command

Neither megatron nor vllm is imported here.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from types import FrameType

from megatron_urpo import cli
from megatron_urpo.config import Config, ConfigError
from megatron_urpo.console import say
from megatron_urpo.environment import missing_package
from megatron_urpo.launch_environment import (
    SlurmJob,
    TorchRank,
    read_slurm_job,
    read_torch_rank,
    without_torchrun,
)
from megatron_urpo.layout import check_world, layout_of

# After the first node of a job has ended, for the others to end by themselves.
_SRUN_WAIT_SECONDS = 60
_RENDEZVOUS_PORT = 29500  # torchrun's own, in the commands that messages propose
_COMMAND = "python -m megatron_urpo.launch"
_COPY_OF_SLURMD = "slurm_script"


class LaunchError(ValueError):
    """A way to start a run that would leave part of the machines idle; names the right one."""


class Part(str, Enum):
    """What a process has to do for the run."""

    MACHINE = "machine"
    SLURM_BATCH = "slurm batch"
    SLURM_TASK = "slurm task"
    LONE_RANK = "lone rank"
    RANK = "rank"


def main(arguments: Sequence[str] | None = None) -> int:
    """Does this process's part of starting a run; returns its exit status.

    That of the command, as far as there is one: 0 when it is complete, cli.INTERRUPTED after a
    signal and a checkpoint, watchdog.EXIT_STATUS after a joint abort.
    """
    parser = argparse.ArgumentParser(prog=_COMMAND, add_help=False, allow_abbrev=False)
    parser.add_argument("--nproc-per-node", type=int, help="ranks a node; default: one a GPU")
    parser.add_argument("--rendezvous-host", help=argparse.SUPPRESS)
    options, command = parser.parse_known_args(arguments)
    rank, job = read_torch_rank(os.environ), read_slurm_job(os.environ)
    try:
        ranks = options.nproc_per_node or _default_ranks_per_node(rank, job)
        part = choose_part(rank, job, ranks)
        if part is Part.RANK:
            return cli.main(command)
        refuse_misfit(cli.read_config(command), _nodes(part, job), ranks)
    except (LaunchError, ConfigError) as error:
        say(f"{_COMMAND}: {error}")
        return 2
    except ModuleNotFoundError as error:
        if (reason := missing_package(error)) is None:
            raise
        say(f"{_COMMAND}: {reason}")
        return 2
    if part is Part.LONE_RANK:
        become_machine(command, ranks)
    if job and part is Part.SLURM_BATCH:
        return run_slurm_batch(job, command, ranks)
    if job and part is Part.SLURM_TASK:
        return run_slurm_task(job, command, ranks, options.rendezvous_host)
    return run_torchrun(command, ranks, ["--standalone"])


def choose_part(rank: TorchRank, job: SlurmJob | None, ranks_per_node: int) -> Part:
    """What a process in these surroundings has to do.

    Args:
        ranks_per_node: that should run on this node.

    Raises:
        LaunchError: the launcher that started this process left nodes or GPUs unused, or started
            more processes than there are nodes.
    """
    if rank.from_torchrun:
        return _part_of_rank(rank, job, ranks_per_node)
    if job is None:
        return Part.MACHINE
    if job.step is None or (job.step.tasks == 1 and job.nodes > 1):
        return Part.SLURM_BATCH  # the latter: a shell that srun or salloc opened
    if job.step.tasks != job.step.nodes:
        raise LaunchError(
            f"srun started {job.step.tasks} tasks on {job.step.nodes} nodes; every task starts the "
            f"ranks of its whole node: srun --ntasks-per-node=1 {_this_file()}"
        )
    return Part.SLURM_TASK


def _part_of_rank(rank: TorchRank, job: SlurmJob | None, ranks_per_node: int) -> Part:
    if job is not None and job.step is None and rank.nodes < job.nodes:
        raise LaunchError(
            f"this torchrun uses {rank.nodes} of the job's {job.nodes} nodes; without torchrun the "
            f"file starts one on each of them: bash {_this_file()}"
        )
    if rank.local_world_size == 1 < ranks_per_node:
        if rank.world_size > 1:
            raise LaunchError(
                f"torchrun started 1 rank on each of {rank.nodes} nodes, where {ranks_per_node} "
                f"fit: torchrun --nnodes={rank.nodes} --nproc-per-node={ranks_per_node} ... "
                f"{_this_file()}"
            )
        return Part.LONE_RANK
    return Part.RANK


def refuse_misfit(config: Config, nodes: int, ranks_per_node: int) -> None:
    """Raises ConfigError, with the command to type, where the layout does not fit the ranks."""
    try:
        check_world(config, nodes * ranks_per_node)
    except ConfigError as error:
        multiple = layout_of(config, ranks_per_node).rank_multiple
        fitting = multiple // math.gcd(multiple, ranks_per_node)
        raise ConfigError(
            f"{error}. {fitting} nodes of {ranks_per_node} ranks would do. Under Slurm:\n"
            f"    sbatch --nodes={fitting} {_this_file()}\n"
            "elsewhere, on every node:\n"
            f"    torchrun --nnodes={fitting} --nproc-per-node={ranks_per_node} "
            f"--rdzv-backend=c10d --rdzv-endpoint=FIRST_NODE:{_RENDEZVOUS_PORT} {_this_file()}"
        ) from error


def become_machine(command: Sequence[str], ranks: int) -> None:
    """Turns a lone rank of torchrun into the launcher of all ranks of the machine."""
    print(f"torchrun started 1 rank; starting all {ranks} of this machine", flush=True)
    program = [sys.executable, "-m", "megatron_urpo.launch", f"--nproc-per-node={ranks}"]
    os.execve(sys.executable, [*program, *command], without_torchrun(os.environ))


def run_torchrun(command: Sequence[str], ranks: int, rendezvous: Sequence[str]) -> int:
    """Runs torchrun for this node, in this process.

    Args:
        rendezvous: torchrun's options that say where the nodes meet.

    Returns:
        the exit status of the rank that ended first with another than 0; else 0. torchrun's own
        program would say 1 for all of them.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    options = [*rendezvous, f"--nproc-per-node={ranks}", "--max-restarts=0"]
    try:
        run(parse_args([*options, "-m", "megatron_urpo.cli", *command]))
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        if failure.exitcode != cli.INTERRUPTED:
            say(str(error))
        return failure.exitcode if failure.exitcode >= 0 else 128 - failure.exitcode
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0


def run_slurm_task(
    job: SlurmJob, command: Sequence[str], ranks: int, rendezvous_host: str | None
) -> int:
    """The torchrun of this task's node.

    Args:
        rendezvous_host: where the nodes meet; None: at the first host of the step.
    """
    assert job.step is not None
    # Slurm signals all processes of a step. The ranks act on this one, torchrun must outlive it.
    # They inherit that it is blocked: one that comes while they start waits for StopRequest.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    rendezvous = [
        f"--nnodes={job.step.nodes}",
        # Slurm knows who is who. torchrun's elastic rendezvous would number the nodes as they come,
        # and end a node whose ranks are about to when the first one has gone.
        "--rdzv-backend=static",
        f"--node-rank={job.step.task}",
        f"--master-addr={rendezvous_host or job.step.first_host}",
        f"--master-port={job.port}",
    ]
    return run_torchrun(command, ranks, rendezvous)


def run_slurm_batch(job: SlurmJob, command: Sequence[str], ranks: int) -> int:
    """One task on every node of the job; a run that was asked to stop goes back into the queue."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        # To the steps only; the batch script's own process is not among them.
        subprocess.run(["scancel", "--signal=USR1", str(job.job_id)], check=False)

    signal.signal(signal.SIGUSR1, pass_on)
    status = subprocess.run(srun_command(job, command, ranks), check=False).returncode
    if status != cli.INTERRUPTED:
        return status
    print(f"asked to stop: back into the queue with job {job.job_id}", flush=True)
    requeued = subprocess.run(["scontrol", "requeue", str(job.job_id)], check=False)
    return 0 if requeued.returncode == 0 else status


def srun_command(job: SlurmJob, command: Sequence[str], ranks: int) -> list[str]:
    """One task a node, which meet at the first: this one, where this process runs on a node."""
    srun = ["srun", f"--nodes={job.nodes}", f"--ntasks={job.nodes}", "--ntasks-per-node=1"]
    # A task is a whole node: left alone, Slurm may bind it to one core.
    srun += ["--cpu-bind=none", "--overlap"]
    if job.cpus_per_node is not None:
        srun.append(f"--cpus-per-task={job.cpus_per_node}")
    # Nodes end by themselves with an exit status that says why; srun only ends what is left.
    srun += ["--kill-on-bad-exit=0", f"--wait={_SRUN_WAIT_SECONDS}"]
    task = [sys.executable, "-m", "megatron_urpo.launch", f"--nproc-per-node={ranks}"]
    if job.on_node:
        # Its own name of itself: Slurm's names of nodes need not be those of the network.
        task.append(f"--rendezvous-host={socket.gethostname()}")
    return [*srun, *task, *command]


def _nodes(part: Part, job: SlurmJob | None) -> int:
    """How many the run will use."""
    if job is None or part in (Part.MACHINE, Part.LONE_RANK):
        return 1
    return job.nodes if job.step is None or part is Part.SLURM_BATCH else job.step.nodes


def _default_ranks_per_node(rank: TorchRank, job: SlurmJob | None) -> int:
    """One rank a GPU; without any, as many as torchrun started, or one.

    Raises:
        LaunchError: neither Slurm nor this machine, which is none of the job's, tells the number.
    """
    if job is not None and job.gpus_per_node:
        return job.gpus_per_node
    if job is not None and not rank.from_torchrun and not job.on_node:
        raise LaunchError(
            f"this shell is on none of the nodes of job {job.job_id}, and the job does not say how "
            f"many GPUs each has: bash {_this_file()} --nproc-per-node=GPUS_OF_A_NODE, or "
            "allocate them with salloc --gpus-per-node"
        )
    import torch

    return torch.cuda.device_count() or rank.local_world_size


def _this_file() -> str:
    """Its name in a command that a message proposes."""
    # Of what sbatch is given, a node has a copy in slurmd's own directory, and not the name.
    return "FILE" if Path(sys.argv[0]).name == _COPY_OF_SLURMD else shlex.quote(sys.argv[0])


if __name__ == "__main__":
    sys.exit(main())
