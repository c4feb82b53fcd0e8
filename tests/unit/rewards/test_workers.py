"""The worker pool: results, wall clock, dead workers, clean ends. No process outlives a test."""

import os
import signal
import threading
import time
from concurrent.futures import CancelledError

import psutil
import pytest

from megatron_urpo.rewards.workers import (
    Attachment,
    JobTimeoutError,
    WorkerError,
    WorkerPool,
    WorkerStartError,
)

JOBS = "tests.unit.rewards.worker_jobs"


@pytest.fixture
def pool_of():
    pools = []

    def make(function, workers=1, timeout_seconds=30.0):
        pools.append(WorkerPool(f"{JOBS}:{function}", workers, timeout_seconds))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def is_running(pid):
    """Whether a process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited 30 s in vain"
        time.sleep(0.01)


def test_results_come_back_whole_and_in_their_futures(pool_of):
    pool = pool_of("echo", workers=2)
    jobs = ["é\ud800\n", {"a": [1, None]}, "x" * 3_000_000, *range(20)]
    futures = [pool.submit(job) for job in jobs]
    assert [future.result() for future in futures] == jobs


def test_an_attachment_is_encoded_once_and_not_by_who_submits(pool_of):
    threads = []

    def make():
        threads.append(threading.current_thread())
        return {"large": "é" * 100_000}

    pool, attachment = pool_of("pair", workers=2), Attachment(make)
    futures = [pool.submit(job, attachment) for job in range(10)]
    results = [future.result() for future in futures]
    assert results == [[job, {"large": "é" * 100_000}] for job in range(10)]
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_stop_request_to_all_processes_of_a_job_leaves_the_workers(pool_of, number):
    pool = pool_of("process_id")
    pid = pool.submit(None).result()
    os.kill(pid, number)
    assert pool.submit(None).result() == pid


def test_workers_live_on_and_share_the_jobs(pool_of):
    pool = pool_of("process_id", workers=2)
    pids = {pool.submit(None).result() for _ in range(10)}
    assert 1 <= len(pids) <= 2
    assert os.getpid() not in pids
    assert all(map(is_running, pids))
    pool.close()
    assert not any(map(is_running, pids))


def test_a_worker_loads_no_heavy_library(pool_of):
    heavy = ["torch", "vllm", "megatron", "transformers", "numpy"]
    assert pool_of("loaded").submit(heavy).result() == []


@pytest.mark.parametrize("job", ["hang", "hang in C"])
def test_a_hanging_job_times_out_and_the_next_one_runs(pool_of, job):
    pool = pool_of("behave", timeout_seconds=1.0)
    hanging, following = pool.submit(job), pool.submit("next")
    with pytest.raises(JobTimeoutError, match="no result within 1 s"):
        hanging.result()
    assert following.result() == "next"


@pytest.mark.parametrize("job", ["die", "raise"])
def test_a_dead_worker_is_an_error_and_is_replaced(pool_of, job):
    pool = pool_of("behave")
    dying, following = pool.submit(job), pool.submit("next")
    with pytest.raises(WorkerError, match="the worker died with exit code"):
        dying.result()
    assert following.result() == "next"


def test_a_worker_is_killed_with_its_children(pool_of, tmp_path):
    child_file = tmp_path / "child"
    with pytest.raises(JobTimeoutError):
        pool_of("behave", timeout_seconds=2.0).submit({"child_file": str(child_file)}).result()
    wait_until(lambda: not is_running(int(child_file.read_text())))


def test_memory_is_limited(pool_of):
    pool = pool_of("take_memory")
    assert pool.submit(1 << 20).result() == 1 << 20
    with pytest.raises(WorkerError):
        pool.submit(1 << 40).result()


def test_a_function_that_cannot_be_imported_is_said(pool_of):
    with pytest.raises(WorkerStartError, match="worker_jobs:missing ended at its start"):
        pool_of("missing").submit(1).result()


def test_closing_cancels_the_queue_and_ends_what_runs(pool_of):
    pool = pool_of("behave")
    pool.submit("warm up").result()
    running, queued = pool.submit("hang"), pool.submit("never runs")
    wait_until(running.running)
    pool.close()
    with pytest.raises(WorkerError):
        running.result()
    with pytest.raises(CancelledError):
        queued.result()
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit("too late")
    pool.close()


def test_a_pool_that_was_never_used_starts_nothing(pool_of):
    before = psutil.Process().children()
    pool = pool_of("missing")
    assert psutil.Process().children() == before
    pool.close()


def test_a_job_that_is_no_json_is_refused_at_once(pool_of):
    with pytest.raises(TypeError, match="not JSON serializable"):
        pool_of("echo").submit({1, 2})


@pytest.mark.parametrize(("workers", "timeout_seconds"), [(0, 1.0), (1, 0.0)])
def test_impossible_pools_are_refused(workers, timeout_seconds):
    with pytest.raises(ValueError, match=f"workers = {workers}"):
        WorkerPool(f"{JOBS}:echo", workers, timeout_seconds)
