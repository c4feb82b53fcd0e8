"""What torchrun and Slurm tell a process about its place in the job.

Their environment variables are read here; the rest of launching works on the records below.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# Ports below those that Linux hands out by itself (32768 and up), above the well-known services.
_FIRST_PORT, _PORTS = 10000, 20000
_TORCHRUN_NAMES = frozenset(
    "RANK LOCAL_RANK GROUP_RANK ROLE_RANK ROLE_NAME WORLD_SIZE LOCAL_WORLD_SIZE GROUP_WORLD_SIZE "
    "ROLE_WORLD_SIZE MASTER_ADDR MASTER_PORT TORCH_NCCL_ASYNC_ERROR_HANDLING".split()
)


@dataclass(frozen=True, slots=True)
class TorchRank:
    """A process among those that torchrun started, or ALONE."""

    rank: int
    world_size: int
    local_rank: int  # among the ranks of this node
    local_world_size: int  # ranks that torchrun started on this node
    store_host: str  # of the key-value store that all ranks of the job share; empty: there is none
    store_port: int
    restart: int  # how often torchrun has started the ranks anew

    @property
    def from_torchrun(self) -> bool:
        """False for ALONE; a single rank of torchrun has a store that it must join."""
        return self.store_host != ""

    @property
    def nodes(self) -> int:
        return self.world_size // self.local_world_size


# A process that torchrun did not start.
ALONE = TorchRank(
    rank=0,
    world_size=1,
    local_rank=0,
    local_world_size=1,
    store_host="",
    store_port=0,
    restart=0,
)


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """An allocation of Slurm, seen from its batch script or from a task of one of its steps."""

    job_id: int
    nodes: int
    gpus_per_node: int | None  # None: the environment does not say
    cpus_per_node: int | None  # of the tasks that the job asked for; None: it did not say
    on_node: bool  # false: salloc's shell on the machine it was called from
    step: SlurmStep | None  # None: the batch script

    @property
    def port(self) -> int:
        """For the rendezvous: two jobs on a node differ in their ids, and so in their ports."""
        return _FIRST_PORT + self.job_id % _PORTS


@dataclass(frozen=True, slots=True)
class SlurmStep:
    """The step of a process that srun started."""

    nodes: int
    tasks: int
    task: int  # this process, counted from 0
    first_host: str


def read_torch_rank(environment: Mapping[str, str]) -> TorchRank:
    """This process's place among the ranks."""
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return ALONE
    world_size = int(environment["WORLD_SIZE"])
    return TorchRank(
        rank=int(environment["RANK"]),
        world_size=world_size,
        local_rank=int(environment.get("LOCAL_RANK", "0")),
        local_world_size=int(environment.get("LOCAL_WORLD_SIZE", world_size)),
        store_host=environment["MASTER_ADDR"],
        store_port=int(environment["MASTER_PORT"]),
        restart=int(environment.get("TORCHELASTIC_RESTART_COUNT", "0")),
    )


def read_slurm_job(environment: Mapping[str, str]) -> SlurmJob | None:
    """None: this process does not belong to an allocation of Slurm."""
    if "SLURM_JOB_ID" not in environment:
        return None
    step = None
    if "SLURM_STEP_NODELIST" in environment:
        step = SlurmStep(
            nodes=int(environment["SLURM_STEP_NUM_NODES"]),
            tasks=int(environment["SLURM_STEP_NUM_TASKS"]),
            task=int(environment["SLURM_PROCID"]),
            first_host=first_host(environment["SLURM_STEP_NODELIST"]),
        )
    return SlurmJob(
        job_id=int(environment["SLURM_JOB_ID"]),
        nodes=int(environment["SLURM_JOB_NUM_NODES"]),
        gpus_per_node=_gpus_per_node(environment),
        cpus_per_node=_cpus_per_node(environment),
        on_node="SLURMD_NODENAME" in environment,
        step=step,
    )


def without_torchrun(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment as it was before torchrun, for a torchrun inside one of its ranks."""
    return {
        name: value
        for name, value in environment.items()
        if name not in _TORCHRUN_NAMES and not name.startswith("TORCHELASTIC_")
    }


def first_host(nodes: str) -> str:
    """First host of a node list as Slurm writes it: gpu-[07-09,12],login1 -> gpu-07."""
    first = re.match(r"(?:\[[^\]]*\]|[^,\[])*", nodes)
    return re.sub(r"\[(\d+)[^\]]*\]", r"\1", first.group() if first else "")


def _gpus_per_node(environment: Mapping[str, str]) -> int | None:
    """Slurm counts them in a node's processes alone; elsewhere there is what the job asked for."""
    if "SLURM_GPUS_ON_NODE" in environment:
        return int(environment["SLURM_GPUS_ON_NODE"])
    if "SLURM_GPUS_PER_NODE" in environment:
        return _count(environment["SLURM_GPUS_PER_NODE"])
    if "SLURM_GPUS" in environment:
        total, nodes = _count(environment["SLURM_GPUS"]), int(environment["SLURM_JOB_NUM_NODES"])
        # Otherwise nodes have different numbers, and which has how many is not said.
        return total // nodes if total % nodes == 0 else None
    return None


def _count(gpus: str) -> int:
    """GPUs of a request such as 8, h100:8 or h100:4,a100:4; a type alone is one."""
    numbers = (part.rpartition(":")[2] for part in gpus.split(","))
    return sum(int(number) if number.isdecimal() else 1 for number in numbers)


def _cpus_per_node(environment: Mapping[str, str]) -> int | None:
    """A job may have asked for a task a GPU; the task that is started instead takes the CPUs of all
    of them. The node with the fewest counts: srun has one number for all."""
    if "SLURM_CPUS_PER_TASK" not in environment:
        return None
    tasks = environment.get("SLURM_TASKS_PER_NODE", "1")  # such as 8(x2),4
    fewest = min(int(count.partition("(")[0]) for count in tasks.split(","))
    return fewest * int(environment["SLURM_CPUS_PER_TASK"])
