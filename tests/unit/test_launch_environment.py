"""Environments as torchrun 2.13 and Slurm 22.05 set them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.launch_environment import (
    SlurmJob,
    SlurmStep,
    TorchRank,
    first_host,
    read_slurm_job,
    read_torch_rank,
    without_torchrun,
)

TORCHRUN = {
    "RANK": "5",
    "LOCAL_RANK": "1",
    "GROUP_RANK": "1",
    "WORLD_SIZE": "8",
    "LOCAL_WORLD_SIZE": "4",
    "GROUP_WORLD_SIZE": "2",
    "MASTER_ADDR": "n0",
    "MASTER_PORT": "10007",
    "TORCHELASTIC_RESTART_COUNT": "2",
    "TORCHELASTIC_RUN_ID": "7",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
}
BATCH = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NUM_NODES": "2",
    "SLURM_JOB_NODELIST": "n[0-1]",
    "SLURM_NODEID": "0",
    "SLURM_PROCID": "0",
    "SLURMD_NODENAME": "n0",
}
STEP = BATCH | {
    "SLURM_STEP_NODELIST": "n[0-1]",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_PROCID": "1",
    "SLURM_GPUS_ON_NODE": "8",
    "SLURM_CPUS_PER_TASK": "96",
}


def test_rank_of_torchrun():
    rank = read_torch_rank(TORCHRUN)
    assert rank == TorchRank(5, 8, 1, 4, "n0", 10007, restart=2)
    assert rank.nodes == 2
    assert rank.from_torchrun


def test_process_without_torchrun():
    rank = read_torch_rank({"MASTER_ADDR": "n0"})
    assert rank == TorchRank(0, 1, 0, 1, "", 0, restart=0)
    assert not rank.from_torchrun
    assert rank.nodes == 1
    assert read_torch_rank(TORCHRUN | {"RANK": "0", "WORLD_SIZE": "1"}).from_torchrun


def test_batch_script_and_step_of_slurm():
    assert read_slurm_job({}) is None
    assert read_slurm_job(BATCH) == SlurmJob(7, 2, None, None, on_node=True, step=None)
    step = SlurmStep(nodes=2, tasks=2, task=1, first_host="n0")
    assert read_slurm_job(STEP) == SlurmJob(7, 2, 8, 96, on_node=True, step=step)


# salloc's shell on the machine it was called from: no number of GPUs of this node, which has none.
SHELL = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "2"}


@pytest.mark.parametrize(
    ("stated", "gpus"),
    [
        ({}, None),
        ({"SLURM_GPUS_PER_NODE": "8"}, 8),
        ({"SLURM_GPUS_PER_NODE": "h100:8"}, 8),
        ({"SLURM_GPUS_PER_NODE": "h100:6,a100:2"}, 8),
        ({"SLURM_GPUS_PER_NODE": "h100"}, 1),
        ({"SLURM_GPUS": "16"}, 8),
        ({"SLURM_GPUS": "h100:16"}, 8),
        ({"SLURM_GPUS": "15"}, None),  # 8 and 7
        # What there is on the node, rather than what was asked for.
        ({"SLURM_GPUS_ON_NODE": "4", "SLURM_GPUS_PER_NODE": "8", "SLURM_GPUS": "16"}, 4),
    ],
)
def test_gpus_that_a_job_asked_for(stated, gpus):
    job = read_slurm_job(SHELL | stated)
    assert job.gpus_per_node == gpus
    assert not job.on_node


@pytest.mark.parametrize(
    ("stated", "cpus"),
    [
        ({}, None),
        ({"SLURM_TASKS_PER_NODE": "8(x2)"}, None),
        ({"SLURM_CPUS_PER_TASK": "96"}, 96),
        ({"SLURM_CPUS_PER_TASK": "96", "SLURM_TASKS_PER_NODE": "1(x2)"}, 96),
        ({"SLURM_CPUS_PER_TASK": "12", "SLURM_TASKS_PER_NODE": "8(x2)"}, 96),
        ({"SLURM_CPUS_PER_TASK": "12", "SLURM_TASKS_PER_NODE": "8"}, 96),
        ({"SLURM_CPUS_PER_TASK": "12", "SLURM_TASKS_PER_NODE": "10(x3),8"}, 96),
    ],
)
def test_cpus_of_all_tasks_of_a_node(stated, cpus):
    assert read_slurm_job(BATCH | stated).cpus_per_node == cpus


def test_nothing_of_torchrun_is_handed_on():
    mine = {"PATH": "/bin", "OMP_NUM_THREADS": "4"}
    assert without_torchrun(TORCHRUN | mine) == mine


@given(st.integers(1, 2**31))
def test_ports_are_free_to_take_and_differ_for_neighbouring_jobs(job_id):
    ports = [SlurmJob(job_id + i, 1, None, None, True, None).port for i in range(3)]
    assert all(1024 < port < 32768 for port in ports)
    assert len(set(ports)) == 3


@pytest.mark.parametrize(
    ("nodes", "host"),
    [
        ("n[0-1]", "n0"),
        ("gpu-[07-09,12],login1", "gpu-07"),
        ("a,b[1-2]", "a"),
        ("rack[1-2]n[03,05]x,z", "rack1n03x"),
        ("alone", "alone"),
    ],
)
def test_first_host_of_a_node_list(nodes, host):
    assert first_host(nodes) == host
