"""Measured and predicted memory of a training configuration, component by component.

measured_memory.py DIRECTORY CASE...     under torchrun; the directory holds a model for each case
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

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
from megatron_urpo.layout import layout_of
from megatron_urpo.planning.activations import TrainingLoad, saved_activations
from megatron_urpo.planning.checkpoint_memory import copied_components, loaded_components
from megatron_urpo.planning.memory import (
    logprobs_components,
    optimizer_components,
    reference_components,
    static_components,
    sync_components,
    update_components,
)
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.policy import Policy
from megatron_urpo.types import MicroBatch, TaskKind, TrainingGroup
from tests.allocations import measure, saved_by_autograd
from tests.distributed.next_layout import leave_layout


@dataclass(frozen=True)
class Case:
    """A model, and a mini-batch of equal groups."""

    family: type
    model: dict[str, Any]
    prompt: int
    response: int
    group_size: int
    groups: int = 1
    dtype: str = "float32"
    recompute: str = "none"
    chunk_tokens: int = 1024
    budget: int = 4096
    kl_beta: float = 0.0
    layout: dict[str, Any] = field(default_factory=dict)

    def write_model(self, directory: Path) -> Path:
        fields = {"max_position_embeddings": 4096, "tie_word_embeddings": False} | self.model
        model = transformers.AutoModelForCausalLM.from_config(
            self.family(**fields), dtype=torch.float32
        )
        model.save_pretrained(directory)
        return directory

    def config(self, directory: Path) -> Config:
        return Config(
            model=ModelConfig(path=str(directory), params_dtype=self.dtype),
            training=TrainingConfig(
                recompute_granularity=self.recompute,
                logprob_chunk_tokens=self.chunk_tokens,
                kl_beta=self.kl_beta,
                **self.layout,
            ),
            batching=BatchingConfig(micro_batch_tokens=self.budget),
            weight_sync=WeightSyncConfig(bucket_mib=1),
        )

    def mini_batch(self) -> list[TrainingGroup]:
        rng = np.random.default_rng(0)
        vocabulary, count = self.model["vocab_size"], self.group_size
        return [
            TrainingGroup(
                index=index,
                kind=TaskKind.REASONING,
                prompt_ids=rng.integers(0, vocabulary, self.prompt),
                response_ids=tuple(rng.integers(0, vocabulary, (count, self.response))),
                rollout_logprobs=tuple(np.zeros((count, self.response), np.float32)),
                advantages=rng.normal(size=count),
            )
            for index in range(self.groups)
        ]


def _measure_saves(
    policy: Policy, place: tuple[Any, ...], directory: Path
) -> dict[str, tuple[float, float]]:
    """Copies of a save that is waited for, and of one in the background, and what is read to
    resume; of one rank alone."""
    values: dict[str, tuple[float, float]] = {}
    for name, begin, background in (
        ("checkpoint", policy.save, False),
        ("checkpoint in the background", policy.begin_save, True),
    ):
        target = directory / name
        target.mkdir()
        saved = measure(partial(begin, target))
        if background:
            saved.result.finish()
        copies = copied_components(*place, background=background)
        values[name] = (saved.peak, sum(copies.values()))
    resumed = measure(partial(policy.load, directory / "checkpoint"))
    values["resume"] = (resumed.peak, sum(loaded_components(*place).values()))
    return values


def compare(case: Case, directory: Path) -> dict[str, tuple[float, float]]:
    """(measured, predicted) bytes of every component, on this rank."""
    config = case.config(directory)
    parallel = parallelism.initialize(config)
    policy = Policy.from_pretrained(config, parallel, OptimizerConfig(lr=1e-4))
    packed = pack_mini_batch(
        case.mini_batch(), config.batching, policy.packing, parallel.data_parallel_rank
    )
    policy.logprobs(packed)  # masks are made once and kept
    runs = 1 if parallel.world_size == 1 else 3
    scored = measure(lambda: policy.logprobs(packed), runs)
    old = [scores.logprobs for scores in scored.result]
    references = referenced = None
    if case.kl_beta:
        referenced = measure(lambda: policy.reference_logprobs(packed))
        references = referenced.result

    def update() -> None:
        policy.update(packed, old, 1e-4, references)

    update()  # makes the optimizer's state
    updated = measure(update, runs)
    # Many buckets follow one another at once: of thirty runs some let every buffer go in time.
    synced = measure(lambda: _exhaust(policy.hf_weights()), 10 * runs if runs > 1 else 1)

    shape, layout = policy.shape, layout_of(config, parallel.world_size)
    load = _load(case, packed)
    stage = parallel.pipeline_parallel_rank
    place = (shape, layout, load, stage)
    static = static_components(*place)
    predicted_update = [
        sum(part(*place).values()) - sum(static.values())
        for part in (update_components, optimizer_components)
    ]
    weights, gradients = _bytes(policy._parameters()), _bytes(_main_gradients(policy))
    values: dict[str, tuple[float, float]] = {
        "weights": (weights, static["weights"]),
        "gradients": (gradients, static["gradients"]),
        "optimizer": (_optimizer_bytes(policy), static["optimizer"]),
        "log-probs": (scored.peak, logprobs_components(*place)["log-probs"]),
        "update": (updated.peak, max(predicted_update)),
        "sync buckets": (
            synced.peak,
            sync_components(*place, config.weight_sync.bucket_mib)["sync buckets"],
        ),
    }
    if referenced is not None:
        components = reference_components(*place)
        predicted = components["log-probs"] + components["weights set aside"]
        values["reference log-probs"] = (referenced.peak, predicted)
    if parallel.world_size == 1:
        values |= _measure_saves(policy, place, directory)
    if len(packed) == 1 and case.recompute == "none":
        # The rows of tokens that the embedding keeps are the batch's own.
        measured = saved_by_autograd(update, policy._parameters())
        values["activations"] = (measured, saved_activations(*place))
    leave_layout()
    return values


def _load(case: Case, packed: list[MicroBatch]) -> TrainingLoad:
    largest = max(packed, key=lambda batch: len(batch.token_ids))
    return TrainingLoad(
        tokens=len(largest.token_ids),
        loss_tokens=largest.num_loss_tokens,
        prompt_tokens=case.prompt,
        response_tokens=case.response,
        branches=case.group_size,
        implementation="local",
        element_bytes=2 if case.dtype == "bfloat16" else 4,
        recompute_granularity=case.recompute,
        logprob_chunk_tokens=case.chunk_tokens,
        micro_batches=len(packed),
        keeps_reference=case.kl_beta > 0,
    )


def _optimizer_bytes(policy: Policy) -> int:
    """Adam's moments, and master weights that are not the weights themselves."""
    adam = policy._optimizer.distributed.optimizer
    moments = [state[name] for state in adam.state.values() for name in ("exp_avg", "exp_avg_sq")]
    weights = {p.untyped_storage().data_ptr() for p in policy._parameters()}
    masters = [p for group in adam.param_groups for p in group["params"]]
    return _bytes(moments) + _bytes(
        p for p in masters if p.untyped_storage().data_ptr() not in weights
    )


