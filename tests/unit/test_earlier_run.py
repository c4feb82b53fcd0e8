"""A new run in the directory of an old one deletes nothing."""

import json

from megatron_urpo.cli import main
from megatron_urpo.config import Config, RunConfig
from megatron_urpo.config.load import load_config, save_config
from megatron_urpo.earlier_run import set_earlier_run_aside
from megatron_urpo.evaluation.items import Evaluation, EvaluationItem
from megatron_urpo.evaluation.records import read_items, read_summaries, record_evaluation
from megatron_urpo.monitoring.baseline import Baseline, read_baseline, write_baseline


def test_nothing_is_moved_where_there_are_no_records(tmp_path):
    record_evaluation(tmp_path, Evaluation("of the model that the run starts from", 0, 1))
    (tmp_path / "metrics.jsonl").touch()
    (tmp_path / "rollouts").mkdir()
    assert set_earlier_run_aside(tmp_path) is None
    assert (tmp_path / "metrics.jsonl").exists()


def test_every_start_gets_a_place_of_its_own(tmp_path):
    for number in (1, 2):
        (tmp_path / "metrics.jsonl").write_text(f"start {number}\n")
        (tmp_path / "rollouts").mkdir()
        (tmp_path / "rollouts" / "step_000001.jsonl").touch()
        (tmp_path / "export").mkdir()
        (tmp_path / "sft").mkdir(exist_ok=True)
        aside = set_earlier_run_aside(tmp_path)
        assert aside == tmp_path / f"earlier-{number}"
        assert (aside / "metrics.jsonl").read_text() == f"start {number}\n"
        moved = sorted(path.name for path in aside.iterdir())
        assert moved == ["export", "metrics.jsonl", "rollouts"]
        assert (aside / "rollouts" / "step_000001.jsonl").exists()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["earlier-1", "earlier-2", "sft"]


def test_rollouts_without_metrics_are_kept_too(tmp_path):
    """Of a run killed in its first step."""
    (tmp_path / "rollouts").mkdir()
    (tmp_path / "rollouts" / "step_000001.jsonl").touch()
    aside = set_earlier_run_aside(tmp_path)
    assert [path.name for path in aside.iterdir()] == ["rollouts"]


def test_a_run_takes_its_own_evaluations_along(tmp_path):
    """They are moved even where nothing else is left of it; others stay."""
    items = (EvaluationItem("sums", "a", {"reasoning/accuracy": 1.0}, "4"),)
    record_evaluation(tmp_path, Evaluation("base", 0, 1, {"reasoning/accuracy": 0.5}, items=items))
    own = Evaluation("step 20", 20, 21, {"reasoning/accuracy": 1.0}, items=items)
    record_evaluation(tmp_path, own, in_run=True)
    aside = set_earlier_run_aside(tmp_path)
    assert list(read_summaries(tmp_path)) == ["base"]
    assert list(read_summaries(aside)) == ["step 20"]
    assert tuple(read_items(aside, "step 20")) == tuple(read_items(tmp_path, "base")) == items
    assert not (tmp_path / "evaluations" / "step-20.jsonl").exists()
    assert set_earlier_run_aside(tmp_path) is None


def test_what_is_moved_is_a_run_directory_to_the_report(tmp_path):
    """With the settings, the versions and the referee of its own start, not of the next one."""
    metric = "monitoring/preference/tau"

    def start(seed, tau):
        save_config(Config(run=RunConfig(seed=seed)), tmp_path / "config.toml")
        (tmp_path / "environment.json").write_text(json.dumps({"git_commit": f"commit{seed}"}))
        write_baseline(tmp_path, Baseline.of(0, {metric: tau}, []))
        record = {"step": 1, "monitoring/all/alarms": 0, metric: 0.5}
        (tmp_path / "metrics.jsonl").write_text(json.dumps(record) + "\n")

    start(seed=1, tau=0.125)
    aside = set_earlier_run_aside(tmp_path)
    assert list(tmp_path.iterdir()) == [aside]
    start(seed=2, tau=0.25)
    assert load_config(aside / "config.toml").run.seed == 1
    assert json.loads((aside / "environment.json").read_text()) == {"git_commit": "commit1"}
    assert read_baseline(aside).values == {metric: 0.125}

    assert main(["report", str(aside)]) == 0
    page = (aside / "report.html").read_text()
    assert "<b>1 / 200</b>" in page
    assert "seed = 1" in page
    assert "commit1" in page
    assert "<td>0.125</td>" in page
    assert not (tmp_path / "report.html").exists()
