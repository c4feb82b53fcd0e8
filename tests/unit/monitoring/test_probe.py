"""The probe's table from groups whose numbers are known by hand."""

import math

import pytest

from megatron_urpo.cli import read_config
from megatron_urpo.config import Config, ConfigError, MonitoringConfig
from megatron_urpo.monitoring.probe import ProbeTasks, player_measures, referee_measures
from megatron_urpo.monitoring.seed_competence import (
    REFEREE,
    Outcome,
    Rule,
    format_table,
    has_seed,
    measure,
)
from megatron_urpo.types import TaskKind

from .known import instruction, judged, reasoning, verdict


def by_name(measures):
    return {row.name: row for row in measures}


def test_player_by_hand():
    groups = [
        reasoning([1.0, 0.0, 0.0, 0.0]),
        reasoning([0.0] * 4, cut=True),
        reasoning([1.0] * 4, parsed=False),
        reasoning([1.0, None, 0.0, None]),  # two answers without a verdict are left out
    ]
    rows = by_name(player_measures(groups))
    assert rows["pass@1"].value == pytest.approx((0.25 + 0 + 1 + 0.5) / 4)
    assert rows["pass@4"].value == pytest.approx(3 / 4)
    assert rows["mixed groups"].value == pytest.approx(2 / 4)
    assert rows["answers found"].value == pytest.approx(3 / 4)
    assert rows["answers cut off"].value == pytest.approx(1 / 4)
    assert rows["pass@1"].groups == 4


def test_a_player_that_solves_nothing_is_not_ready():
    measures = player_measures([reasoning([0.0] * 4, parsed=False) for _ in range(20)])
    rows = by_name(measures)
    assert rows["pass@4"].outcome is Outcome.BAD
    assert rows["answers found"].outcome is Outcome.BAD
    assert not has_seed(measures)
    table = format_table("some/model", measures)
    assert "some/model, as it is" in table
    assert "player, pass@4 0.00: hardly any problem is ever solved" in table
    assert "Conclusion: not ready as player." in table


def good(key, source="pairs"):
    return judged([1, 2, 3], verdict([1, 2, 3]), verdict([1, 2, 3], (2, 1, 0)), source=source)


def test_a_good_referee_is_ready():
    measures = referee_measures([good(key) for key in "abcdef"], Config())
    assert {row.outcome for row in measures} == {Outcome.GOOD}
    assert "Conclusion: ready, as player and as referee." in format_table("m", measures)
    assert {row.name for row in measures} == {rule.name for rule in REFEREE} - {
        "agreement with the verifier"
    }


def test_a_silent_referee_is_not_ready():
    silent = [verdict(None), verdict(None, (1, 0), truncated=True)]
    groups = [judged([1, 2], *silent, key=key) for key in "abcdef"]
    measures = referee_measures(groups, Config())
    rows = by_name(measures)
    assert rows["scores unreadable"].value == 1.0
    assert rows["judgements cut off"].value == 0.5
    assert rows["tau"].outcome is Outcome.BAD
    assert "consistency" not in rows
    assert "Conclusion: not ready as referee." in format_table("m", measures)


def test_thresholds_are_those_of_the_monitoring_section():
    config = Config(monitoring=MonitoringConfig(min_consistency=1.0, max_tie_share=0.0))
    rows = by_name(referee_measures([good("a"), good("b")], config))
    assert rows["consistency"].limit == 1.0
    assert rows["consistency"].outcome is Outcome.BAD  # not above 1
    assert rows["ties"].outcome is Outcome.GOOD


def test_sources_and_own_answers_are_told_apart():
    groups = [
        good("a", "easy"),
        judged([1, 2], verdict([2, 1]), verdict([2, 1], (1, 0)), source="hard"),
        judged([1, 0], verdict(None), verdict(None), kind=TaskKind.REASONING),
    ]
    rows = by_name(referee_measures(groups, Config()))
    assert rows["tau"].value == 0.0
    assert (rows["tau: easy"].value, rows["tau: hard"].value) == (1.0, -1.0)
    assert rows["scores unreadable: preferences"].value == 0.0
    assert rows["scores unreadable: own answers"].value == 1.0
    assert rows["agreement with the verifier"].value == 0.5


@pytest.mark.parametrize(
    ("values", "rule", "outcome"),
    [
        ([0.3] * 9, Rule("x", limit=0.2), Outcome.GOOD),
        ([0.2] * 9, Rule("x", limit=0.2), Outcome.BAD),
        ([0.0, 0.5] * 3, Rule("x", limit=0.2), Outcome.UNCLEAR),
        ([0.3] * 9, Rule("x", limit=0.2, is_upper=True), Outcome.BAD),
        ([0.2] * 9, Rule("x", limit=0.2, is_upper=True), Outcome.GOOD),
        ([-0.3] * 9, Rule("x", limit=0.2, is_upper=True, by_size=True), Outcome.BAD),
        ([-0.4, 0.2] * 3, Rule("x", limit=0.2, is_upper=True, by_size=True), Outcome.UNCLEAR),
        ([-0.9, 0.5, 0.5], Rule("x", limit=0.6, is_upper=True, by_size=True), Outcome.UNCLEAR),
        ([0.9, -0.5, -0.5], Rule("x", limit=0.6, is_upper=True, by_size=True), Outcome.UNCLEAR),
        ([-0.5, 0.5, 0.5], Rule("x", limit=0.6, is_upper=True, by_size=True), Outcome.GOOD),
        ([0.3] * 9, Rule("x"), Outcome.NONE),
    ],
)
def test_the_interval_decides_what_is_certain(values, rule, outcome):
    assert measure("player", rule, values).outcome is outcome


def test_what_is_not_certain_is_said():
    measures = [measure("referee", Rule("tau", limit=0.0), [1.0, -0.9])]
    table = format_table("m", measures)
    assert "- not certain: tau. Measure more groups" in table
    assert "Conclusion: nothing speaks against training this model" in table
    assert math.isclose(measures[0].value, 0.05)


def test_the_model_of_the_command_line_is_probed_with_generated_tasks():
    config = read_config(["probe", "some/model", "--rollout.group_size", "4"])
    assert config.model.path == "some/model"
    assert config.rollout.group_size == 4
    assert {source.kind for source in config.monitored_sources()} == {
        TaskKind.REASONING,
        TaskKind.PREFERENCE,
    }


def test_a_configuration_replaces_the_generated_tasks(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[model]\npath = 'other'\n[run]\nseed = 9\n")
    config = read_config(["probe", "some/model", str(path), "--monitoring.orders", "4"])
    assert (config.model.path, config.run.seed, config.monitoring.orders) == ("some/model", 9, 4)
    assert config.monitored_sources() == ()


def test_both_kinds_of_task_are_needed():
    problem, pair, other = (
        reasoning([1.0]).prompt.task,
        good("a").known.task,
        instruction(["a"], (1.0,)).prompt.task,
    )
    assert ProbeTasks.of([pair, other, problem]) == ProbeTasks((problem,), (pair,))
    with pytest.raises(ConfigError, match="the probe has no preference tasks"):
        ProbeTasks.of([problem, other])
    with pytest.raises(ConfigError, match="the probe has no reasoning tasks"):
        ProbeTasks.of([pair])
