"""The loop on two data-parallel ranks: it runs, and it learns what one rank learns."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from megatron_urpo.metrics import read_metrics
from megatron_urpo.rollout_log import RolloutLog
from tests.end_to_end.conftest import REPOSITORY, TINY_CONFIG

# Of the recorded run; a step with all three roles, unequal lengths and rewards that vary.
STEP = 2


def torchrun(ranks: int, *arguments: object) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={ranks}"]
    command += [f"--master-port={port}", *map(str, arguments)]
    result = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-6000:]


def replay(ranks: int, recorded: Path, model: Path, directory: Path) -> tuple[dict, dict]:
    overrides = {
        "--model.path": model,
        "--run.directory": directory,
        "--weight_sync.max_mismatch": 0,  # the groups were sampled by the weights of a later step
        "--training.optimizer.lr": 1e-3,
        "--training.optimizer.adam_eps": 1e-4,  # small gradients must not turn into signs
        "--training.optimizer.clip_grad": 0.05,  # active, so that the global norm matters
    }
    torchrun(
        ranks,
        REPOSITORY / "tests" / "end_to_end" / "replay_worker.py",
        recorded, STEP, directory, TINY_CONFIG,
        *(part for pair in overrides.items() for part in pair),
    )  # fmt: skip
    values = json.loads((directory / "values.json").read_text())
    return values, load_file(directory / "weights.safetensors")


def test_two_ranks_learn_what_one_rank_learns(complete_run, warm_model, tmp_path):
    groups = RolloutLog(complete_run).read(STEP)
    lengths = [sum(len(r.token_ids) for r in group.rollout.responses) for group in groups]
    assert len(set(lengths)) > 1
    one, one_weights = replay(1, complete_run, warm_model, tmp_path / "one")
    two, two_weights = replay(2, complete_run, warm_model, tmp_path / "two")
    assert one["batching/all/loss_tokens"] == two["batching/all/loss_tokens"]
    assert sum(one[f"advantages/{r}/masked_groups"] for r in ("reasoning", "instruction")) == 1
    for name in ("training/all/loss", "training/all/grad_norm", "training/preference/entropy"):
        assert two[name] == pytest.approx(one[name], rel=1e-4, abs=1e-7), name
    start = load_file(warm_model / "model.safetensors")
    difference = change = 0.0
    for name, weight in one_weights.items():
        change += float((weight - start[name]).square().sum())
        difference += float((two_weights[name] - weight).square().sum())
    assert change > 0
    assert (difference / change) ** 0.5 < 1e-4


def test_the_loop_runs_on_two_ranks(warm_model, tmp_path):
    torchrun(
        2, "-m", "megatron_urpo.cli", "train", TINY_CONFIG,
        "--model.path", warm_model, "--run.directory", tmp_path, "--run.steps", 2,
    )  # fmt: skip
    records = read_metrics(tmp_path / "metrics.jsonl")
    assert [record.step for record in records] == [0, 1]
    assert all(record.values["weight_sync/all/mismatch_mean"] < 1e-4 for record in records)
    assert any(record.values["training/all/updates"] > 0 for record in records)
    groups = RolloutLog(tmp_path).read(1)
    assert [group.prompt.index for group in groups] == list(range(6))
    weights = load_file(tmp_path / "export" / "model.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())
