"""Trains one step under layouts of two ranks; leaves run directories, and exports to compare.

checkpoint_worker.py MODEL_DIRECTORY RUNS
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from megatron_urpo.batching import pack_mini_batch
from megatron_urpo.checkpoints.run import RunCheckpoints
from megatron_urpo.config import (
    BatchingConfig,
    Config,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.policy import Policy
from tests.distributed.next_layout import leave_layout
from tests.distributed.training_worker import TENSOR, VIRTUAL
from tests.small_models import random_group

LAYOUTS = {"tensor": TENSOR, "virtual": VIRTUAL}


def train(model: Path, directory: Path, layout: dict[str, Any]) -> None:
    config = Config(
        run=RunConfig(directory=str(directory)),
        model=ModelConfig(path=str(model)),
        training=TrainingConfig(**layout),
    )
    parallel = parallelism.initialize(config)
    policy = Policy.from_pretrained(config, parallel, OptimizerConfig(lr=1e-2))
    checkpoints = RunCheckpoints(directory, config, policy, parallel)
    checkpoints.resume()
    batches = pack_mini_batch(
        [random_group(0, 7, (5, 9)), random_group(1, 3, (4, 2))],
        BatchingConfig(micro_batch_tokens=20),
        policy.packing,
        parallel.data_parallel_rank,
    )
    policy.update(batches, [scores.logprobs for scores in policy.logprobs(batches)], 1e-2)
    checkpoints.save(1, policy_version=1, data_state={})
    policy.export(directory / "export")
    leave_layout()


def main() -> None:
    model, runs = (Path(argument) for argument in sys.argv[1:])
    torch.set_num_threads(1)
    for name, layout in LAYOUTS.items():
        train(model, runs / name, layout)
    parallelism.shutdown()


if __name__ == "__main__":
    main()
