"""Trains a small model and records the results.

Alone it writes the checkpoint; run by torchrun on 2 ranks it goes through the layouts of two, which
load that checkpoint.

training_worker.py MODEL_DIRECTORY CHECKPOINT RESULTS
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from megatron.core import parallel_state

from megatron_urpo.batching import PackingLayout, pack_mini_batch
from megatron_urpo.config import (
    BatchingConfig,
    Config,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
)
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.platform import read_launch
from megatron_urpo.training.policy import Policy
from megatron_urpo.types import TaskKind
from tests.small_models import random_group

LAYOUTS = {
    "data": {},
    "tensor": {"tensor_model_parallel_size": 2},
    "pipeline": {"pipeline_model_parallel_size": 2},
}
# Under data parallelism the first mini-batch leaves one rank with a filler only, and the second
# gives the ranks unequal numbers of tokens and of micro-batches.
MINI_BATCHES = (
    [random_group(0, 7, (5, 1, 9), TaskKind.PREFERENCE)],
    [
        random_group(1, 20, (3, 18), TaskKind.INSTRUCTION),
        random_group(2, 4, (6, 6)),
        random_group(3, 12, (30, 8)),
    ],
)
OPTIMIZER = OptimizerConfig(lr=2e-3, adam_eps=1e-4, clip_grad=0.3, weight_decay=0.1)


def train(directory: Path, layout: dict[str, int], checkpoint: Path, save: bool) -> dict:
    """Two epochs from the pretrained weights, and one more from the checkpoint between them."""
    config = Config(
        model=ModelConfig(path=str(directory), params_dtype="float32"),
        training=TrainingConfig(logprob_chunk_tokens=7, **layout),
    )
    parallel = parallelism.initialize(config)
    policy = Policy.from_pretrained(config, parallel, OPTIMIZER)
    packing = PackingLayout(parallel.data_parallel_size, parallel.pad_multiple)
    batching = BatchingConfig(micro_batch_tokens=50)
    packed = [
        pack_mini_batch(groups, batching, packing, parallel.data_parallel_rank)
        for groups in MINI_BATCHES
    ]
    old = [[scores.logprobs for scores in policy.logprobs(batches)] for batches in packed]

    def epoch() -> list:
        return [
            policy.update(batches, logprobs, OPTIMIZER.lr)
            for batches, logprobs in zip(packed, old, strict=True)
        ]

    first = epoch()
    if save:
        checkpoint.mkdir()
        policy.save(checkpoint)
    second = epoch()
    weights = {name: tensor.clone() for name, tensor in policy.hf_weights()}
    policy.load(checkpoint)
    resumed = epoch()
    result = {
        "statistics": first + second,
        "weights": weights,
        "resumed_statistics": resumed,
        "resumed_weights": {name: tensor.clone() for name, tensor in policy.hf_weights()},
        "micro_batches": [[batch.num_loss_tokens for batch in batches] for batches in packed],
    }
    # Not the world itself: torchrun's store lets a process join it only once.
    parallel_state.destroy_model_parallel()
    return result


def main() -> None:
    directory, checkpoint, results = (Path(argument) for argument in sys.argv[1:])
    torch.set_num_threads(1)
    launch = read_launch()
    alone = launch.world_size == 1
    for name, layout in {"alone": {}}.items() if alone else LAYOUTS.items():
        result = train(directory, layout, checkpoint, save=alone)
        torch.save(result, results / f"{name}-{launch.rank}.pt")
    parallelism.shutdown()


if __name__ == "__main__":
    main()
