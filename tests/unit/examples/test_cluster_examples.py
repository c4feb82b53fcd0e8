"""The cluster examples as they are shipped: the paper's numbers, and layouts their models allow.

That each of them runs is for tests/end_to_end/test_examples.py to show.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from megatron_urpo.config import Config
from megatron_urpo.load_config import load_config
from megatron_urpo.planning.steps import check_world

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
GPUS_PER_NODE = 8


class Shape(NamedTuple):
    """Of the published config.json."""

    heads: int
    key_value_heads: int
    layers: int
    positions: int


SHAPES = {
    "urpo_qwen7b": Shape(28, 4, 28, 131072),
    "urpo_qwen72b": Shape(64, 8, 80, 131072),
    "urpo_qwen3_8b": Shape(32, 8, 36, 32768),
    "urpo_octothinker8b": Shape(32, 8, 32, 131072),  # of Llama-3.1-8B, which it comes from
    "urpo_llama70b": Shape(64, 8, 80, 131072),
}
# Section 4.1.4 and Table 4.
PAPER = {
    "training.optimizer.lr": 5e-7,
    "training.optimizer.min_lr": 0.0,
    "training.epochs": 4,
    "training.clip_ratio_low": 0.2,
    "training.clip_ratio_high": 0.28,
    "training.kl_beta": 0.0,
    "batching.loss_denominator": "token_mean",
    "data.prompts_per_step": 256,
    "data.phase1_steps": 100,
    "data.preference_ratio": 1.0,
    "data.reasoning_ratio": 1.0,
    "data.instruction_ratio": 1.0,
    "rollout.group_size": 8,
    "rollout.temperature": 1.0,
    "rollout.max_response_tokens": 4096,
    "rollout.max_judgement_tokens": 4096,
}
# All that the CPU changes: the model, lengths, sizes of batches and of memory, the layout.
CHANGED_ON_CPU = set(
    """
    run.directory run.steps model.path
    data.prompts_per_step data.phase1_steps data.max_prompt_tokens
    rollout.max_response_tokens rollout.max_judgement_tokens rollout.max_model_len
    rollout.max_num_seqs rollout.kv_cache_gib rollout.tensor_model_parallel_size
    rewards.verifier_workers batching.micro_batch_tokens
    training.transformer_impl training.tensor_model_parallel_size
    training.pipeline_model_parallel_size training.sequence_parallel
    """.split()
)


def values(config: object, prefix: str = "") -> dict[str, object]:
    """Every value by its dotted key."""
    found: dict[str, object] = {}
    for item in dataclasses.fields(config):  # type: ignore[arg-type]
        value = getattr(config, item.name)
        if dataclasses.is_dataclass(value):
            found |= values(value, f"{prefix}{item.name}.")
        else:
            found[prefix + item.name] = value
    return found


@pytest.fixture(params=SHAPES)
def name(request) -> str:
    return request.param


@pytest.fixture
def config(name) -> Config:
    return load_config(EXAMPLES / f"{name}.toml")


@pytest.fixture
def launch_file(name) -> Path:
    return EXAMPLES / f"run_{name}.sh"


def test_hyperparameters_are_those_of_the_paper(config):
    found = values(config)
    assert {key: found[key] for key in PAPER} == PAPER


def test_layout_fits_the_model_and_the_nodes(name, config, launch_file):
    shape, training, rollout = SHAPES[name], config.training, config.rollout
    for tensor_parallel in (
        training.tensor_model_parallel_size,
        rollout.tensor_model_parallel_size,
    ):
        assert shape.heads % tensor_parallel == 0
        assert shape.key_value_heads % tensor_parallel == 0
        assert tensor_parallel <= GPUS_PER_NODE  # beyond a node it is slow
    assert shape.layers % training.pipeline_model_parallel_size == 0
    assert rollout.max_model_len <= shape.positions
    (nodes,) = re.findall(r"^#SBATCH --nodes=(\d+)$", launch_file.read_text(), re.MULTILINE)
    check_world(config, int(nodes) * GPUS_PER_NODE)


def test_chat_template_is_there(config):
    template = config.model.chat_template
    assert not template or (EXAMPLES.parent / template).is_file()


def test_launch_file_is_python_and_what_slurm_reads(name, launch_file):
    text = launch_file.read_text()
    tree = ast.parse(text)
    assert isinstance(tree.body[0], ast.Expr)  # what bash executes is a string to Python
    assert ast.literal_eval(tree.body[0].value).startswith("exec")
    assert f"examples/{name}.toml" in ast.literal_eval(tree.body[-1].value.args[0].args[0].elts[1])
    assert launch_file.stat().st_mode & 0o111
    for line in re.findall(r"^#     sbatch (\S+)", text, re.MULTILINE):
        assert line == f"examples/{launch_file.name}"
    # Signals to the batch script alone, a requeue, and a log that the requeued job does not erase.
    for option in ("--signal=B:USR1@900", "--requeue", "--open-mode=append"):
        assert f"#SBATCH {option}\n" in text


def test_cpu_override_changes_nothing_else(name, config):
    override = EXAMPLES / "cpu_override.toml"
    before = values(config)
    after = values(load_config(EXAMPLES / f"{name}.toml", override_files=[override]))
    assert {key for key in before if before[key] != after[key]} <= CHANGED_ON_CPU
