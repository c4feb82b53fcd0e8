"""A tiny model that has learned the formats, so that whole runs have varied rewards in seconds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from tools.unpack_smollm2 import unpack

REPOSITORY = Path(__file__).resolve().parents[2]
TINY_CONFIG = REPOSITORY / "tests" / "end_to_end" / "tiny.toml"

RunUrpo = Callable[..., subprocess.CompletedProcess[str]]


def run_urpo(*arguments: object, module: str = "megatron_urpo.cli", check: bool = True):
    """Runs the command line (or another module) as a user would, in a process of its own."""
    result = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )
    if check:
        assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-6000:]
    return result


def made_once(
    name: str,
    make: Callable[[Path], None],
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
) -> Path:
    """What `make` puts into a directory, for all processes of a pytest -n: the first makes it."""
    own = tmp_path_factory.getbasetemp()
    directory = (own if worker_id == "master" else own.parent) / name
    made = Path(f"{directory}.made")
    with FileLock(f"{directory}.lock"):
        if not made.exists():
            directory.mkdir()
            make(directory)
            made.touch()
    return directory


@pytest.fixture(scope="session")
def warm_model(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A 2-layer Llama with SmolLM2's tokenizer, random weights, then `urpo sft`.

    Not to be changed.
    """
    directory = made_once("tiny", _write_warm_model, tmp_path_factory, worker_id)
    return directory / "sft" / "export"


def _write_warm_model(directory: Path) -> None:
    smollm2 = unpack()
    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            vocab_size=len(tokenizer),
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.save_pretrained(directory / "random")
    tokenizer.save_pretrained(directory / "random")
    overrides = {
        "--model.path": directory / "random",
        "--run.directory": directory,
        "--checkpoint.every": 0,
    }
    run_urpo("sft", TINY_CONFIG, *(part for pair in overrides.items() for part in pair))


@pytest.fixture(scope="session")
def complete_run(
    warm_model: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Path:
    """The directory of a whole run of the tiny model, never interrupted. Not to be changed."""

    def train(directory: Path) -> None:
        run_urpo("train", TINY_CONFIG, "--model.path", warm_model, "--run.directory", directory)

    return made_once("complete", train, tmp_path_factory, worker_id)
