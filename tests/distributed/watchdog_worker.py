"""One rank that meets the others at a barrier, except that rank 1 does not come.

watchdog_worker.py WHAT_RANK_1_DOES
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

import torch.distributed as dist

from megatron_urpo.config import RunConfig
from megatron_urpo.launch_environment import read_torch_rank
from megatron_urpo.metrics import Timers
from megatron_urpo.stop_request import StopRequest
from megatron_urpo.watchdog import Watchdog

STAGE_TIMEOUT, HEARTBEAT_TIMEOUT = 6.0, 4.0  # seconds
ENDLESS = 3600


def hang() -> None:
    time.sleep(ENDLESS)


def stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def block() -> None:
    """Sleeps in C with the interpreter's lock held: no other thread of Python runs."""
    ctypes.PyDLL(None).sleep(ENDLESS)


def fail() -> None:
    raise ArithmeticError("rank 1 cannot go on")


def come() -> None:
    """As the others do."""
    dist.barrier()


def main(action: str) -> None:
    config = RunConfig(
        stage_timeout_minutes=STAGE_TIMEOUT / 60, heartbeat_timeout_minutes=HEARTBEAT_TIMEOUT / 60
    )
    timers = Timers()
    with Watchdog(config, read_torch_rank(os.environ)) as watchdog:
        dist.init_process_group("gloo")
        with StopRequest(), watchdog.follow(timers), timers("run"):
            for _ in range(4 if action == "come" else 1):  # each within the limit, their sum not
                with timers("batching"):
                    dist.barrier()
                    time.sleep(0.3 * STAGE_TIMEOUT)
            with timers("rollout"):
                globals()[action]() if dist.get_rank() == 1 else dist.barrier()
        dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
