"""One rank whose default process group moves objects through GPUs, of which this machine has none.

gather_worker.py DIRECTORY: what is gathered from the ranks where a model is measured, which must go
by the host's group. There are no tasks: only the gathering is left of a measurement.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch.distributed as dist

from megatron_urpo.config import Config
from megatron_urpo.evaluation.held_out import HeldOut
from megatron_urpo.monitoring.judge import judge
from megatron_urpo.monitoring.monitor import RefereeMonitor
from megatron_urpo.rollout.gather import gather_indexed, this_replica


class Idle:
    """In place of an engine, an encoder and a scorer that have nothing to do."""

    policy_version = 1
    num_unfinished = 0

    def seed(self, seed):
        pass

    def tick(self):
        pass

    def reset_prefix_cache(self):
        pass

    def abort_all(self):
        pass

    def drain(self):
        return []


class Ranks:
    """As training.parallel.Parallel, over the host's group."""

    def __init__(self, host_group):
        self.rank, self.world_size = dist.get_rank(), dist.get_world_size()
        self.host_group = host_group

    def gather_objects(self, value):
        values = [None] * self.world_size
        dist.all_gather_object(values, value, group=self.host_group)
        return values

    def on_main(self, action):
        if self.rank == 0:
            action()


def say(name: str, found: object) -> None:
    """In one piece: the ranks share the output."""
    os.write(1, f"{name} {found}\n".encode())


def main(directory: Path) -> None:
    dist.init_process_group("cuda:gloo")
    host_group = dist.new_group(backend="gloo")
    config = Config()
    config = replace(config, run=replace(config.run, directory=str(directory)))
    idle = Idle()
    items = [(dist.get_rank(), f"of rank {dist.get_rank()}")]
    say("items", gather_indexed(items, this_replica(1), host_group))
    say("held-out", HeldOut((), idle, idle, idle, config, host_group).evaluate("base", 0).items)
    say("judged", judge([], idle, idle, config, 0, host_group, idle.tick))
    monitor = RefereeMonitor([], idle, idle, config, host_group)
    monitor.begin(0, Ranks(host_group), idle.tick)
    say("monitored", monitor.measure([], 1, idle.tick)["monitoring/all/alarms"])
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
