"""Training steps in bf16 and in FP8 on a few layers with the sizes of Qwen3-8B.

    python -m benchmarks.fp8 [--recipes tensorwise blockwise] [--layers 4]

For each precision the same weights and the same packed batch: seconds of a step (old log-probs not
counted), its speed against bf16, how far its log-probs are from those of bf16, the losses of the
first steps, and the peak of device memory. Raw numbers go to benchmarks/results/fp8.json. Needs one
GPU; without one `--recipes` has to be empty, and only bf16 on the local layers is timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from benchmarks.machine import describe_machine
from megatron_urpo.batching import PackingLayout, pack_mini_batch
from megatron_urpo.config import (
    BatchingConfig,
    Config,
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
)
from megatron_urpo.environment import environment_record
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.policy import Policy
from megatron_urpo.types import Float32Array, MicroBatch, TaskKind, TrainingGroup

RESULTS = Path(__file__).resolve().parent / "results" / "fp8.json"
QWEN3_8B: dict[str, Any] = {
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
}
LEARNING_RATE = 1e-5
STEPS = 6  # of which the first two compile and choose kernels


@dataclass(frozen=True, slots=True)
class Measurement:
    """One precision on one batch."""

    name: str
    tokens: int  # of a step, padding included
    seconds: float  # median of an update's steps after the first two
    tokens_per_second: float  # packed tokens, forward and backward
    losses: list[float]  # of every step
    logprobs: Float32Array  # (L,) before the first step
    peak_gib: float  # of device memory; 0 on the CPU


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="*", default=["delayed", "tensorwise", "blockwise"])
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--hidden-size", type=int, default=QWEN3_8B["hidden_size"])
    parser.add_argument("--vocab-size", type=int, default=QWEN3_8B["vocab_size"])
    parser.add_argument("--tokens", type=int, default=16384, help="of a micro-batch, at most")
    arguments = parser.parse_args()
    sizes = {"hidden_size": arguments.hidden_size, "vocab_size": arguments.vocab_size}
    choices = {"bf16": TrainingConfig()}
    choices |= {name: TrainingConfig(fp8="hybrid", fp8_recipe=name) for name in arguments.recipes}
    with tempfile.TemporaryDirectory() as directory:
        write_stack(Path(directory), arguments.layers, **sizes)
        measurements = [
            measure(name, Path(directory), training, arguments.tokens)
            for name, training in choices.items()
        ]
    record = {
        "machine": describe_machine(),
        "environment": environment_record(),
        "sizes": QWEN3_8B | sizes | {"num_hidden_layers": arguments.layers},
        "precisions": [compare(measurements[0], other) for other in measurements],
    }
    print_record(record)
    if torch.cuda.is_available():
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(record, indent=1) + "\n")


def write_stack(directory: Path, layers: int, **sizes: int) -> None:
    """A random bf16 model with the sizes of Qwen3-8B but for its depth; the same every time."""
    torch.manual_seed(0)
    config = transformers.Qwen3Config(**(QWEN3_8B | sizes | {"num_hidden_layers": layers}))
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(directory)


@contextmanager
def open_policy(directory: Path, training: TrainingConfig) -> Iterator[tuple[Policy, Parallel]]:
    """A policy alone, without an engine beside it."""
    config = Config(
        model=ModelConfig(path=str(directory)),
        data=DataConfig(max_prompt_tokens=1024),
        training=training,
    )
    parallel = parallelism.initialize(config)
    try:
        yield Policy.from_pretrained(config, parallel, OptimizerConfig(lr=LEARNING_RATE)), parallel
    finally:
        parallelism.shutdown()


def make_batches(tokens: int, vocab_size: int, pad_multiple: int) -> list[MicroBatch]:
    """Micro-batches of at most `tokens` random tokens, two or three, of unequal sequences."""
    rng = np.random.default_rng(0)
    prompt, longest = tokens // 32, tokens // 8
    groups: list[TrainingGroup] = []
    while sum(g.num_tokens + len(g.response_ids) * prompt for g in groups) < 1.9 * tokens:
        lengths = rng.integers(longest // 4, longest, size=4)
        groups.append(
            TrainingGroup(
                index=len(groups),
                kind=TaskKind.REASONING,
                prompt_ids=rng.integers(0, vocab_size, prompt),
                response_ids=tuple(rng.integers(0, vocab_size, length) for length in lengths),
                rollout_logprobs=tuple(np.zeros(length, dtype=np.float32) for length in lengths),
                advantages=rng.normal(size=4),
            )
        )
    layout = PackingLayout(pad_multiple=pad_multiple, share_prefix=False)
    return pack_mini_batch(groups, BatchingConfig(micro_batch_tokens=tokens), layout)


def measure(name: str, directory: Path, training: TrainingConfig, tokens: int) -> Measurement:
    """The steps of one precision from the weights of `directory`."""
    with open_policy(directory, training) as (policy, parallel):
        batches = make_batches(tokens, policy.shape.vocab_size, parallel.pad_multiple)
        if parallel.platform.is_cuda:
            torch.cuda.reset_peak_memory_stats()
        scores = [score.logprobs for score in policy.logprobs(batches)]
        losses, seconds = [], []
        for _ in range(STEPS):
            parallel.platform.synchronize()
            started = time.perf_counter()
            losses.append(policy.update(batches, scores, LEARNING_RATE).loss)
            parallel.platform.synchronize()
            seconds.append(time.perf_counter() - started)
        median = statistics.median(seconds[2:])
        tokens_of_step = sum(len(batch.token_ids) for batch in batches)
        return Measurement(
            name=name,
            tokens=tokens_of_step,
            seconds=median,
            tokens_per_second=tokens_of_step / median,
            losses=losses,
            logprobs=torch.cat(scores).cpu().numpy(),
            peak_gib=torch.cuda.max_memory_allocated() / 2**30 if parallel.platform.is_cuda else 0,
        )


def compare(reference: Measurement, other: Measurement) -> dict[str, Any]:
    """Numbers of one precision, and against bf16."""
    difference = np.abs(other.logprobs.astype(np.float64) - reference.logprobs)
    record = asdict(other)
    del record["logprobs"]
    return record | {
        "speed_ratio": reference.seconds / other.seconds,
        "mean_logprob_difference": float(difference.mean()),
        "max_logprob_difference": float(difference.max()),
    }


def print_record(record: dict[str, Any]) -> None:
    """The table."""
    print(f"\n{record['machine']}\n")
    print(f"{'':<12} {'s/step':>8} {'tokens/s':>10} {'speed':>7} {'GiB':>7}  |log-prob - bf16|")
    rows: Sequence[dict[str, Any]] = record["precisions"]
    for row in rows:
        print(
            f"{row['name']:<12} {row['seconds']:8.3f} {row['tokens_per_second']:10,.0f} "
            f"{row['speed_ratio']:6.2f}x {row['peak_gib']:7.1f}  mean "
            f"{row['mean_logprob_difference']:.4f}, max {row['max_logprob_difference']:.3f}"
        )


if __name__ == "__main__":
    main()
