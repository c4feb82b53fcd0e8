"""Jobs of two nodes in a real Slurm: they train, stop, continue, and survive the loss of a node."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from megatron_urpo.metrics import read_metrics
from tests.end_to_end.test_examples import assert_learned_one_step, prepare_example
from tests.slurm.cluster import Cluster, wait_until
from tests.slurm.conftest import REPOSITORY

pytestmark = pytest.mark.slurm

LAUNCH_FILE = REPOSITORY / "tests" / "slurm" / "run_smollm2.sh"
START_SECONDS = 400  # two ranks share two cores with whatever else runs
STEP_SECONDS = 120
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")


class Run:
    """A run directory and the job that works in it."""

    def __init__(self, cluster: Cluster, directory: Path, steps: int) -> None:
        self.cluster = cluster
        self.directory = directory
        self.log_path = directory / "job.log"
        self.steps = steps
        self.job = ""

    def submit(self, *options: str) -> None:
        self.job = self.cluster.submit(
            f"--chdir={REPOSITORY}", f"--output={self.log_path}", *options,
            LAUNCH_FILE, "--run.directory", self.directory, "--run.steps", self.steps,
        )  # fmt: skip

    @property
    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    @property
    def steps_done(self) -> list[int]:
        path = self.directory / "metrics.jsonl"
        return [record.step for record in read_metrics(path)] if path.exists() else []

    def wait_for_step(self, count: int) -> None:
        def reached() -> bool:
            assert self.cluster.state(self.job) not in ENDED, self.log
            return len(self.steps_done) >= count

        wait_until(reached, START_SECONDS, lambda: f"step {count} has not come: {self.log[-3000:]}")

    def wait_for_state(self, seconds: float, *states: str) -> None:
        def reached() -> bool:
            return self.cluster.state(self.job) in states

        wait_until(reached, seconds, lambda: f"not {' or '.join(states)}: {self.log[-3000:]}")


@pytest.fixture
def run(cluster, tmp_path) -> Run:
    return Run(cluster, tmp_path, steps=2)


def test_sbatch_of_an_example_runs_on_every_node(cluster, tmp_path):
    prepare_example(tmp_path, "qwen2.5")
    job = cluster.submit(
        "--nodes=2", "--gpus-per-node=0", f"--chdir={tmp_path}", f"--output={tmp_path}/job.log",
        tmp_path / "examples" / "run_urpo_qwen7b.sh", "--override", "examples/cpu_override.toml",
    )  # fmt: skip
    wait_until(lambda: cluster.state(job) in ENDED, START_SECONDS, lambda: "the job does not end")
    assert cluster.state(job) == "COMPLETED", (tmp_path / "job.log").read_text()[-4000:]
    assert_learned_one_step(tmp_path, ranks=2)


def test_two_nodes_train_smollm2(run):
    run.submit()
    run.wait_for_state(START_SECONDS, "COMPLETED")
    records = read_metrics(run.directory / "metrics.jsonl")
    assert [record.step for record in records] == [1, 2]
    assert sum(record.values["training/all/updates"] for record in records) > 0
    assert all(record.values["weight_sync/all/mismatch_mean"] < 0.2 for record in records)
    assert (run.directory / "export" / "model.safetensors").is_file()


def test_stopped_run_is_saved_requeued_and_continued(run):
    """First by a signal to the ranks, then by the time limit."""
    run.steps = 1000
    run.submit()
    run.wait_for_step(2)
    run.cluster.scancel("--signal=USR1", run.job)
    run.wait_for_state(STEP_SECONDS, "PENDING")
    done = run.steps_done
    assert f"back into the queue with job {run.job}" in run.log
    assert "Traceback" not in run.log
    assert run.cluster.field(run.job, "Restarts") == "1"

    # Slurm would wait for two minutes.
    run.cluster.scontrol("update", f"JobId={run.job}", "StartTime=now")
    run.wait_for_step(len(done) + 2)
    assert f"resuming from {run.directory}/checkpoints/step_{len(done):06d}" in run.log

    # The signal of --signal=B:USR1@120 comes two to three minutes before the end.
    hours, minutes, _ = run.cluster.field(run.job, "RunTime").split(":")
    limit = 60 * int(hours) + int(minutes) + 4
    run.cluster.scontrol("update", f"JobId={run.job}", f"TimeLimit={limit}")
    run.wait_for_state(300, "PENDING")
    assert run.cluster.field(run.job, "Restarts") == "2"
    assert run.log.count("back into the queue") == 2
    assert "Traceback" not in run.log
    steps = run.steps_done
    assert steps == list(range(1, len(steps) + 1))  # each once
    (checkpoint,) = (run.directory / "checkpoints").iterdir()
    assert checkpoint.name == f"step_{len(steps):06d}"
    run.cluster.scancel(run.job)


def test_lost_node_fails_the_job_which_then_continues(run):
    run.steps = 1000
    run.submit()
    run.wait_for_step(2)
    before = len(run.steps_done)
    run.cluster.kill_node("n1")
    # run.heartbeat_timeout_minutes is 1; srun leaves the other node as long to end by itself.
    # Then the job is over, except that Slurm waits for a word of the dead node.
    run.wait_for_state(60 + 60 + 60, "COMPLETING", "FAILED")
    assert re.search(
        r"\[rank 0\] .*rank 1 \(process \d+ on \S+, last in stage \w+\) has given", run.log
    )
    assert "megatron_urpo/trainer.py" in run.log  # the stack of the rank that was left
    saved = len(run.steps_done)
    assert saved >= before

    run.cluster.start_node("n1")
    run.wait_for_state(120, "FAILED")
    run.log_path.unlink()
    run.steps = saved + 1
    run.submit()
    run.wait_for_state(START_SECONDS, "COMPLETED")
    assert re.search(r"resuming from \S+/checkpoints/step_0", run.log)
    assert run.steps_done == list(range(1, saved + 2))
