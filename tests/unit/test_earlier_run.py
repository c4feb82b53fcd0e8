"""A new run in the directory of an old one deletes nothing."""

from megatron_urpo.earlier_run import set_earlier_run_aside
from megatron_urpo.evaluation.items import Evaluation, EvaluationItem
from megatron_urpo.evaluation.records import read_items, read_summaries, record_evaluation


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
        (tmp_path / "rollouts" / "step_000000.jsonl").touch()
        (tmp_path / "export").mkdir()
        (tmp_path / "sft").mkdir(exist_ok=True)
        aside = set_earlier_run_aside(tmp_path)
        assert aside == tmp_path / f"earlier-{number}"
        assert (aside / "metrics.jsonl").read_text() == f"start {number}\n"
        moved = sorted(path.name for path in aside.iterdir())
        assert moved == ["export", "metrics.jsonl", "rollouts"]
        assert (aside / "rollouts" / "step_000000.jsonl").exists()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["earlier-1", "earlier-2", "sft"]


def test_rollouts_without_metrics_are_kept_too(tmp_path):
    """Of a run killed in its first step."""
    (tmp_path / "rollouts").mkdir()
    (tmp_path / "rollouts" / "step_000000.jsonl").touch()
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
