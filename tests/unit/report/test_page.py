"""The report: whole, partial and damaged run directories; nothing from a model becomes markup."""

import json
import math
from html.parser import HTMLParser

import numpy as np
import pytest

from megatron_urpo.code_tests.records import CodeFailure, CodeResult, StdioCase, StdioTests
from megatron_urpo.config import Config, MetricsConfig
from megatron_urpo.config.load import save_config
from megatron_urpo.environment import environment_record, save_environment
from megatron_urpo.evaluation.items import Evaluation, EvaluationItem
from megatron_urpo.evaluation.records import DamagedEvaluationsError, record_evaluation
from megatron_urpo.metrics import MetricsWriter
from megatron_urpo.ranks import OneRank
from megatron_urpo.report.page import evaluation_table, render_report
from megatron_urpo.rollout_log import RolloutLog
from megatron_urpo.run_files import EVALUATIONS_FILE
from megatron_urpo.types import (
    ChatMessage,
    FinishReason,
    Group,
    InstructionTask,
    Judgement,
    MaskReason,
    PreferenceTask,
    Prompt,
    ReasoningTask,
    Response,
    Rollout,
    RunError,
    StepStatistics,
    VerifierStatus,
)

HOSTILE = "</pre><script>alert('x')</script> & \\boxed{1}"
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """Checks that tags nest, and collects tags, attributes and the text of the page."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def render(directory):
    path = render_report(directory)
    assert path == directory / "report.html"
    return Page(path.read_text(encoding="utf-8"))


def response(text, finish_reason=FinishReason.STOP):
    return Response((1,), np.zeros(1, dtype=np.float32), text, finish_reason, 0)


def group(index, task, texts, rewards, order=(), **fields):
    responses = tuple(response(text) for text in texts)
    judgement = fields.pop("judgement", None)
    return Group(
        Rollout(Prompt(index, task, (1,), order), responses, judgement),
        np.array(rewards, dtype=np.float64),
        np.ones(len(texts), dtype=np.bool_),
        **fields,
    )


@pytest.fixture
def groups():
    question = (ChatMessage("user", f"Question {HOSTILE}"),)
    judgement = Judgement(
        f"Verdict {HOSTILE}", (2.0, 1.0), (1, 0), 1, 9, 9, FinishReason.STOP, 0, shortened=True
    )
    return [
        group(
            0,
            ReasoningTask("sums", "a", question, ("42",)),
            [f"Answer {HOSTILE}", "x" * 5000],
            [1.0, math.nan],
            statuses=(VerifierStatus.CORRECT, VerifierStatus.TIMEOUT),
            mask_reason=MaskReason.VERIFIER_FAILURE,
        ),
        group(
            1,
            PreferenceTask("pairs", "b", question, ("worse", "better"), (1.0, 2.0)),
            ["Scores: \\boxed{1, 2}"] * 6,
            [0.5] * 6,
            order=(1, 0),
        ),
        group(2, InstructionTask("open", "c", question), ["one", "two"], [2.0, 1.0],
              judgement=judgement),
        group(
            3,
            ReasoningTask("programs", "d", question, tests=StdioTests((StdioCase("1", "2"),))),
            ["print(2)", "while True: pass"],
            [1.0, 0.0],
            statuses=(VerifierStatus.CORRECT, VerifierStatus.WRONG),
            code_results=(CodeResult(4, 4, None), CodeResult(3, 4, CodeFailure.TIME_LIMIT)),
        ),
    ]  # fmt: skip


@pytest.fixture
def run(tmp_path, groups):
    directory = tmp_path / "a&b <run>"
    directory.mkdir()
    save_config(Config(), directory / "config.toml")
    save_environment(directory / "environment.json", environment_record())
    writer = MetricsWriter(directory, MetricsConfig(), total_steps=3, ranks=OneRank())
    for step in (1, 2, 3):
        writer.log(
            StepStatistics(
                step,
                {
                    "data/all/phase": 1 + step // 3,
                    "rewards/reasoning/mean": 0.25 * step,
                    "rewards/preference/tau": math.nan if step == 2 else 0.5,
                    "rewards/instruction/mean": 6.0,
                    "rollout/all/seconds": 2.0,
                    "training/all/seconds": 3.0,
                    "run/all/seconds": 60.0,
                    "rollout/all/tokens_per_second": 800.0,
                    "training/all/tokens_per_second": 400.0,
                    "rewards/reasoning/mean/gsm8k": 0.1,
                },
            )
        )
    writer.close()
    values = [("base", 0, 0.02, 0.0), ("after SFT", 0, 0.4, 0.2), ("after URPO", 3, 0.6, 0.15)]
    with (directory / EVALUATIONS_FILE).open("w") as file:
        for label, step, accuracy, tau in values:
            entry = {
                "label": label,
                "step": step,
                "in_run": False,
                "values": {"reasoning/accuracy": accuracy, "preference/tau": tau},
                "intervals": {"reasoning/accuracy": [accuracy - 0.01, accuracy + 0.01]},
            }
            file.write(json.dumps(entry) + "\n")
    log = RolloutLog(directory)
    log.write(1, groups[:1])
    log.write(3, groups)
    return directory


def test_whole_run(run):
    page = render(run)
    assert "3 / 200" in page.text
    assert "3:00" in page.text  # 60 s a step
    for expected in ("Reward by rule", "Kendall's tau of the referee", "Seconds a stage"):
        assert expected in page.text
    assert "Score of the hidden checkers" not in page.text  # was not measured
    for expected in ("Gold: 42", "Response 1, true quality 2better", "masked: verifier failure"):
        assert expected in page.text
    for expected in ("4 of 4 tests", "3 of 4 tests, time limit"):
        assert expected in page.text
    assert "shown in the order 2, 1" in page.text
    assert "and 2 more" in page.text
    assert "[3500 more characters]" in page.text
    assert "The same at step 1" in page.text
    assert "rewards/reasoning/mean/gsm8k" in page.text  # in the table of all metrics


def test_page_is_self_contained_and_safe(run):
    page = render(run)
    assert "script" not in page.tags
    assert {"img", "link", "iframe"}.isdisjoint(page.tags)
    assert {"src", "href", "onclick"}.isdisjoint(name for name, _ in page.attributes)
    for text in (f"Question {HOSTILE}", f"Answer {HOSTILE}", f"Verdict {HOSTILE}"):
        assert text in page.text
    assert "URPO run a&b <run>" in page.text


def test_evaluations_side_by_side(run):
    page = render(run)
    assert (
        "2.0 %1.0 % to 3.0 %40.0 %39.0 % to 41.0 %60.0 %59.0 % to 61.0 %+58.0 points" in page.text
    )
    assert "tau0.0000.2000.150+0.150" in page.text


def test_the_change_has_the_interval_of_the_paired_difference(tmp_path):
    """Item by item +1, +1 and -1: resampled, the mean is anything from -1 to 1."""
    for label, values in (
        ("base", (0.0, 0.0, 1.0)),
        ("SFT", (0.5,) * 3),
        ("URPO", (1.0, 1.0, 0.0)),
    ):
        items = tuple(
            EvaluationItem("sums", str(key), {"reasoning/accuracy": value}, "")
            for key, value in enumerate(values)
        )
        mean = {"reasoning/accuracy": sum(values) / 3}
        record_evaluation(tmp_path, Evaluation(label, 0, 1, mean, items=items))
    page = render(tmp_path)
    assert "+33.3 points-100.0 points to +100.0 points" in page.text
    assert "Below each change: the 95 % interval of the difference item by item." in page.text


def test_latest_evaluation_of_a_label_counts():
    entries = [
        {"label": "base", "step": 0, "values": {"preference/tau": 0.1}},
        {"label": "urpo", "step": 5, "values": {"preference/tau": 0.3}},
        {"label": "urpo", "step": 9, "values": {"preference/tau": 0.05, "reasoning/accuracy": 1}},
    ]
    page = Page(evaluation_table(entries))
    assert "tau0.1000.050-0.050" in page.text
    assert "accuracy–100.0 %–" in page.text
    assert [value for name, value in page.attributes if value in ("up", "down")] == ["down"]


@pytest.mark.parametrize(
    ("name", "less", "more"),
    [
        ("reasoning/truncated_share", "up", "down"),
        ("preference/truncated_share", "up", "down"),
        ("reasoning/verifier_failed_share", "up", "down"),
        ("reasoning/answered_rate", "down", "up"),
        ("preference/parse_rate", "down", "up"),
    ],
)
def test_a_change_is_coloured_by_whether_it_is_better(name, less, more):
    def change(*values):
        return evaluation_table(
            [
                {"label": label, "step": 0, "values": {name: value}}
                for label, value in zip(("base", "urpo"), values, strict=True)
            ]
        )

    assert f'<td class="{less}">-25.0 points</td>' in change(0.5, 0.25)
    assert f'<td class="{more}">+25.0 points</td>' in change(0.25, 0.5)


def test_empty_directory_gets_notes(tmp_path):
    page = render(tmp_path)
    for missing in ("metrics.jsonl", "evaluations.jsonl", "config.toml", "environment.json"):
        assert missing in page.text
    assert "No rollout was recorded" in page.text


@pytest.mark.parametrize(
    "present", ["config.toml", "environment.json", "metrics.jsonl", "evaluations.jsonl", "rollouts"]
)
def test_any_part_may_be_missing(run, present):
    whole = render(run).text
    (run / present).rename(run / "elsewhere")
    partial = render(run).text
    assert partial != whole
    for heading in ("Evaluation", "Training", "Sampled answers and judgements", "Configuration"):
        assert heading in partial


def test_running_again_replaces_the_report(run):
    render(run)
    (run / EVALUATIONS_FILE).unlink()
    assert "No evaluation yet" in render(run).text
    assert not list(run.glob("*.tmp"))


def test_not_a_run_directory(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a run directory"):
        render_report(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "3",
        '{"label": "x", "step": 1, "in_run": true}',
        '{"values": {}, "in_run": true}',
        '{"label": "x", "step": 1, "values": {}}',
    ],
)
def test_damaged_evaluation_names_the_line(tmp_path, line):
    (tmp_path / EVALUATIONS_FILE).write_text(
        '{"label": "a", "step": 0, "values": {}, "in_run": false}\n' + line + "\n"
    )
    with pytest.raises(DamagedEvaluationsError, match=rf"{EVALUATIONS_FILE}:2: "):
        render_report(tmp_path)


@pytest.mark.parametrize("name", ["config.toml", "environment.json"])
def test_a_damaged_file_is_named(tmp_path, name):
    (tmp_path / name).write_text("{")
    with pytest.raises(RunError, match=f"{name}: damaged"):
        render_report(tmp_path)


def test_warm_start_has_its_own_curves(tmp_path):
    writer = MetricsWriter(tmp_path / "sft", MetricsConfig(), total_steps=2, ranks=OneRank())
    for step in (1, 2):
        writer.log(StepStatistics(step, {"sft/all/loss": 3.0 - step, "sft/all/seconds": 1.0}))
    writer.close()
    page = render(tmp_path)
    assert "Supervised warm start" in page.text
    assert "Supervised loss, nats a token" in page.text
