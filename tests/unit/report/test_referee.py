"""The referee's panel: values of start and end, thresholds of the run, alarms as given."""

from __future__ import annotations

import re

from megatron_urpo.config import Config, MonitoringConfig
from megatron_urpo.config.load import format_config
from megatron_urpo.metrics import MetricsWriter
from megatron_urpo.monitoring.baseline import Baseline, write_baseline
from megatron_urpo.ranks import OneRank
from megatron_urpo.report.page import render_report
from megatron_urpo.report.referee import referee_table
from megatron_urpo.types import StepStatistics

TAU = "monitoring/preference/tau"
TIES = "monitoring/instruction/tie_share"


def rows(html):
    """The cells of each row, without markup."""
    return [
        [re.sub(r"<[^>]+>", " ", cell).strip() for cell in re.findall(r"<td>(.*?)</td>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", html)
    ][1:]


def measured(tau, ties):
    counted = {"monitoring/all/alarms": 0.0}
    counted |= {f"monitoring/{role}/groups": 8.0 for role in ("preference", "instruction")}
    counted["monitoring/preference/groups/hard"] = 8.0
    return [
        StepStatistics(step, counted | {TAU: a, f"{TAU}/hard": a / 2, TIES: b})
        for step, (a, b) in enumerate(zip(tau, ties, strict=True), start=1)
    ]


def test_rows_show_start_first_last_threshold_and_alarm():
    steps = [StepStatistics(1, {"rewards/preference/tau": 1.0})]
    steps += measured([0.5, 0.05, 0.02], [0.1, 0.2, 0.9])
    config = {"min_tau": 0.1, "max_tie_share": 0.5, "patience": 2}
    html = referee_table(steps, config, Baseline(0, {TAU: 0.25}, ()))
    assert rows(html) == [
        ["tau on held-out preferences", "preference", "0.25", "0.5", "0.02", "",
         "at least 0.1  alarm, 2 in a row"],
        ["tau on held-out preferences", "hard", "–", "0.25", "0.01", "",
         "at least 0.1  alarm, 2 in a row"],
        ["ties between unequal responses", "instruction", "–", "0.1", "0.9", "",
         "at most 0.5  beyond it 1 time(s)"],
    ]  # fmt: skip
    assert "step 0" in html
    assert "Measured 3 times, last in step 3" in html


def test_an_alarm_that_ended_is_no_alarm():
    html = referee_table(measured([-1, -1, 1.0], [0, 0, 0]), {"min_tau": 0.0, "patience": 1}, None)
    assert "alarm," not in html
    assert rows(html)[0][-1] == "at least 0"


def test_a_run_without_measurements_gets_a_note():
    assert "was not measured" in referee_table([StepStatistics(1, {})], {}, None)


def test_the_report_has_one_panel(tmp_path):
    writer = MetricsWriter(tmp_path, Config().metrics, total_steps=3, ranks=OneRank())
    for statistics in measured([0.1, 0.2, 0.3], [0.0, 0.0, 0.0]):
        writer.log(statistics)
    writer.close()
    config = Config(monitoring=MonitoringConfig(min_tau=0.15))
    (tmp_path / "config.toml").write_text(format_config(config))
    write_baseline(tmp_path, Baseline(0, {TAU: 0.05}, ()))
    page = render_report(tmp_path).read_text()
    panel = page[page.index("<h2>Referee</h2>") : page.index("<h2>Sampled answers")]
    assert "at least 0.15" in panel
    assert "<figcaption>Tau on held-out preferences</figcaption>" in panel
    assert "<figcaption>Agreement with the verifier</figcaption>" not in panel  # not measured
    assert page.count("<figcaption>Tau on held-out preferences</figcaption>") == 1
