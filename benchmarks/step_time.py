"""Where the seconds of a step go, next to what this machine could do.

python -m benchmarks.step_time [--config examples/quickstart.toml] [--model DIRECTORY]

One step of phase 2 on fixed seeds, after a step to warm up. Each stage is set against a floor that
is measured in the same run, on the same threads:

    training     floating-point operations a second over those of a large matrix product (MFU)
    rollout      answer tokens a second over those of vLLM's own offline generate on the same
                 prompts, which has no judgements to write
    weight sync  bytes a second over those of a plain copy in memory

Raw numbers go to benchmarks/results/step_time.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.machine import describe_machine
from megatron_urpo.build import open_trainer
from megatron_urpo.config import Config
from megatron_urpo.config.load import load_config
from megatron_urpo.data.prompts import build_prompts
from megatron_urpo.environment import environment_record
from megatron_urpo.trainer import Trainer
from megatron_urpo.types import Prompt

RESULTS = Path(__file__).resolve().parent / "results" / "step_time.json"
STAGES = ("data", "rollout", "rewards", "batching", "training", "weight_sync")


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="examples/quickstart.toml")
    parser.add_argument("--model", default="", help="default: model.path of the configuration")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        overrides = ["--run.directory", directory, "--checkpoint.every", "0"]
        if arguments.model:
            overrides += ["--model.path", arguments.model]
        config = load_config(arguments.config, overrides)
        with open_trainer(config) as trainer:
            record = measure(trainer, config)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    print_record(record)


def measure(trainer: Trainer, config: Config) -> dict[str, object]:
    """The step, then the floors."""
    trainer.state.completed = config.data.phase1_steps  # all three roles
    trainer._sync_weights()
    trainer.run_step()
    position, step_index = trainer.mixture.state(), trainer.state.completed
    values = trainer.run_step()
    trainer.mixture.load_state(position)
    prompts, _ = build_prompts(
        trainer.mixture.next_batch(step_index),
        trainer.encoder,
        config,
        seed=config.run.seed,
        step_index=step_index,
    )
    started = time.perf_counter()
    sync = trainer.weight_sync.sync(trainer.state.policy_version + 1)
    sync_seconds = time.perf_counter() - started
    flops = training_flops(trainer, values)
    return {
        "machine": describe_machine(),
        "environment": environment_record(),
        "threads": torch.get_num_threads(),
        "step": dict(sorted(values.items())),
        "training": {
            "flops": flops,
            "flops_per_second": flops / values["training/all/seconds"],
            "matmul_flops_per_second": matmul_flops_per_second(),
        },
        "rollout": {
            "answer_tokens_per_second": values["rollout/all/response_tokens"]
            / values["rollout/all/seconds"],
            "generate_tokens_per_second": generate_tokens_per_second(trainer, prompts, config),
        },
        "weight_sync": {
            **asdict(sync),
            "bytes_per_second": sync.num_bytes / sync_seconds,
            "copy_bytes_per_second": copy_bytes_per_second(sync.num_bytes),
        },
    }


def training_flops(trainer: Trainer, values: dict[str, float]) -> float:
    """Operations of a step's training stage, attention scores left out.

    2 per weight and token forward, 4 backward. The output layer is computed at predicted tokens
    only; the old log-probs are one forward pass more.
    """
    shape = trainer.policy.shape
    attention = shape.hidden_size * shape.kv_channels * 2
    attention *= shape.num_attention_heads + shape.num_query_groups
    layer = attention + 3 * shape.hidden_size * shape.ffn_hidden_size
    epochs = trainer.config.training.epochs
    per_pass = (
        values["batching/all/packed_tokens"] * shape.num_layers * layer
        + values["batching/all/loss_tokens"] * shape.hidden_size * shape.vocab_size
    )
    return per_pass * (2 + 6 * epochs)


def matmul_flops_per_second(size: int = 2048, repeats: int = 8) -> float:
    """The best of several large bfloat16 products."""
    a = torch.randn(size, size, dtype=torch.bfloat16)
    seconds = best_seconds(lambda: a @ a, repeats)
    return 2 * size**3 / seconds


def copy_bytes_per_second(num_bytes: int, repeats: int = 8) -> float:
    """A copy of as many bytes as the model has."""
    source = torch.empty(num_bytes, dtype=torch.uint8).fill_(1)
    target = torch.empty_like(source)
    return num_bytes / best_seconds(lambda: target.copy_(source), repeats)


def generate_tokens_per_second(trainer: Trainer, prompts: list[Prompt], config: Config) -> float:
    """vLLM's LLM.generate on the prompts of a step: the same samples, no referee."""
    from vllm import SamplingParams

    parameters = [
        SamplingParams(
            n=config.rollout.group_size,
            temperature=config.rollout.temperature,
            max_tokens=config.rollout.max_judgement_tokens
            if prompt.order
            else config.rollout.max_response_tokens,
            stop_token_ids=list(trainer.encoder.eos_ids),
            detokenize=False,
        )
        for prompt in prompts
    ]
    inputs = [{"prompt_token_ids": list(prompt.token_ids)} for prompt in prompts]
    engine = trainer.engine._llm  # type: ignore[attr-defined]
    engine.reset_prefix_cache()
    started = time.perf_counter()
    outputs = engine.generate(inputs, parameters, use_tqdm=False)
    seconds = time.perf_counter() - started
    return sum(len(sample.token_ids) for out in outputs for sample in out.outputs) / seconds


def best_seconds(action: Callable[[], object], repeats: int) -> float:
    """The fastest of several calls: what the machine can do when nothing disturbs it."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return min(times)


def print_record(record: dict) -> None:
    """The table."""
    step, training, rollout, sync = (
        record[name] for name in ("step", "training", "rollout", "weight_sync")
    )
    print(f"\n{record['machine']}, {record['threads']} threads\n")
    for stage in STAGES:
        print(f"{stage:<12} {step[f'{stage}/all/seconds']:8.2f} s")
    print(f"{'step':<12} {step['run/all/seconds']:8.2f} s\n")
    rows = (
        ("training", training["flops_per_second"], training["matmul_flops_per_second"], 1e9,
         "GFLOP/s, floor: matrix product"),
        ("rollout", rollout["answer_tokens_per_second"], rollout["generate_tokens_per_second"], 1,
         "tokens/s, floor: vLLM generate"),
        ("weight_sync", sync["bytes_per_second"], sync["copy_bytes_per_second"], 1e9,
         "GB/s, floor: copy in memory"),
    )  # fmt: skip
    for name, measured, floor, unit, what in rows:
        print(
            f"{name:<12} {measured / unit:8.1f} of {floor / unit:8.1f} {what}: "
            f"{measured / floor:.0%}"
        )


if __name__ == "__main__":
    main()
