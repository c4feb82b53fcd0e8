"""Trains one step under layouts of two ranks; leaves run directories, and exports to compare.

The first of the runs is resumed under the layout of the second.

checkpoint_worker.py MODEL_DIRECTORY RUNS
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from megatron_urpo.batching import pack_mini_batch
from megatron_urpo.checkpoints.files import SavedCheckpoint
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

DATA_STATE = {"position": 7}
LAYOUTS = {"tensor": TENSOR, "virtual": VIRTUAL}


def config_of(model: Path, directory: Path, layout: dict[str, Any]) -> Config:
    return Config(
        run=RunConfig(directory=str(directory)),
        model=ModelConfig(path=str(model)),
        training=TrainingConfig(**layout),
    )


def resume(config: Config) -> tuple[Policy, RunCheckpoints, SavedCheckpoint | None]:
    """The run of a configuration, as its trainer begins it."""
    parallel = parallelism.initialize(config)
    policy = Policy.from_pretrained(config, parallel, OptimizerConfig(lr=1e-2))
    checkpoints = RunCheckpoints(Path(config.run.directory), config, policy, parallel)
    return policy, checkpoints, checkpoints.resume()


def train(model: Path, directory: Path, layout: dict[str, Any]) -> None:
    policy, checkpoints, saved = resume(config_of(model, directory, layout))
    assert saved is None
    batches = pack_mini_batch(
        [random_group(0, 7, (5, 9)), random_group(1, 3, (4, 2))],
        BatchingConfig(micro_batch_tokens=20),
        policy.packing,
        policy.parallel.data_parallel_rank,
    )
    policy.update(batches, [scores.logprobs for scores in policy.logprobs(batches)], 1e-2)
    checkpoints.save(1, policy_version=1, data_state=DATA_STATE)
    policy.export(directory / "export")
    state_bytes = policy.state_bytes()
    if policy.parallel.is_main:
        (directory / "state_bytes").write_text(str(state_bytes))
    leave_layout()


def resume_under_another_layout(model: Path, directory: Path, layout: dict[str, Any]) -> None:
    policy, checkpoints, saved = resume(config_of(model, directory, layout))
    assert saved is not None
    assert (saved.manifest.step, saved.manifest.data_state) == (1, DATA_STATE)
    assert saved.manifest.layout["tensor_model_parallel_size"] == 2
    policy.export(directory / "export-resumed")
    checkpoints.save(2, policy_version=2, data_state=DATA_STATE)


def main() -> None:
    model, runs = (Path(argument) for argument in sys.argv[1:])
    torch.set_num_threads(1)
    for name, layout in LAYOUTS.items():
        train(model, runs / name, layout)
    resume_under_another_layout(model, runs / "tensor", VIRTUAL)
    parallelism.shutdown()


if __name__ == "__main__":
    main()
