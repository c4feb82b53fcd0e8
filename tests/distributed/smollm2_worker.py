"""SmolLM2 learns from recorded groups, cut into as many tensor-parallel slices as there are ranks.

smollm2_worker.py MODEL_DIRECTORY DIRECTORY

One rank leaves its weights; several compare theirs with them, tensor by tensor.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from megatron_urpo.launch_environment import read_torch_rank
from megatron_urpo.training import parallel as parallelism
from tests.distributed.training_worker import OPTIMIZER, Run
from tests.recorded_rollouts import recorded_mini_batches

BUDGET = 1200
# Pretrained weights are broken by the rate that random ones need to move.
GENTLE = replace(OPTIMIZER, lr=2e-4)


def squared_distances(run: Run, model: Path, alone: Path) -> dict[str, tuple[float, float]]:
    """By tensor, the squares of its distance from one rank's, and of how far that has moved."""
    found = {}
    with (
        safe_open(model / "model.safetensors", "pt") as start,
        safe_open(alone, "pt") as expected,
    ):
        for name, tensor in run.policy.hf_weights():
            reference = expected.get_tensor(name)
            moved = reference - start.get_tensor(name).float()
            found[name] = (
                float((tensor - reference).square().sum()),
                float(moved.square().sum()),
            )
    return found


def main() -> None:
    model, directory = (Path(argument) for argument in sys.argv[1:])
    torch.set_num_threads(1)
    rank = read_torch_rank(os.environ)
    layout = {"tensor_model_parallel_size": rank.world_size}
    run = Run(model, layout, BUDGET, recorded_mini_batches()[:1], GENTLE)
    result = {"statistics": run.epoch() + run.epoch(), "scores": run.by_branch()}
    alone = directory / "alone.safetensors"
    if rank.world_size == 1:
        save_file(run.weights(), alone)
    else:
        result["distances"] = squared_distances(run, model, alone)
    torch.save(result, directory / f"{rank.world_size}-{rank.rank}.pt")
    parallelism.shutdown()


if __name__ == "__main__":
    main()
