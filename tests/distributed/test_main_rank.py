"""What the main rank alone does fails on all ranks: the supervised run, as a user starts it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from megatron_urpo.metrics import read_metrics
from tests.distributed import failing_save_worker, main_rank_worker
from tools.make_small_model import write_small_model

ROOT = Path(__file__).parents[2]
CONFIG = """
[model]
path = "model"
params_dtype = "float32"
chat_template = "{root}/examples/user_assistant.jinja"

[checkpoint]
every = 0

[sft]
steps = 400
tokens_per_step = 256
max_sequence_tokens = 256

[[sft.sources]]
name = "sums"
kind = "reasoning"
path = "embedded:chain_sum"
options = {{ items = 20, max_terms = 2 }}
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Where the command is given: a configuration and a small model."""
    directory = tmp_path_factory.mktemp("main_rank")
    write_small_model("llama3.1", directory / "model")
    (directory / "config.toml").write_text(CONFIG.format(root=ROOT))
    return directory


def run_two_ranks(directory: Path, *worker: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(
        [*command, *worker],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


def run_sft(directory: Path, file_size: int, *overrides: str) -> subprocess.CompletedProcess[str]:
    worker = (main_rank_worker.__file__, str(file_size))
    return run_two_ranks(directory, *worker, "sft", "config.toml", *overrides)


def assert_said_by_both(result: subprocess.CompletedProcess[str], reason: str) -> None:
    for speaker in ("", "rank 0: "):
        assert re.search(rf"^urpo sft: {speaker}{reason}", result.stderr, re.MULTILINE), (
            result.stderr
        )
    assert "WATCHDOG" not in result.stderr
    assert "[rank" not in result.stderr  # no traceback of a rank
    assert re.search(r"exitcode\s*: 2 ", result.stderr)


def test_metrics_that_cannot_be_written(directory):
    result = run_sft(directory, 16_000, "--run.directory", "limited")
    metrics = directory / "limited" / "sft" / "metrics.jsonl"
    assert_said_by_both(result, rf"\[Errno 27\] File too large: '{metrics.relative_to(directory)}'")
    steps = [record.step for record in read_metrics(metrics)]  # but for what was cut off
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) > 10


@pytest.mark.slow
def test_an_export_that_cannot_be_written(directory):
    """Of a run that is complete; its first export stays as it is."""
    arguments = ("--run.directory", "exported", "--sft.steps", "1")
    assert run_sft(directory, 1 << 30, *arguments).returncode == 0
    export = directory / "exported" / "sft" / "export"
    before = {file.name: file.read_bytes() for file in export.iterdir()}
    assert len(before["model.safetensors"]) > 1 << 20
    result = run_sft(directory, 1 << 20, *arguments)
    assert_said_by_both(result, r"\S+model.safetensors.part0 cannot be written: .*File too large")
    assert {file.name: file.read_bytes() for file in export.iterdir()} == before


def test_a_checkpoint_of_which_one_rank_cannot_write_a_small_file(directory):
    """Both ranks know, and save again."""
    run = directory / "checkpoints"
    result = run_two_ranks(directory, failing_save_worker.__file__, "model", str(run))
    assert result.returncode == 0, result.stderr
    for rank in range(2):
        reasons = re.findall(
            rf"^rank {rank}: .*Is a directory: '(.*)'", result.stderr, re.MULTILINE
        )
        assert [Path(path).name for path in reasons] == list(failing_save_worker.FILES)
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step_000004"]
