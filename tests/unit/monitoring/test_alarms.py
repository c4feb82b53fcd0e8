from itertools import cycle

import pytest

from megatron_urpo.config import MonitoringConfig
from megatron_urpo.monitoring.alarms import check_alarms
from megatron_urpo.monitoring.statistics import referee_metrics
from megatron_urpo.referee_measures import REFEREE_MEASURES

from .known import judged, verdict

TAU = "monitoring/preference/tau"
BIAS = "monitoring/reasoning/position_bias"


def over(groups, values):
    """The metrics of a measurement over so many groups of each role and source."""
    counts = {}
    for metric in values:
        section, role, _, *source = metric.split("/", 3)
        counts["/".join([section, role, "groups", *source])] = groups
    return counts | values


def run(values_of_measurements, groups=(8,), **config):
    """The alarms of each of several measurements."""
    counts, given = {}, []
    for count, values in zip(cycle(groups), values_of_measurements, strict=False):
        alarms, counts = check_alarms(over(count, values), counts, MonitoringConfig(**config))
        given.append([(alarm.metric, alarm.in_a_row) for alarm in alarms])
    return given


def test_an_alarm_waits_for_patience_and_a_good_value_ends_it():
    values = [{TAU: value} for value in (-0.1, -0.1, -0.2, 0.1, -0.1, -0.1)]
    assert run(values, patience=2) == [[], [(TAU, 2)], [(TAU, 3)], [], [], [(TAU, 2)]]
    assert run(values[:1], patience=1) == [[(TAU, 1)]]


def test_the_limit_itself_is_allowed_on_both_sides():
    assert run([{TAU: 0.25, BIAS: 0.5}], patience=1, min_tau=0.25, max_position_bias=0.5) == [[]]


def test_a_bias_counts_by_its_size():
    assert run([{BIAS: -0.6}], patience=1) == [[(BIAS, 1)]]
    assert run([{BIAS: 0.6}], patience=1) == [[(BIAS, 1)]]


def test_a_measurement_without_the_metric_neither_counts_nor_forgives():
    assert run([{BIAS: 1.0}, {}, {BIAS: 1.0}], patience=2)[2] == [(BIAS, 2)]


def test_a_measurement_over_too_few_groups_neither_counts_nor_forgives():
    values = [{TAU: -1.0}, {TAU: 1.0}, {TAU: -1.0}, {TAU: -1.0}]
    assert run(values, groups=(8, 7, 8, 7), patience=2) == [[], [], [(TAU, 2)], []]
    assert run(values[:1], groups=(1,), patience=1, alarm_groups=1) == [[(TAU, 1)]]


def test_a_measure_that_few_groups_have_neither_counts_nor_forgives():
    """One of 32 groups has two judgements that can be read: of a referee of places."""
    unread = [judged([1, 2], verdict(None), verdict(None, (1, 0))) for _ in range(31)]
    of_places = judged([1, 2], verdict([1, 2]), verdict([2, 1], (1, 0)))
    values = referee_metrics([*unread, of_places])
    assert values["monitoring/preference/consistency"] == 0.0
    config = MonitoringConfig(patience=1)
    alarms, counts = check_alarms(values, {}, config)
    assert [alarm.metric for alarm in alarms] == ["monitoring/preference/parse_failure_share"]
    assert counts.keys() == {TAU, "monitoring/preference/parse_failure_share"}
    enough = referee_metrics([*unread, *[of_places] * 8])
    metrics = {alarm.metric for alarm in check_alarms(enough, {}, config)[0]}
    assert {f"monitoring/preference/{name}" for name in ("consistency", "position_bias")} < metrics


def test_the_tau_of_each_source_has_the_alarm_of_tau():
    hard, easy = f"{TAU}/hard", f"{TAU}/a/b"
    values = over(8, {TAU: 0.4, hard: -0.3, easy: 0.9})
    config = MonitoringConfig(every=1, patience=1, stop_on=("tau",))
    (alarm,), counts = check_alarms(values, {}, config)
    assert (alarm.metric, alarm.stops, alarm.key) == (hard, True, "monitoring.min_tau")
    assert counts == {TAU: 0, hard: 1, easy: 0}
    few = values | {"monitoring/preference/groups/hard": 7}
    assert check_alarms(few, {}, config)[0] == []


def test_the_length_of_self_judged_answers_has_an_alarm():
    """Where the truth is known length_bias has it."""
    values = {
        f"monitoring/{role}/length_correlation": 0.7
        for role in ("reasoning", "preference", "instruction")
    }
    assert run([values], patience=1) == [[("monitoring/instruction/length_correlation", 1)]]
    assert run([values], patience=1, max_length_correlation=0.7) == [[]]


def test_roles_are_counted_apart_and_other_metrics_not_at_all():
    values = {
        "monitoring/preference/tie_share": 0.9,
        "monitoring/instruction/tie_share": 0.9,
        "monitoring/preference/tie_share/hard": 1.0,
        "monitoring/all/judgements": -1.0,
        "rewards/preference/tau": -1.0,
        "monitoring/preference/length_correlation": 1.0,
    }
    assert run([values], patience=1) == [
        [("monitoring/preference/tie_share", 1), ("monitoring/instruction/tie_share", 1)]
    ]


def test_stop_on_names_the_measures_that_stop():
    config = MonitoringConfig(every=1, patience=1, stop_on=("tau",))
    alarms, _ = check_alarms(over(8, {TAU: -1.0, BIAS: 1.0}), {}, config)
    assert {alarm.metric: alarm.stops for alarm in alarms} == {TAU: True, BIAS: False}


@pytest.mark.parametrize("measure", REFEREE_MEASURES.values(), ids=REFEREE_MEASURES)
def test_every_measure_has_an_alarm_that_names_its_key(measure):
    name, key = measure.name, measure.key
    value = 1.0 if measure.is_upper else -1.0
    role = measure.alarm_roles[0].value
    (alarm,), _ = check_alarms(
        over(8, {f"monitoring/{role}/{name}": value}),
        {},
        MonitoringConfig(patience=1, **{key: 0.25}),
    )
    side = "above" if measure.is_upper else "below"
    assert str(alarm) == (
        f"monitoring/{role}/{name} = {value:.3f}, {side} monitoring.{key} = 0.25 for "
        f"1 measurement(s) in a row: {measure.meaning}"
    )
