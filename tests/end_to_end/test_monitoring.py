"""The referee measured inside real runs: numbers, alarms, resuming, two ranks; and the probe."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import pytest
from safetensors.torch import load_file

from megatron_urpo.metrics import read_metrics
from megatron_urpo.monitoring.baseline import read_baseline
from megatron_urpo.rollout_log import RolloutLog
from megatron_urpo.watchdog import EXIT_STATUS
from tests.end_to_end.conftest import TINY_CONFIG, run_urpo
from tests.end_to_end.test_kill_and_resume import assert_same_run, timeless
from tests.end_to_end.test_layouts import torchrun
from tools.unpack_smollm2 import unpack

GROUPS = 6
MONITORING = (
    "--monitoring.every", 1, "--monitoring.groups_per_source", GROUPS,
    "--monitoring.reasoning_groups", 2, "--monitoring.alarm_groups", 2,
)  # fmt: skip


def arguments(model: Path, directory: Path, *more: object) -> tuple[object, ...]:
    return (
        "train", TINY_CONFIG, "--model.path", model, "--run.directory", directory,
        *MONITORING, *more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def monitored_run(warm_model, tmp_path_factory):
    """complete_run, with the referee measured after every step."""
    directory = tmp_path_factory.mktemp("monitored")
    run_urpo(*arguments(warm_model, directory))
    return directory


def test_every_step_has_the_measures(monitored_run):
    records = [record.values for record in read_metrics(monitored_run / "metrics.jsonl")]
    for values in records:
        assert values["monitoring/preference/groups"] == GROUPS
        known = GROUPS + values.get("monitoring/reasoning/groups", 0)
        assert values["monitoring/all/judgements"] == 2 * known
        assert -1 <= values["monitoring/preference/tau"] <= 1
        for share in ("parse_failure_share", "tie_share", "consistency", "baseline_agreement"):
            assert 0 <= values[f"monitoring/preference/{share}"] <= 1
        assert values["monitoring/all/seconds"] > 0
    assert any("monitoring/reasoning/verifier_agreement" in values for values in records)
    instructions = [v["monitoring/instruction/groups"] for v in records[1:]]
    assert instructions == [2, 2, 2]  # from phase 2 on


def test_reasoning_groups_are_the_mixed_ones_of_the_step(monitored_run):
    log = RolloutLog(monitored_run)
    for record in read_metrics(monitored_run / "metrics.jsonl"):
        mixed = sum(bool(g.statuses) and g.rewards.std() > 0 for g in log.read(record.step))
        assert record.values.get("monitoring/reasoning/groups", 0) == min(mixed, 2)


def test_the_baseline_is_the_untrained_referee_on_held_out_groups(monitored_run):
    baseline = read_baseline(monitored_run)
    assert baseline.step == 0
    assert len({group.key for group in baseline.groups}) == GROUPS
    for group in baseline.groups:
        first, second = group.verdicts
        assert first.order == second.order[::-1]
    trained = {
        g.prompt.task.key for step in range(1, 5) for g in RolloutLog(monitored_run).read(step)
    }
    assert not trained & {group.key for group in baseline.groups}


def test_training_does_not_notice(monitored_run, complete_run):
    """The same weights, rollouts and metrics as without a monitor, to the last bit."""
    for mine, theirs in zip(timeless(monitored_run), timeless(complete_run), strict=True):
        assert {n: v for n, v in mine.items() if not n.startswith("monitoring/")} == theirs
    for step in range(1, 5):
        name = f"rollouts/step_{step:06d}.jsonl"
        assert (monitored_run / name).read_bytes() == (complete_run / name).read_bytes()
    weights = load_file(monitored_run / "export" / "model.safetensors")
    expected = load_file(complete_run / "export" / "model.safetensors")
    assert all(weights[name].equal(expected[name]) for name in expected)


@pytest.mark.slow
def test_a_killed_run_repeats_its_measurements(monitored_run, warm_model, tmp_path):
    module = "tests.end_to_end.killed_run"
    for kill in (("baseline", 1), ("monitoring", 4)):
        killed = run_urpo(*kill, *arguments(warm_model, tmp_path), module=module, check=False)
        assert killed.returncode == -signal.SIGKILL
    run_urpo(*arguments(warm_model, tmp_path))
    assert_same_run(tmp_path, monitored_run)
    assert read_baseline(tmp_path) == read_baseline(monitored_run)


def test_an_alarm_stops_and_saves_and_the_run_can_go_on(warm_model, tmp_path):
    strict = ("--monitoring.min_tau", 1.0, "--monitoring.stop_on", '["tau"]')
    stopped = run_urpo(*arguments(warm_model, tmp_path, *strict), check=False)
    assert stopped.returncode == 2
    assert re.search(
        r"stopped after step 2, which is saved: monitoring/preference/tau = -?\d\.\d+, below "
        r"monitoring.min_tau = 1 for 2 measurement\(s\) in a row",
        stopped.stderr,
    )
    assert "Traceback" not in stopped.stderr
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step_000002"]
    # The count is part of the checkpoint: the next measurement, the last, is the third in a row.
    last = ("--run.steps", 3)
    stopped = run_urpo(*arguments(warm_model, tmp_path, *strict, *last), check=False)
    assert stopped.returncode == 2
    assert re.search(r"WARNING: step 3: .* for 3 measurement\(s\) in a row", stopped.stdout)
    assert "stopped after step 3, which is saved" in stopped.stderr
    assert not (tmp_path / "export").exists()
    run_urpo(*arguments(warm_model, tmp_path, *strict[:2], *last))
    assert (tmp_path / "export").exists()
    run_urpo("report", tmp_path)
    assert "alarm, 3 in a row" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_a_baseline_of_other_groups_is_refused(monitored_run, warm_model, tmp_path):
    directory = tmp_path / "run"
    shutil.copytree(monitored_run, directory)
    other = arguments(
        warm_model, directory, "--monitoring.groups_per_source", GROUPS - 1, "--run.steps", 5
    )
    refused = run_urpo(*other, check=False)
    assert refused.returncode == 2
    assert f"judgements of {GROUPS} held-out groups, the configuration now has" in refused.stderr


@pytest.mark.slow
def test_two_ranks_judge_the_same_groups(monitored_run, warm_model, tmp_path):
    torchrun(2, "-m", "megatron_urpo.cli", *arguments(warm_model, tmp_path, "--run.steps", 2))
    mine, alone = read_baseline(tmp_path), read_baseline(monitored_run)
    assert [group.content for group in mine.groups] == [group.content for group in alone.groups]
    assert [[v.order for v in group.verdicts] for group in mine.groups] == [
        [v.order for v in group.verdicts] for group in alone.groups
    ]
    records = read_metrics(tmp_path / "metrics.jsonl")
    assert [record.values["monitoring/preference/groups"] for record in records] == [GROUPS] * 2
    weights = load_file(tmp_path / "export" / "model.safetensors")
    assert all(tensor.isfinite().all() for tensor in weights.values())


def test_the_probe_says_whether_a_model_is_ready(warm_model):
    result = run_urpo(
        "probe", warm_model, TINY_CONFIG, "--monitoring.groups_per_source", 8, check=False
    )
    assert "Traceback" not in result.stderr
    ready = "Conclusion: not ready" not in result.stdout
    assert result.returncode == (0 if ready else 1), result.stderr[-3000:]
    assert "8 problems, 4 answers each" in result.stderr
    rows = dict(re.findall(r"^(?:player|referee) +(\S.*?\S)  +(-?\d+\.\d\d) ", result.stdout, re.M))
    values = {name: float(value) for name, value in rows.items()}
    assert values["pass@1"] <= values["pass@4"] <= 1
    assert values["answers found"] > 0.5  # what its warm start taught
    assert values["mixed groups"] <= values["pass@4"]
    assert {"tau", "consistency", "ties", "position bias", "length bias"} <= values.keys()
    assert "Conclusion: " in result.stdout


def test_a_probe_that_hangs_is_ended():
    """Its start takes longer than it may."""
    result = run_urpo(
        "probe", unpack(), "--run.stage_timeout_minutes", 0.01,
        "--run.heartbeat_timeout_minutes", 0.01, check=False,
    )  # fmt: skip
    assert result.returncode == EXIT_STATUS
    assert "WATCHDOG: rank 0: stage start takes longer than run.stage_timeout_minutes" in (
        result.stderr
    )
