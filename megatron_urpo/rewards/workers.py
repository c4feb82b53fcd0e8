"""A small pool of killable processes with a wall clock a job.

Verifiers may hang or eat memory on what a model wrote, in C code that no Python exception can
interrupt; such work runs in a process that can be killed. The processes are fresh interpreters
(never forks: the caller runs torch and vLLM threads), import only what they serve, start at the
first job and live on. Each has a session of its own, so that it is killed with all its children and
a Ctrl-C at the terminal does not reach it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from megatron_urpo.types import RunError

START_SECONDS = 120.0  # for importing the served module on a busy machine

_BOOTSTRAP = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from megatron_urpo.rewards.worker_process import serve; serve(sys.argv[1])"
)


class Attachment:
    """A JSON value that goes with many jobs: encoded once, by the thread that needs it first."""

    def __init__(self, make: Callable[[], Any]) -> None:
        """Takes what makes the value."""
        self._make = make
        self._lock = threading.Lock()
        self._encoded: bytes | None = None

    def encoded(self) -> bytes:
        """The value as a line."""
        with self._lock:
            if self._encoded is None:
                self._encoded = json.dumps(self._make()).encode() + b"\n"
            return self._encoded


_Job = tuple[Future[Any], str, Attachment | None]


class WorkerError(RuntimeError):
    """A job that has no result: its worker died of it or could not start."""


class WorkerStartError(WorkerError, RunError):
    """A worker that could not start: no job of this pool can succeed."""


class JobTimeoutError(WorkerError):
    """A job that was still running at its wall clock; its worker was killed."""


class WorkerPool:
    """Runs one function in up to `workers` processes."""

    def __init__(self, target: str, workers: int, timeout_seconds: float) -> None:
        """Starts nothing yet.

        Args:
            target: "module:function", importable, JSON value in and JSON value out.
            workers: processes, at least 1.
            timeout_seconds: wall clock of one job, from the moment a ready worker gets it.
        """
        if workers < 1 or timeout_seconds <= 0:
            raise ValueError(
                f"workers = {workers}, timeout_seconds = {timeout_seconds}: must be at least 1 and "
                "greater than 0"
            )
        self._timeout_seconds = timeout_seconds
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._workers = [_Worker(target) for _ in range(workers)]
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, job: Any, attachment: Attachment | None = None) -> Future[Any]:
        """Queue a job (a JSON value); never blocks.

        With an attachment, the function gets its value as a second argument. It must not fail.

        The future's result is the function's; its exception is JobTimeoutError, WorkerStartError,
        or WorkerError where the worker died.

        Raises:
            RuntimeError: the pool is closed.
            TypeError: the job is not a JSON value.
        """
        if self._closed:
            raise RuntimeError("this worker pool is closed")
        request = json.dumps(
            {
                "job": job,
                "timeout_seconds": self._timeout_seconds,
                "is_attached": attachment is not None,
            }
        )
        future: Future[Any] = Future()
        self._jobs.put((future, request, attachment))
        if not self._threads:
            # Daemons: queued jobs must not keep a program alive that wants to end.
            self._threads = [
                threading.Thread(target=self._run_jobs, args=(worker,), daemon=True)
                for worker in self._workers
            ]
            for thread in self._threads:
                thread.start()
        return future

    def close(self) -> None:
        """Cancel what is queued, kill the processes and wait for them. May be called twice."""
        self._closed = True
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is not None:
                job[0].cancel()
        for _ in self._threads:
            self._jobs.put(None)
        for worker in self._workers:
            worker.interrupt()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _run_jobs(self, worker: _Worker) -> None:
        """What a thread does; its worker's pipes are its own."""
        while (job := self._jobs.get()) is not None:
            future, request, attachment = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                attached = b"" if attachment is None else attachment.encoded()
                lines = request.encode() + b"\n" + attached
                future.set_result(worker.call(lines, self._timeout_seconds))
            except WorkerError as error:
                future.set_exception(error)
            finally:
                if not future.done():  # whoever waits must not wait for a thread that ended
                    future.set_exception(WorkerError("the thread of this worker ended"))
        worker.kill()


class _Worker:
    """One process, started by its first call and started again after it was killed."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()  # over which process is current
        self._closed = False

    def call(self, request: bytes, timeout_seconds: float) -> Any:
        """The reply to the lines of one request.

        Raises:
            JobTimeoutError, WorkerStartError, WorkerError: as named; the process is gone then.
        """
        process = self._process or self._start()
        try:
            assert process.stdin is not None
            process.stdin.write(request)
            process.stdin.flush()
            return _read_reply(process, time.monotonic() + timeout_seconds)
        except TimeoutError:
            self.kill()
            raise JobTimeoutError(f"no result within {timeout_seconds:g} s") from None
        except (BrokenPipeError, EOFError):
            raise WorkerError(f"the worker died with exit code {self.kill()}") from None

    def interrupt(self) -> None:
        """End the process under a call, from another thread: the call fails, others are refused."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def kill(self) -> int | None:
        """Kill the process and its children; its exit code, None if there was none."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return None
        os.killpg(process.pid, signal.SIGKILL)  # not yet waited for, so the group exists
        with process, contextlib.suppress(BrokenPipeError):
            assert process.stdin is not None
            process.stdin.close()  # may still hold a request that the process never read
        return process.returncode

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", _BOOTSTRAP, self._target, *sys.path]
        with self._lock:
            if self._closed:
                raise WorkerError("this worker pool is closed")
            try:
                self._process = process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    start_new_session=True,
                )
            except OSError as error:
                raise WorkerStartError(f"cannot start {sys.executable}: {error}") from error
        try:
            _read_reply(process, time.monotonic() + START_SECONDS)
        except TimeoutError:
            self.kill()
            raise WorkerStartError(
                f"the worker for {self._target} was not ready after {START_SECONDS:g} s"
            ) from None
        except EOFError:
            raise WorkerStartError(
                f"the worker for {self._target} ended at its start with exit code {self.kill()}; "
                "its error is on stderr"
            ) from None
        return process


def _read_reply(process: subprocess.Popen[bytes], deadline: float) -> Any:
    """The JSON value of one line of the process's output.

    Raises:
        TimeoutError: no whole line before `deadline` (time.monotonic()).
        EOFError: the process closed its output.
    """
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    poll = select.poll()  # select() fails above 1024 descriptors
    poll.register(descriptor, select.POLLIN)
    line = bytearray()
    while not line.endswith(b"\n"):
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not poll.poll(remaining * 1000):
            raise TimeoutError
        chunk = os.read(descriptor, 65536)
        if not chunk:
            raise EOFError
        line += chunk
    return json.loads(line)
