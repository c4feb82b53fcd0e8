"""Saves to a directory where the first of two ranks cannot write one file, and then can.

failing_save_worker.py MODEL_DIRECTORY RUN
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from megatron_urpo.checkpoints.run import RunCheckpoints
from megatron_urpo.checkpoints.store import CheckpointError
from megatron_urpo.config import Config, ModelConfig, OptimizerConfig, RunConfig
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.checkpoint_writing import CheckpointWriting
from megatron_urpo.training.policy import Policy

# Of rank 0 alone: before the plan is shared, and after all have written.
FILES = ("common.pt", ".metadata.tmp", "metadata.json")


def main() -> None:
    model, directory = (Path(argument) for argument in sys.argv[1:])
    torch.set_num_threads(1)
    config = Config(
        run=RunConfig(directory=str(directory), distributed_timeout_minutes=1),
        model=ModelConfig(path=str(model)),
    )
    parallel = parallelism.initialize(config)
    policy = Policy.from_pretrained(config, parallel, OptimizerConfig(lr=1e-2))
    checkpoints = RunCheckpoints(directory, config, policy, parallel)
    checkpoints.resume()
    for step, file in enumerate(FILES, start=1):
        manifest = checkpoints._manifest(step, {"policy_version": step, "data_state": {}})

        def begin(there: Path, file: str = file) -> CheckpointWriting:
            parallel.on_main((there / file).mkdir)
            return policy.begin_save(there)

        try:
            checkpoints.store.begin(manifest, begin)
            checkpoints.store.finish()
        except CheckpointError as error:
            # At one go, so that no other rank's line comes between.
            sys.stderr.write(f"rank {parallel.rank}: {error}\n")
    checkpoints.save(len(FILES) + 1, policy_version=1, data_state={})
    parallelism.shutdown()


if __name__ == "__main__":
    main()
