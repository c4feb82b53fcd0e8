"""A run's monitor on the real engine, whose referee scores places (conftest)."""

from dataclasses import replace

import pytest

from megatron_urpo.monitoring.alarms import RefereeAlarmError
from megatron_urpo.monitoring.baseline import (
    BaselineError,
    read_baseline,
    write_baseline,
)
from megatron_urpo.monitoring.monitor import RefereeMonitor
from megatron_urpo.ranks import OneRank
from megatron_urpo.run_files import BASELINE_FILE

from .known import instruction, judged, reasoning

TASKS = [judged([1, 2, 3], key=key).known.task for key in "ab"]
GROUPS = [
    reasoning([1.0, 0.0, 0.0], key="mixed"),
    reasoning([1.0, 0.0, 0.0], key="beyond the limit"),
    instruction(["x", "xx"], (1.0, 1.0)),
]
BIAS = "monitoring/preference/position_bias"
AGREEMENT = "monitoring/preference/baseline_agreement"


def idle():
    """A tick that nobody waits for."""


@pytest.fixture
def make(config, encoder, engine, tmp_path):
    def make(tasks=TASKS, **monitoring):
        monitoring = {"alarm_groups": 1} | monitoring
        changed = replace(
            config,
            run=replace(config.run, directory=str(tmp_path)),
            monitoring=replace(config.monitoring, **monitoring),
        )
        return RefereeMonitor(tasks, engine, encoder, changed, None)

    return make


def test_a_referee_of_places_is_measured_as_one(make, capsys):
    monitor = make()
    monitor.begin(0, OneRank(), idle)
    values = monitor.measure(GROUPS, 1, idle)
    assert values[BIAS] == values["monitoring/reasoning/position_bias"] == 1.0
    assert values["monitoring/preference/consistency"] == 0.0
    assert values["monitoring/preference/tau"] == pytest.approx(0.0)
    assert values["monitoring/reasoning/verifier_agreement"] == pytest.approx(0.5)
    assert values["monitoring/preference/baseline_agreement"] == 1.0  # it has not changed
    assert values["monitoring/reasoning/groups"] == 1  # monitoring.reasoning_groups
    assert values["monitoring/instruction/tie_share"] == 1.0
    assert values["monitoring/all/judgements"] == 2 * (len(TASKS) + 1)
    warnings = capsys.readouterr().out
    assert f"WARNING: step 1: {BIAS} = 1.000, above monitoring.max_position_bias" in warnings
    assert values["monitoring/all/alarms"] == warnings.count("WARNING")
    assert not monitor.stops
    monitor.raise_alarm(1)


def test_the_baseline_is_kept_and_read_again(make, tmp_path):
    make().begin(0, OneRank(), idle)
    path = tmp_path / BASELINE_FILE
    written = path.read_bytes()
    baseline = read_baseline(tmp_path)
    assert baseline.step == 0
    assert baseline.values[BIAS] == 1.0
    assert [group.key for group in baseline.groups] == ["a", "b"]
    resumed = make()
    resumed.begin(3, OneRank(), idle)
    assert path.read_bytes() == written
    assert resumed.measure([], 4, idle)["monitoring/preference/baseline_agreement"] == 1.0


def test_agreement_with_the_start_is_over_the_groups_that_could_be_read_twice(make, tmp_path):
    monitor = make(alarm_groups=2)
    monitor.begin(0, OneRank(), idle)
    values = monitor.measure([], 1, idle)
    assert f"{AGREEMENT}_groups" not in values
    assert f"alarm:{AGREEMENT}" in monitor.counters()
    kept = read_baseline(tmp_path)
    first, second = kept.groups
    silent = tuple(replace(verdict, scores=None) for verdict in first.verdicts)
    write_baseline(tmp_path, replace(kept, groups=(replace(first, verdicts=silent), second)))
    resumed = make(alarm_groups=2)
    resumed.begin(1, OneRank(), idle)
    values = resumed.measure([], 2, idle)
    assert values[f"{AGREEMENT}_groups"] == 1
    assert values[AGREEMENT] == 1.0
    assert f"alarm:{AGREEMENT}" not in resumed.counters()  # one group says too little


def test_a_baseline_of_a_step_that_was_thrown_away_is_made_anew(make, tmp_path):
    make().begin(5, OneRank(), idle)
    make().begin(2, OneRank(), idle)
    assert read_baseline(tmp_path).step == 2


def test_a_baseline_of_other_groups_is_refused(make):
    make().begin(0, OneRank(), idle)
    other = make(TASKS[::-1])
    with pytest.raises(BaselineError, match="judgements of pairs/a, where the configuration now"):
        other.begin(1, OneRank(), idle)


def test_an_alarm_of_stop_on_stops_and_names_its_key(make):
    monitor = make(stop_on=("position_bias",), patience=2)
    monitor.begin(0, OneRank(), idle)
    monitor.measure([], 1, idle)
    assert not monitor.stops
    resumed = make(stop_on=("position_bias",), patience=2)
    resumed.load_counters({"skipped_in_a_row": 0} | monitor.counters())
    resumed.begin(1, OneRank(), idle)
    resumed.measure([], 2, idle)
    assert resumed.stops
    with pytest.raises(RefereeAlarmError) as caught:
        resumed.raise_alarm(2)
    for part in (
        "stopped after step 2, which is saved",
        BIAS,
        "change monitoring.max_position_bias",
    ):
        assert part in str(caught.value)


def test_every_judgement_is_a_sign_of_life(make):
    ticks = []
    monitor = make()
    monitor.begin(0, OneRank(), lambda: ticks.append("begin"))
    values = monitor.measure(GROUPS, 1, lambda: ticks.append("measure"))
    assert ticks.count("begin") == 2 * len(TASKS)
    assert ticks.count("measure") == values["monitoring/all/judgements"]
