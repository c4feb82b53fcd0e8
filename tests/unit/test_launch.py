"""Which part a process takes, and what a launcher that leaves machines idle is told."""

import itertools
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo import launch
from megatron_urpo.config import Config, ConfigError, RolloutConfig, TrainingConfig
from megatron_urpo.launch import (
    LaunchError,
    Part,
    choose_part,
    main,
    refuse_misfit,
    srun_command,
)
from megatron_urpo.launch_environment import ALONE, SlurmJob, SlurmStep, TorchRank
from megatron_urpo.layout import layout_of, rank_misfits

few = st.integers(1, 6)


@pytest.fixture(autouse=True)
def this_file(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["examples/run.sh"])


def torchrun(nodes=1, ranks=1):
    return TorchRank(0, nodes * ranks, 0, ranks, "n0", 29500, restart=0)


def slurm(nodes=1, tasks=None, step_nodes=None):
    """tasks: of the step; None: the batch script."""
    step = tasks and SlurmStep(step_nodes or min(tasks, nodes), tasks, 0, "n0")
    return SlurmJob(70007, nodes, 8, 96, on_node=True, step=step)


@pytest.mark.parametrize(
    ("rank", "job", "ranks", "part"),
    [
        (ALONE, None, 8, Part.MACHINE),  # bash
        (torchrun(), None, 8, Part.LONE_RANK),  # plain torchrun
        (torchrun(), None, 1, Part.RANK),  # the same where there is one GPU
        (torchrun(ranks=8), None, 8, Part.RANK),
        (torchrun(ranks=4), None, 8, Part.RANK),  # the user's own choice
        (torchrun(nodes=4, ranks=8), None, 8, Part.RANK),
        (ALONE, slurm(nodes=4), 8, Part.SLURM_BATCH),  # sbatch
        (ALONE, slurm(nodes=4, tasks=4), 8, Part.SLURM_TASK),  # srun
        (ALONE, slurm(nodes=1, tasks=1), 8, Part.SLURM_TASK),
        (ALONE, slurm(nodes=4, tasks=1), 8, Part.SLURM_BATCH),  # in a shell of srun --pty
        (torchrun(), slurm(nodes=1), 8, Part.LONE_RANK),  # torchrun in a script of the user's
        (torchrun(nodes=2, ranks=8), slurm(nodes=2, tasks=2), 8, Part.RANK),
    ],
)
def test_part_of_a_process(rank, job, ranks, part):
    assert choose_part(rank, job, ranks) is part


@pytest.mark.parametrize(
    ("rank", "job", "command"),
    [
        (torchrun(), slurm(nodes=4), "bash examples/run.sh"),
        (torchrun(nodes=2), None, "torchrun --nnodes=2 --nproc-per-node=8 ... examples/run.sh"),
        (ALONE, slurm(nodes=2, tasks=16), "srun --ntasks-per-node=1 examples/run.sh"),
    ],
)
def test_idle_machines_are_refused_with_the_command_to_type(rank, job, command):
    with pytest.raises(LaunchError, match="1 of the job's 4|1 rank on each|16 tasks") as error:
        choose_part(rank, job, 8)
    assert str(error.value).endswith(command)


def test_layout_that_needs_more_nodes_names_their_number():
    config = Config(
        training=TrainingConfig(tensor_model_parallel_size=8, pipeline_model_parallel_size=4),
        rollout=RolloutConfig(tensor_model_parallel_size=8),
    )
    refuse_misfit(config, nodes=4, ranks_per_node=8)
    with pytest.raises(ConfigError, match="8 ranks cannot hold") as error:
        refuse_misfit(config, nodes=1, ranks_per_node=8)
    assert "sbatch --nodes=4 examples/run.sh" in str(error.value)
    assert "torchrun --nnodes=4 --nproc-per-node=8 --rdzv-backend=c10d" in str(error.value)


@given(few, few, few, few, st.integers(1, 9), st.integers(1, 9))
def test_the_nodes_named_are_the_fewest_that_fit(tensor, pipeline, context, engine, ranks, nodes):
    config = Config(
        training=TrainingConfig(
            tensor_model_parallel_size=tensor,
            pipeline_model_parallel_size=pipeline,
            context_parallel_size=context,
        ),
        rollout=RolloutConfig(tensor_model_parallel_size=engine),
    )

    def fit(nodes):
        return not rank_misfits(layout_of(config, nodes * ranks))

    if fit(nodes):
        refuse_misfit(config, nodes, ranks)
    else:
        fewest = next(filter(fit, itertools.count(1)))
        with pytest.raises(ConfigError, match=rf"\. {fewest} nodes of {ranks} ranks would do"):
            refuse_misfit(config, nodes, ranks)


def test_the_copy_that_slurmd_keeps_of_a_file_is_in_no_command(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/var/spool/slurmd/job00007/slurm_script"])
    config = Config(training=TrainingConfig(pipeline_model_parallel_size=4))
    with pytest.raises(ConfigError) as error:
        refuse_misfit(config, nodes=1, ranks_per_node=2)
    assert "sbatch --nodes=2 FILE\n" in str(error.value)
    with pytest.raises(LaunchError, match="bash FILE$"):
        choose_part(torchrun(), slurm(nodes=4), 8)


def test_srun_starts_one_task_a_node_with_all_of_it():
    command = srun_command(slurm(nodes=4), ["train", "a.toml"], ranks=8)
    assert command[:4] == ["srun", "--nodes=4", "--ntasks=4", "--ntasks-per-node=1"]
    assert "--cpu-bind=none" in command
    assert "--cpus-per-task=96" in command
    assert command[-2:] == ["train", "a.toml"]
    assert "--nproc-per-node=8" in command


@pytest.fixture
def in_salloc(tmp_path, monkeypatch):
    """A shell of salloc on a login node, for a job of two; returns a configuration's file."""
    for name in [name for name in os.environ if name.startswith("SLURM") or name == "RANK"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    config = tmp_path / "run.toml"
    config.write_text("")
    return config


def test_salloc_that_does_not_name_gpus_is_refused(in_salloc, capsys):
    assert main(["train", str(in_salloc)]) == 2
    message = capsys.readouterr().err
    assert "on none of the nodes of job 7" in message
    assert "bash examples/run.sh --nproc-per-node=" in message


@pytest.mark.parametrize(
    ("gpus", "arguments"),
    [("h100:8", []), (None, ["--nproc-per-node=8"]), ("4", ["--nproc-per-node=8"])],
)
def test_salloc_starts_a_rank_for_every_gpu(in_salloc, gpus, arguments, monkeypatch):
    if gpus:
        monkeypatch.setenv("SLURM_GPUS_PER_NODE", gpus)
    started = []
    monkeypatch.setattr(launch, "run_slurm_batch", lambda *started_: started.append(started_) or 0)
    assert main([*arguments, "train", str(in_salloc)]) == 0
    [(job, command, ranks)] = started
    assert (job.nodes, command, ranks) == (2, ["train", str(in_salloc)], 8)


def test_misfit_is_one_line_before_anything_starts(tmp_path, capsys, monkeypatch):
    for name in ("RANK", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "run.toml"
    config.write_text("[training]\ntensor_model_parallel_size = 4\n")
    assert main(["--nproc-per-node=2", "train", str(config)]) == 2
    assert "python -m megatron_urpo.launch: 2 ranks cannot hold" in capsys.readouterr().err
