import pytest

from megatron_urpo.config import ConfigError
from megatron_urpo.evaluation.items import Evaluation, EvaluationItem
from megatron_urpo.evaluation.records import (
    DamagedEvaluationsError,
    cut_off_evaluations,
    print_evaluations,
    read_items,
    read_summaries,
    record_evaluation,
)

ITEMS = (
    EvaluationItem("sums", "a", {"reasoning/accuracy": 1.0}, "\\boxed{4}"),
    EvaluationItem("sums", "b", {"reasoning/accuracy": 0.0}, "line\nbreak"),
)


def evaluation(label: str, accuracy: float) -> Evaluation:
    return Evaluation(label, 3, 4, {"reasoning/accuracy": accuracy}, items=ITEMS)


def test_items_read_back(tmp_path):
    record_evaluation(tmp_path, evaluation("after SFT", 0.5))
    assert tuple(read_items(tmp_path, "after SFT")) == ITEMS
    assert (tmp_path / "evaluations" / "after-sft.jsonl").is_file()


def test_a_damaged_item_names_the_line(tmp_path):
    record_evaluation(tmp_path, evaluation("SFT", 0.5))
    path = tmp_path / "evaluations" / "sft.jsonl"
    path.write_text(path.read_text()[:-9])
    with pytest.raises(DamagedEvaluationsError, match=r"sft\.jsonl:2: .* --label 'SFT'"):
        read_items(tmp_path, "SFT")


def test_the_latest_evaluation_of_a_label_counts(tmp_path, capsys):
    assert read_summaries(tmp_path) == {}
    for label, accuracy in (("base", 0.1), ("after SFT", 0.5), ("base", 0.2)):
        record_evaluation(tmp_path, evaluation(label, accuracy))
    summaries = read_summaries(tmp_path)
    assert list(summaries) == ["base", "after SFT"]
    assert summaries["base"]["values"]["reasoning/accuracy"] == pytest.approx(0.2)
    print_evaluations(tmp_path)
    assert capsys.readouterr().out.splitlines()[1].split() == [
        "reasoning/accuracy",
        "0.200",
        "0.500",
    ]


def test_labels_do_not_share_a_file_of_items(tmp_path):
    for label in ("after SFT", "基线", "основа"):  # letters of any alphabet
        record_evaluation(tmp_path, evaluation(label, 0.5))
    with pytest.raises(ConfigError, match="--label 'After-SFT': .* holds the items of 'after SFT'"):
        record_evaluation(tmp_path, evaluation("After-SFT", 0.1))
    assert list(read_summaries(tmp_path)) == ["after SFT", "基线", "основа"]


def test_the_last_two_evaluations_are_compared_item_by_item(tmp_path, capsys):
    for label, values in (("base", (0.0, 0.0, 1.0)), ("SFT", (1.0, 1.0, 0.0))):
        items = tuple(
            EvaluationItem("sums", str(key), {"reasoning/accuracy": value}, "")
            for key, value in enumerate(values)
        )
        record_evaluation(
            tmp_path, Evaluation(label, 0, 1, {"reasoning/accuracy": 0.5}, items=items)
        )
    print_evaluations(tmp_path)
    *_, title, line = capsys.readouterr().out.splitlines()
    assert title == "SFT - base, item by item, with 95 % bootstrap intervals:"
    assert line == "reasoning/accuracy  +0.333 [-1.000, +1.000], 3 items"


def test_a_run_that_goes_on_before_its_evaluations_drops_them(tmp_path):
    asked = Evaluation("step 30 of another", 30, 31, {"reasoning/accuracy": 0.5}, items=ITEMS)
    record_evaluation(tmp_path, asked)
    for step in (10, 20, 30):
        own = Evaluation(f"step {step}", step, step + 1, {"reasoning/accuracy": 0.5}, items=ITEMS)
        record_evaluation(tmp_path, own, in_run=step != 30)
    cut_off_evaluations(tmp_path, 10)
    # That of step 30 has the loop's label, but was asked for.
    assert list(read_summaries(tmp_path)) == ["step 30 of another", "step 10", "step 30"]
    left = sorted(path.name for path in (tmp_path / "evaluations").iterdir())
    assert left == ["step-10.jsonl", "step-30-of-another.jsonl", "step-30.jsonl"]
