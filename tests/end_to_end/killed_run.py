"""A run of the command line that is killed (SIGKILL) at a chosen call.

python -m tests.end_to_end.killed_run POINT NTH <arguments of urpo>

The process ends inside the NTH call of POINT: nothing is flushed, no handler runs.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from megatron_urpo import cli, trainer
from megatron_urpo.checkpoints import store
from megatron_urpo.metrics import MetricsWriter
from megatron_urpo.monitoring import monitor
from megatron_urpo.rollout.engine import VLLMEngine
from megatron_urpo.rollout.referee import GenerativeReferee
from megatron_urpo.rollout_log import RolloutLog
from megatron_urpo.training import policy
from megatron_urpo.training.optimizer import Optimizer

# Name -> owner and attribute; the kill comes before the call does anything.
POINTS: dict[str, tuple[Any, str]] = {
    "rollout": (VLLMEngine, "step"),
    "judgement": (GenerativeReferee, "read"),
    "rollout log": (RolloutLog, "write"),
    "old log-probs": (policy.Policy, "logprobs"),
    "update": (Optimizer, "step"),
    "sync": (VLLMEngine, "reset_prefix_cache"),  # weights loaded, cache not reset
    "before save": (policy.Policy, "save"),
    "checksums": (store, "flush_and_checksum"),  # tensors written, no manifest
    "publish": (store, "publish"),
    "metrics": (MetricsWriter, "log"),
    "learn": (trainer.Trainer, "learn"),
}
# Those that only a run with monitoring.every passes.
MONITORING_POINTS: dict[str, tuple[Any, str]] = {
    "baseline": (monitor, "write_baseline"),  # judged, not kept
    "monitoring": (monitor.RefereeMonitor, "measure"),
}


def kill_at(point: str, nth: int) -> None:
    """Arms the NTH call of a point."""
    owner, name = (POINTS | MONITORING_POINTS)[point]
    original = getattr(owner, name)
    calls = 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, name, counted)


if __name__ == "__main__":
    kill_at(sys.argv[1], int(sys.argv[2]))
    sys.exit(cli.main(sys.argv[3:]))
