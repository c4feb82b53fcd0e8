"""Each cluster example runs as it is shipped, with examples/cpu_override.toml laid over it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from megatron_urpo.code_tests.records import StdioCase, StdioTests
from megatron_urpo.data.jsonl import format_task
from megatron_urpo.data.tables import record_schema
from megatron_urpo.metrics import read_metrics
from megatron_urpo.types import (
    ChatMessage,
    InstructionTask,
    PreferenceTask,
    ReasoningTask,
    Task,
)
from tests.end_to_end.conftest import REPOSITORY
from tools.make_small_model import write_small_model

# As examples/urpo_base.toml names them; a few records each.
REASONING = ("skywork-or1-math", "skywork-or1-code")
PREFERENCE = ("helpsteer3", "ultrafeedback", "skywork-preference", "nectar", "offsetbias")
INSTRUCTION = ("prompt-collection",)


def records(name: str, first: int = 0) -> list[Task]:
    """Tasks of a source; preferences are numbered from `first`."""

    def asks(text: str) -> tuple[ChatMessage, ...]:
        return (ChatMessage("user", text),)

    if name == "skywork-or1-code":
        programs = [f"Write a program that prints {n}." for n in range(4)]
        return [
            ReasoningTask(name, text, asks(text), tests=StdioTests((StdioCase("", str(n)),)))
            for n, text in enumerate(programs)
        ]
    if name in REASONING:
        box = "Put the final answer in \\boxed{}."
        problems = [f"What is {n} - {n - 1}? {box}" for n in range(2, 10)]
        return [ReasoningTask(name, text, asks(text), ("1",)) for text in problems]
    if name in PREFERENCE:
        responses, truth = ("Fig", "Dog", "Pear"), (2.0, 0.0, 1.0)
        questions = [f"Name fruit number {n}." for n in range(first, first + 8)]
        return [PreferenceTask(name, text, asks(text), responses, truth) for text in questions]
    lines = [f"Write line {n} about rain." for n in range(8)]
    return [InstructionTask(name, text, asks(text)) for text in lines]


def write_source(path: Path, tasks: list[Task]) -> None:
    """A prepared file, as tools/prepare_data.py writes it."""
    schema = record_schema(tasks[0].kind, answered=False)
    table = pa.Table.from_pylist([format_task(task) for task in tasks], schema=schema)
    with pa.ipc.new_file(str(path), schema) as writer:
        writer.write_table(table)


def prepare_example(directory: Path, family: str) -> None:
    """Makes a directory look like the repository of a user: examples, their data, a small model."""
    (directory / "data").mkdir()
    for name in (*REASONING, *PREFERENCE, *INSTRUCTION):
        write_source(directory / "data" / f"{name}.arrow", records(name))
    for name in PREFERENCE:
        held_out = directory / "data" / f"{name}.held_out.arrow"
        write_source(held_out, records(name, first=8))
    (directory / "examples").symlink_to(REPOSITORY / "examples")
    write_small_model(family, directory / "models" / "small")


def run_example(directory: Path, family: str, *command: str) -> str:
    """Runs a command in a prepared directory; returns what it said."""
    prepare_example(directory, family)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    result = subprocess.run(
        [*command, "--override", "examples/cpu_override.toml"],
        cwd=directory,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-6000:]
    return result.stdout


def assert_learned_one_step(directory: Path, ranks: int = 1) -> None:
    """The one step learned from all three roles, with engine and trainer in agreement."""
    run = directory / "runs" / "cpu_override"
    (record,) = read_metrics(run / "metrics.jsonl")
    values = record.values
    assert values["training/all/updates"] == 16  # 4 epochs of 4 mini-batches
    assert values["training/all/grad_norm"] > 0
    for role in ("reasoning", "preference", "instruction"):
        assert values[f"advantages/{role}/zero_variance_groups"] < 2, role
    assert values["rewards/instruction/parsed_share"] > 0
    assert values["weight_sync/all/mismatch_mean"] < 0.01
    baseline = json.loads((run / "monitoring" / "baseline.json").read_text())
    assert {group["source"] for group in baseline["groups"]} == set(PREFERENCE)
    assert (run / "export" / "model.safetensors").is_file()
    manifest = json.loads((run / "checkpoints" / "step_000001" / "manifest.json").read_text())
    assert manifest["layout"]["world_size"] == ranks


def test_torchrun_of_the_7b_example(tmp_path):
    run_example(tmp_path, "qwen2.5", "torchrun", "examples/run_urpo_qwen7b.sh")
    assert_learned_one_step(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("qwen72b", "qwen2.5"),
        ("qwen3_8b", "qwen3"),
        ("octothinker8b", "llama3.1"),
        ("llama70b", "llama3.1"),
    ],
)
def test_bash_of_the_other_examples(name, family, tmp_path):
    run_example(tmp_path, family, "bash", f"examples/run_urpo_{name}.sh")
    assert_learned_one_step(tmp_path)


@pytest.mark.slow
def test_plain_torchrun_starts_the_other_ranks(tmp_path):
    layout = ("--nproc-per-node=2", "--training.tensor_model_parallel_size=2")
    said = run_example(tmp_path, "qwen2.5", "torchrun", "examples/run_urpo_qwen7b.sh", *layout)
    assert "torchrun started 1 rank; starting all 2 of this machine" in said
    assert_learned_one_step(tmp_path, ranks=2)