def _main_gradients(policy: Policy) -> list[torch.Tensor]:
    return [p.main_grad for chunk in policy._chunks for p in chunk.parameters()]


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


def _exhaust(items: Iterable[Any]) -> None:
    for _ in items:
        pass


SIZES = {"num_attention_heads": 4, "num_key_value_heads": 2}
# The formulas were derived with other depths, widths, vocabularies, budgets and group sizes.
ONE_RANK = {
    "llama": Case(
        transformers.LlamaConfig,
        {"vocab_size": 2003, "hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 5,
         "num_attention_heads": 6, "num_key_value_heads": 3},
        prompt=100, response=170, group_size=4, kl_beta=0.1,
    ),
    "llama_tied": Case(
        transformers.LlamaConfig,
        SIZES | {"vocab_size": 12000, "hidden_size": 128, "intermediate_size": 344,
                 "num_hidden_layers": 2, "tie_word_embeddings": True},
        prompt=150, response=90, group_size=3, dtype="bfloat16", chunk_tokens=100,
    ),
    "qwen3_recomputed": Case(
        transformers.Qwen3Config,
        SIZES | {"vocab_size": 3000, "hidden_size": 160, "intermediate_size": 480,
                 "num_hidden_layers": 6, "head_dim": 64},
        prompt=300, response=140, group_size=5, dtype="bfloat16", recompute="full",
    ),
    "qwen2_micro_batches": Case(
        transformers.Qwen2Config,
        {"vocab_size": 4000, "hidden_size": 256, "intermediate_size": 700, "num_hidden_layers": 3,
         "num_attention_heads": 8, "num_key_value_heads": 1},
        prompt=64, response=130, group_size=8, groups=3, dtype="bfloat16", chunk_tokens=512,
        budget=1200, kl_beta=0.1,
    ),
}  # fmt: skip
# Two ranks each; run by tests/distributed/test_measured_memory.py.
TWO_RANKS = {
    "sequence": Case(
        transformers.Qwen3Config,
        SIZES | {"vocab_size": 3000, "hidden_size": 256, "intermediate_size": 512,
                 "num_hidden_layers": 4, "head_dim": 64},
        prompt=60, response=200, group_size=4, dtype="bfloat16",
        layout={"tensor_model_parallel_size": 2, "sequence_parallel": True},
    ),
    "data": Case(
        transformers.LlamaConfig,
        SIZES | {"vocab_size": 9000, "hidden_size": 128, "intermediate_size": 400,
                 "num_hidden_layers": 2},
        prompt=50, response=120, group_size=5, groups=2, dtype="bfloat16",
    ),
    "virtual": Case(
        transformers.LlamaConfig,
        SIZES | {"vocab_size": 2000, "hidden_size": 128, "intermediate_size": 352,
                 "num_hidden_layers": 8},
        prompt=40, response=160, group_size=4, groups=4, budget=700,
        layout={"pipeline_model_parallel_size": 2, "virtual_pipeline_model_parallel_size": 2},
    ),
    "context": Case(
        transformers.LlamaConfig,
        SIZES | {"vocab_size": 2000, "hidden_size": 192, "intermediate_size": 512,
                 "num_hidden_layers": 3},
        prompt=80, response=240, group_size=4, dtype="bfloat16",
        layout={"context_parallel_size": 2},
    ),
}  # fmt: skip


def main() -> None:
    directory, *names = sys.argv[1:]
    torch.set_num_threads(1)
    rank = read_torch_rank(os.environ).rank
    for name in names:
        values = compare(TWO_RANKS[name], Path(directory) / name)
        (Path(directory) / f"{name}-{rank}.json").write_text(json.dumps(values))
    parallelism.shutdown()


if __name__ == "__main__":
    main()
