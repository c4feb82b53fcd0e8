"""A run killed with SIGKILL and resumed repeats the complete_run run's numbers."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest
from safetensors.torch import load_file

from megatron_urpo.metrics import read_metrics
from megatron_urpo.rollout_log import RolloutLog
from tests.end_to_end.conftest import TINY_CONFIG, run_urpo
from tests.end_to_end.killed_run import POINTS


def timeless(directory: Path) -> list[dict[str, float]]:
    """The metrics of a run without what depends on the clock: when a checkpoint was whole, too."""
    return [
        {
            name: value
            for name, value in record.values.items()
            if not name.endswith(("seconds", "per_second")) and name != "checkpoint/all/gib"
        }
        for record in read_metrics(directory / "metrics.jsonl")
    ]


def train(
    directory: Path, model: Path, kill: tuple[str, int] | None = None, *overrides: object
) -> int:
    arguments = ["train", TINY_CONFIG, "--model.path", model, "--run.directory", directory]
    arguments += overrides
    if kill is None:
        return run_urpo(*arguments).returncode
    point, nth = kill
    module = "tests.end_to_end.killed_run"
    return run_urpo(point, str(nth), *arguments, module=module, check=False).returncode


def assert_same_run(directory: Path, reference: Path) -> None:
    assert timeless(directory) == timeless(reference)
    steps = RolloutLog(reference).steps()
    assert RolloutLog(directory).steps() == steps
    assert len(steps) == 4
    for step in steps:
        name = f"rollouts/step_{step:06d}.jsonl"
        assert (directory / name).read_bytes() == (reference / name).read_bytes()
    weights = load_file(directory / "export" / "model.safetensors")
    expected = load_file(reference / "export" / "model.safetensors")
    assert weights.keys() == expected.keys()
    assert all(weights[name].equal(expected[name]) for name in expected)


def test_the_run_has_something_to_repeat(complete_run):
    """All roles with rewards that vary and updates that count, or the comparison is empty."""
    records = timeless(complete_run)
    assert len(records) == 4
    assert sum(record["training/all/updates"] for record in records) >= 8
    for role in ("reasoning", "preference", "instruction"):
        assert any(record.get(f"rewards/{role}/std", 0) > 0 for record in records), role
        assert any(f"training/{role}/entropy" in record for record in records), role


def test_kills_during_judgement_sync_and_save(complete_run, warm_model, tmp_path):
    for kill in (("judgement", 3), ("sync", 3), ("publish", 1)):
        assert train(tmp_path, warm_model, kill) == -signal.SIGKILL
    assert train(tmp_path, warm_model) == 0
    assert_same_run(tmp_path, complete_run)


@pytest.mark.slow
def test_a_checkpoint_written_in_the_background_resumes_exactly(complete_run, warm_model, tmp_path):
    """It is begun after the second step and whole after the third; the fourth is killed."""
    background = ("--checkpoint.async_save", "true")
    assert train(tmp_path, warm_model, ("learn", 4), *background) == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step_000002"]
    assert train(tmp_path, warm_model, None, *background) == 0
    assert_same_run(tmp_path, complete_run)


@pytest.mark.slow
def test_ten_kills_at_seeded_moments(complete_run, warm_model, tmp_path):
    draw = random.Random(2026)
    points = draw.sample(sorted(POINTS), len(POINTS))
    killed = 0
    for attempt in range(40):
        if killed == 10:
            break
        point = points[attempt % len(points)]
        returncode = train(tmp_path / "run", warm_model, (point, draw.randint(1, 3)))
        # A resumed run may be done before the call comes round again: then start it anew.
        if returncode == 0:
            (tmp_path / "run").rename(tmp_path / f"complete-{attempt}")
            assert_same_run(tmp_path / f"complete-{attempt}", complete_run)
        else:
            assert returncode == -signal.SIGKILL, point
            killed += 1
    assert killed == 10
    assert train(tmp_path / "run", warm_model) == 0
    assert_same_run(tmp_path / "run", complete_run)
