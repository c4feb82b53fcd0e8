"""The loop on several ranks: it runs, and it learns what one rank learns."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from megatron_urpo.metrics import read_metrics
from megatron_urpo.rollout_log import RolloutLog
from tests.end_to_end.conftest import REPOSITORY, TINY_CONFIG

STEPS = 3  # of the recorded run; in the last all three roles, unequal lengths, varying rewards


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


def replay(
    ranks: int, recorded: Path, model: Path, directory: Path, layout: dict[str, int]
) -> tuple[list[dict], dict]:
    overrides = {
        "--model.path": model,
        "--run.directory": directory,
        "--run.steps": STEPS,
        "--weight_sync.max_mismatch": 0,  # the groups were sampled by the weights of other steps
        "--checkpoint.every": 0,
        "--training.optimizer.lr": 1e-3,
        "--training.optimizer.adam_eps": 1e-4,  # small gradients must not turn into signs
        "--training.optimizer.clip_grad": 0.05,  # active, so that the global norm matters
    } | {f"--{key}": size for key, size in layout.items()}
    torchrun(
        ranks,
        REPOSITORY / "tests" / "end_to_end" / "replay_worker.py",
        recorded, STEPS, directory, TINY_CONFIG,
        *(part for pair in overrides.items() for part in pair),
    )  # fmt: skip
    values = json.loads((directory / "values.json").read_text())
    return values, load_file(directory / "weights.safetensors")


@pytest.fixture(scope="module")
def alone(complete_run, warm_model, tmp_path_factory):
    """What one rank learns from the recorded groups."""
    return replay(1, complete_run, warm_model, tmp_path_factory.mktemp("alone"), {})


TENSOR = {"training.tensor_model_parallel_size": 2}
PIPELINE = {"training.pipeline_model_parallel_size": 2}
SHARED_ENGINE = {"rollout.tensor_model_parallel_size": 2}


@pytest.mark.parametrize(
    ("ranks", "layout"),
    [
        pytest.param(2, {}, id="data", marks=pytest.mark.slow),
        pytest.param(4, TENSOR | PIPELINE | SHARED_ENGINE, id="tensor_pipeline, engine TP 2"),
        pytest.param(4, TENSOR, id="tensor_data, engine TP 1", marks=pytest.mark.slow),
        pytest.param(
            4, TENSOR | PIPELINE, id="tensor_pipeline, engine TP 1", marks=pytest.mark.slow
        ),
        pytest.param(
            4, TENSOR | SHARED_ENGINE, id="tensor_data, engine TP 2", marks=pytest.mark.slow
        ),
    ],
)
def test_every_layout_learns_what_one_rank_learns(
    alone, complete_run, warm_model, tmp_path, ranks, layout
):
    groups = RolloutLog(complete_run).read(STEPS)
    lengths = [sum(len(r.token_ids) for r in group.rollout.responses) for group in groups]
    assert len(set(lengths)) > 1
    expected, one_weights = alone
    last = expected[-1]
    assert sum(last[f"advantages/{r}/masked_groups"] for r in ("reasoning", "instruction")) == 1
    replayed, weights = replay(ranks, complete_run, warm_model, tmp_path, layout)
    names = {
        name
        for name in last
        if name.startswith("training/") and name.endswith(("/loss", "/grad_norm", "/entropy"))
    }
    assert len(names) >= 4
    # From the second step on the weights differ by what rounding did to the steps before.
    tolerances = (2e-6, *[1e-4] * (STEPS - 1))
    for one, mine, tolerance in zip(expected, replayed, tolerances, strict=True):
        assert mine["batching/all/loss_tokens"] == one["batching/all/loss_tokens"]
        for name in names & one.keys():
            assert mine[name] == pytest.approx(one[name], rel=tolerance, abs=1e-7), name
    start = load_file(warm_model / "model.safetensors")
    difference = change = 0.0
    for name, weight in one_weights.items():
        change += float((weight - start[name]).square().sum())
        difference += float((weights[name] - weight).square().sum())
    assert change > 0
    assert (difference / change) ** 0.5 < 2e-5
    check_the_loop_that_followed(tmp_path)


def check_the_loop_that_followed(directory: Path) -> None:
    records = read_metrics(directory / "metrics.jsonl")
    assert [record.step for record in records] == [1, 2, 3]
    assert all(record.values["weight_sync/all/mismatch_mean"] < 1e-4 for record in records)
    assert any(record.values["training/all/updates"] > 0 for record in records)
    groups = RolloutLog(directory).read(3)
    assert [group.prompt.index for group in groups] == list(range(6))
    sampled = sum(len(r.token_ids) for group in groups for r in group.rollout.responses)
    assert records[2].values["rollout/all/response_tokens"] == sampled
