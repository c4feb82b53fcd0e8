"""Trains small models under every layout of this number of ranks and records the results.

Every layout begins with the pretrained weights, and later resumes from the checkpoint that the
layout before it wrote; the first checkpoint is that of one rank alone.

training_worker.py CASE...    each a directory with a model/ and a case.json
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from megatron.core.optimizer.distrib_optimizer import DistributedOptimizer

from megatron_urpo.batching import pack_mini_batch
from megatron_urpo.config import (
    BatchingConfig,
    Config,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
    WeightSyncConfig,
)
from megatron_urpo.launch_environment import read_torch_rank
from megatron_urpo.training import gathered_state as gathering
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.policy import Policy
from megatron_urpo.types import Float32Array, MicroBatch, TaskKind, TrainingGroup
from tests.distributed.next_layout import leave_layout
from tests.recorded_rollouts import recorded_mini_batches, renumbered
from tests.small_models import random_group

TENSOR = {"tensor_model_parallel_size": 2}
SEQUENCE = TENSOR | {"sequence_parallel": True}
PIPELINE = {"pipeline_model_parallel_size": 2}
VIRTUAL = PIPELINE | {"virtual_pipeline_model_parallel_size": 2}
CONTEXT = {"context_parallel_size": 2}
# Several buckets even for a small model.
OVERLAP = {"overlap_grad_reduce": True, "ddp_bucket_size": 3000}
# By number of ranks, in the order in which they resume from one another.
LAYOUTS: dict[int, dict[str, dict[str, Any]]] = {
    1: {"alone": {}},
    2: {
        "data": {},
        "data_overlap": OVERLAP,
        "tensor": TENSOR,
        "sequence": SEQUENCE,
        "pipeline": PIPELINE,
        "virtual": VIRTUAL,
        "context": CONTEXT,
    },
    4: {
        "tensor_pipeline": TENSOR | PIPELINE,
        "tensor_data": TENSOR,
        "tensor_context": TENSOR | CONTEXT,
        "sequence_context": SEQUENCE | CONTEXT,
        "sequence_virtual": SEQUENCE | VIRTUAL,
        "context_pipeline": CONTEXT | PIPELINE,
        "virtual_data_overlap": VIRTUAL | OVERLAP,
    },
}
ORDER = [(world, name) for world, layouts in LAYOUTS.items() for name in layouts]
# Of random tokens. Under data parallelism the first mini-batch leaves one rank with a filler only,
# and the second gives the ranks unequal numbers of tokens and of micro-batches.
MINI_BATCHES = (
    [random_group(0, 7, (5, 1, 9), TaskKind.PREFERENCE)],
    [
        random_group(1, 20, (3, 18), TaskKind.INSTRUCTION),
        random_group(2, 4, (6, 6)),
        random_group(3, 12, (30, 8)),
    ],
)
OPTIMIZER = OptimizerConfig(lr=2e-3, adam_eps=1e-4, clip_grad=0.3, weight_decay=0.1)


@dataclass(frozen=True, slots=True)
class Case:
    """What a model is trained on."""

    family: str
    groups: str  # random, recorded
    budgets: tuple[int, ...]  # tokens of a micro-batch

    def __str__(self) -> str:
        return f"{self.family} {self.groups}"

    def write(self, directory: Path) -> None:
        (directory / "case.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, directory: Path) -> Case:
        return cls(**json.loads((directory / "case.json").read_text()))

    def mini_batches(self) -> Sequence[list[TrainingGroup]]:
        if self.groups == "random":
            return MINI_BATCHES
        mini_batches, _ = renumbered(recorded_mini_batches())
        return mini_batches


class Run:
    """One layout, one budget of tokens, the mini-batches of one step."""

    def __init__(
        self,
        model: Path,
        layout: dict[str, Any],
        budget: int,
        mini_batches: Sequence[list[TrainingGroup]],
        optimizer: OptimizerConfig = OPTIMIZER,
    ) -> None:
        self.config = Config(
            model=ModelConfig(path=str(model), params_dtype="float32"),
            training=TrainingConfig(logprob_chunk_tokens=7, kl_beta=0.3, **layout),
            batching=BatchingConfig(micro_batch_tokens=budget),
            weight_sync=WeightSyncConfig(bucket_mib=1),
        )
        parallel = parallelism.initialize(self.config)
        self.lr = optimizer.lr
        self.policy = Policy.from_pretrained(self.config, parallel, optimizer)
        self.packed = [
            pack_mini_batch(
                groups,
                self.config.batching,
                self.policy.packing,
                parallel.data_parallel_rank,
                kl_beta=self.config.training.kl_beta,
            )
            for groups in mini_batches
        ]
        self.scores = [self.policy.logprobs(batches) for batches in self.packed]
        self.references = [self.policy.reference_logprobs(batches) for batches in self.packed]

    def epoch(self) -> list:
        return [
            self.policy.update(batches, [score.logprobs for score in scores], self.lr, references)
            for batches, scores, references in zip(
                self.packed, self.scores, self.references, strict=True
            )
        ]

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: tensor.clone() for name, tensor in self.policy.hf_weights()}

    def by_branch(self) -> dict[tuple[int, int], tuple[Float32Array, Float32Array]]:
        """Log-probs and entropies of this data-parallel rank, by group and branch."""
        found = {}
        for batches, scores in zip(self.packed, self.scores, strict=True):
            for batch, score in zip(batches, scores, strict=True):
                for key in branches_of(batch):
                    mine = (batch.group_indices == key[0]) & (batch.branch_indices == key[1])
                    found[key] = (score.logprobs.numpy()[mine], score.entropy.numpy()[mine])
        return found


def branches_of(batch: MicroBatch) -> list[tuple[int, int]]:
    pairs = np.stack((batch.group_indices, batch.branch_indices), axis=1)
    return [(int(group), int(branch)) for group, branch in np.unique(pairs, axis=0)]


def gathered_bytes(distributed: DistributedOptimizer) -> int:
    """Memory of the optimizer state that this rank holds to save it."""
    gathered = gathering.gathered_state(distributed)
    return sum(
        states[start:end].untyped_storage().nbytes()
        for number, buffer in enumerate(distributed.buffers)
        for kinds in gathered[number].values()
        for states in kinds.values()
        for start, end, _ in buffer.param_index_map.values()
    )


def train(run: Run, before: Path, own: Path) -> dict:
    """Two epochs from the pretrained weights, with a checkpoint of the moment between them that is
    written during the second; then one more epoch from each of the two checkpoints."""
    pretrained = run.weights()
    first = run.epoch()
    if parallelism.dist.get_rank() == 0:
        own.mkdir()
    parallelism.dist.barrier()
    started = run.policy.begin_save(own)
    second = run.epoch()  # must not be in it
    started.finish()
    weights = run.weights()
    references = [run.policy.reference_logprobs(batches) for batches in run.packed]
    result = {
        "references": run.references,
        "references_again": references,
        "weights_after_references": run.weights(),
        "gathered_bytes": gathered_bytes(run.policy._optimizer.distributed),
        "pretrained": pretrained,
        "statistics": first + second,
        "weights": weights,
        "scores": run.by_branch(),
    }
    for name, checkpoint in (("repeated", own), ("resumed", before)):
        run.policy.load(checkpoint)
        result[f"{name}_statistics"] = run.epoch()
        result[f"{name}_weights"] = run.weights()
    leave_layout()
    return result


def train_all(case: Case, directory: Path) -> None:
    """One case under every layout of this number of ranks."""
    rank = read_torch_rank(os.environ)
    for position, (world, name) in enumerate(ORDER):
        if world != rank.world_size:
            continue
        for budget in case.budgets:
            own = directory / f"checkpoint-{name}-{budget}"
            before = own
            if position:
                before = directory / f"checkpoint-{ORDER[position - 1][1]}-{budget}"
            run = Run(directory / "model", LAYOUTS[world][name], budget, case.mini_batches())
            result = train(run, before, own)
            torch.save(result, directory / f"{name}-{budget}-{rank.rank}.pt")


def main() -> None:
    torch.set_num_threads(1)
    gathering.GATHERED_PIECE_BYTES = 30_000  # several pieces even for a small model
    for argument in sys.argv[1:]:
        directory = Path(argument)
        train_all(Case.read(directory), directory)
    parallelism.shutdown()


if __name__ == "__main__":
    main()
