"""Curves land where their values say."""

import math
import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from megatron_urpo.report.charts import (
    HEIGHT,
    LARGEST,
    Frame,
    Series,
    format_value,
    line_chart,
    moving_average,
    nice_ticks,
    sparkline,
    stacked_chart,
)


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_cover_the_range_evenly(low, span):
    high = low + span
    if high - low < 1e-6 * max(abs(low), 1.0):
        return
    ticks = nice_ticks(low, high)
    tolerance = 1e-6 * (ticks[1] - ticks[0])
    assert ticks[0] <= low + tolerance
    assert ticks[-1] >= high - tolerance
    assert 2 <= len(ticks) <= 7
    steps = [b - a for a, b in pairwise(ticks)]
    assert steps == pytest.approx([steps[0]] * len(steps), rel=1e-3)


def test_ticks_are_round():
    assert nice_ticks(0.03, 0.92) == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert nice_ticks(-1, 1) == pytest.approx([-1, -0.5, 0, 0.5, 1])


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (0.0, math.inf), (math.nan, 1)])
def test_ticks_of_no_range(low, high):
    with pytest.raises(ValueError, match="ticks need a finite range"):
        nice_ticks(low, high)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1234.5, "1,234"),
        (12.345, "12.3"),
        (-0.25, "-0.25"),
        (1.23e-7, "1.2e-07"),
        (-1e308, "-1.0e+308"),
        (math.nan, "–"),
    ],
)
def test_numbers_for_people(value, text):
    assert format_value(value) == text


def test_points_of_a_curve():
    frame = Frame(low_x=0, high_x=4, low_y=0.0, high_y=1.0)
    svg = line_chart("t", [Series("tau", [0, 1, 2, 3, 4], [0.0, 0.5, math.nan, 1.0, 0.25])])
    runs = [
        [tuple(map(float, point.split(","))) for point in run.split()]
        for run in re.findall(r'<polyline class="curve" points="([^"]*)"', svg)
    ]
    expected = [[(0, 0.0), (1, 0.5)], [(3, 1.0), (4, 0.25)]]  # NaN interrupts the curve
    assert [len(run) for run in runs] == [2, 2]
    for run, points in zip(runs, expected, strict=True):
        for (x, y), (step, value) in zip(run, points, strict=True):
            assert (x, y) == pytest.approx((frame.x(step), frame.y(value)), abs=0.06)
    assert "<b>0.25</b>" in svg  # the legend shows the last value


def test_phase_boundary_only_inside_the_range():
    series = [Series("a", [3, 4, 5], [1.0, 2.0, 3.0])]
    assert "phase 2" in line_chart("t", series, boundary=4)
    assert "phase 2" not in line_chart("t", series, boundary=3)
    assert "phase 2" not in line_chart("t", series, boundary=6)


def test_nothing_to_draw():
    assert line_chart("t", [Series("a", [0], [math.nan])]) == ""
    assert line_chart("t", []) == ""
    assert stacked_chart("t", [], {}) == ""
    assert sparkline([1.0]) == ""


def test_a_constant_and_a_single_point_can_be_drawn():
    assert "<circle" in line_chart("t", [Series("a", [0], [0.0])])
    assert "<polyline" in line_chart("t", [Series("a", [0, 1], [5.0, 5.0])])


scores = st.lists(st.floats(), min_size=1, max_size=60)


@given(scores)
@example([1e308, -1e308])
@example([1.7e308, 1.7e308])
@example([5e-324, 0.0])
@example([5e-324, 1e-323])
@example([1e-300, -1e-300, 1e-290])
@example([1e300, -1e300] * 30)
def test_scores_of_any_size_make_a_page(values):
    """A referee writes the numbers it likes, and the report is for finding out."""
    steps = list(range(len(values)))
    drawn = line_chart("t", [Series("self-reward", steps, values)])
    stacked = stacked_chart("t", steps, {"a": list(map(abs, values)), "b": [1.0] * len(values)})
    for svg in (drawn, stacked, sparkline(values)):
        assert not re.search(r'="[^"]*\b(?:nan|inf)\b', svg)
    finite = [value for value in values if math.isfinite(value)]
    if finite and max(map(abs, finite)) > LARGEST:
        assert "too large to draw" in drawn
    elif finite:
        assert "<svg" in drawn
        heights = [float(y) for y in re.findall(r'<circle cx="[^"]*" cy="([^"]*)"', drawn)]
        assert all(-0.1 <= y <= HEIGHT + 0.1 for y in heights)


def test_what_is_too_large_is_said():
    svg = line_chart("Self-reward", [Series("a", [0, 1], [1e308, -1e308])])
    assert "<figcaption>Self-reward</figcaption>" in svg
    assert "Values from -1.0e+308 to 1.0e+308: too large to draw." in svg


def test_labels_are_escaped():
    svg = line_chart("<b>", [Series("<i>", [0, 1], [1.0, 2.0])])
    assert "<b>&lt;" not in svg
    assert "&lt;i&gt;" in svg
    assert "<i>" not in svg.replace('<i class="series-0"></i>', "")


def test_bars_are_stacked():
    svg = stacked_chart("s", [7, 8], {"rollout": [3.0, 1.0], "training": [1.0, math.nan]})
    bars = [
        tuple(map(float, bar))
        for bar in re.findall(r'<rect class="series-\d" x="([^"]*)" y="([^"]*)" '
                              r'width="([^"]*)" height="([^"]*)"', svg)
    ]  # fmt: skip
    first, second, above, nothing = bars
    unit = first[3] / 3
    assert second[3] == pytest.approx(unit, abs=0.02)
    assert above[3] == pytest.approx(unit, abs=0.02)
    assert nothing[3] == 0.0
    assert above[1] + above[3] == pytest.approx(first[1], abs=0.02)  # stands on the first
    assert first[0] + first[2] < second[0]


def test_many_steps_are_averaged_in_bins():
    svg = stacked_chart("s", list(range(1000)), {"rollout": [1.0] * 1000})
    assert 40 <= svg.count("<rect") <= 80


def test_moving_average_skips_gaps():
    assert moving_average([1.0, 3.0, math.nan, 5.0], 2) == [1.0, 2.0, 3.0, 5.0]
