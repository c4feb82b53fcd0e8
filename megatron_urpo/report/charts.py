"""Curves and stacked bars as inline SVG, without any library. Colours come from the page's CSS.

Series are drawn in the classes series-<name> (role names) or series-<number>, so that light and
dark themes can colour them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 10, 22
SMOOTH_FROM = 40  # points from which a moving average is drawn over the raw curve
MAX_BARS = 80  # further steps are averaged in bins
# A referee may give any score. Sums and spans of larger values overflow, smaller ones vanish.
LARGEST, SMALLEST = 1e300, 1e-290


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: values at steps, NaN where there is none."""

    label: str
    steps: Sequence[int]
    values: Sequence[float]
    css_class: str = "series-0"


@dataclass(frozen=True, slots=True)
class Frame:
    """The plotted rectangle: data coordinates -> pixels."""

    low_x: float
    high_x: float
    low_y: float
    high_y: float

    def x(self, value: float) -> float:
        share = (value - self.low_x) / ((self.high_x - self.low_x) or 1.0)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low_y) / ((self.high_y - self.low_y) or 1.0)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def line_chart(title: str, series: Sequence[Series], boundary: int | None = None) -> str:
    """A figure of curves over steps with a legend of their last values.

    boundary: the step at which the curriculum's second phase starts, marked by a dashed line.
    """
    finite = [v for s in series for v in s.values if math.isfinite(v)]
    steps = [step for s in series for step in s.steps]
    if not finite:
        return ""
    if max(map(abs, finite)) > LARGEST:
        return _too_large(title, finite)
    ticks = nice_ticks(*_shown_range(min(finite), max(finite)))
    frame = Frame(min(steps), max(steps), ticks[0], ticks[-1])
    parts = [_axes(frame, ticks)]
    if boundary is not None and frame.low_x < boundary <= frame.high_x:
        parts.append(_boundary(frame, boundary))
    for one in series:
        parts.append(_curve(frame, one))
    legend = [(s.label, s.css_class, format_value(_last(s.values))) for s in series]
    return _figure(title, "".join(parts), legend)


def stacked_chart(title: str, steps: Sequence[int], layers: Mapping[str, Sequence[float]]) -> str:
    """A figure of stacked bars, one a step (or the mean of a bin of steps); NaN counts as 0.

    layers: label -> one value a step, drawn from the bottom up.
    """
    if not steps or not layers:
        return ""
    bins = math.ceil(len(steps) / MAX_BARS)
    starts = range(0, len(steps), bins)
    stacks = {
        label: [_mean(known[start : start + bins]) for start in starts]
        for label, values in layers.items()
        for known in [[value if math.isfinite(value) else 0.0 for value in values]]
    }
    top = max(map(sum, zip(*stacks.values(), strict=True)))
    if top > LARGEST:
        return _too_large(title, [value for values in stacks.values() for value in values])
    ticks = nice_ticks(0.0, top if top >= SMALLEST else 1.0)
    width = max(steps) - min(steps) + 1
    frame = Frame(min(steps) - 0.5, min(steps) - 0.5 + width, ticks[0], ticks[-1])
    parts = [_axes(frame, ticks)]
    floors = [0.0] * len(starts)
    for number, (label, values) in enumerate(stacks.items()):
        for position, value in enumerate(values):
            start = steps[starts[position]]
            last = steps[min(starts[position] + bins, len(steps)) - 1]
            parts.append(_bar(frame, (start, last), floors[position], value, number, label))
            floors[position] += value
    legend = [
        (label, f"series-{number}", f"{_mean(values):.3g}")
        for number, (label, values) in enumerate(stacks.items())
    ]
    return _figure(title, "".join(parts), legend)


def sparkline(values: Sequence[float]) -> str:
    """A curve without axes, for tables."""
    finite = [v for v in values if math.isfinite(v)]
    if len(finite) < 2 or max(map(abs, finite)) > LARGEST:
        return ""
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    points = " ".join(
        f"{1 + 118 * index / (len(finite) - 1):.1f},{21 - 20 * (value - low) / span:.1f}"
        for index, value in enumerate(finite)
    )
    return (
        '<svg class="spark" viewBox="0 0 120 22" role="img" aria-label="trend">'
        f'<polyline points="{points}"/></svg>'
    )


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers that cover low to high, evenly spaced, ascending.

    Raises ValueError unless low < high and both are finite.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"ticks need a finite range, got {low} to {high}")
    raw = (high - low) / (count - 1)
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def format_value(value: float) -> str:
    """A number for people: 1,234  12.3  0.456  1.2e-07  1.2e+16."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e15:
        return f"{value:.1e}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if size >= 1e-3 else f"{value:.1e}"


def moving_average(values: Sequence[float], window: int) -> list[float]:
    """Mean of the finite values among the last `window`; NaN where there is none."""
    return [_mean(values[max(0, end - window) : end]) for end in range(1, len(values) + 1)]


def _shown_range(low: float, high: float) -> tuple[float, float]:
    """What an axis covers: from 0 where that is not far, and something where all is one value."""
    size = max(abs(low), abs(high))
    if size < SMALLEST:
        return -0.1, 0.1
    if high - low <= 1e-9 * size:
        return low - 0.1 * size, high + 0.1 * size
    return (0.0 if 0 < low < 0.5 * high else low), high


def _too_large(title: str, values: Sequence[float]) -> str:
    low, high = format_value(min(values)), format_value(max(values))
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<p class="note">Values from {low} to {high}: too large to draw.</p></figure>'
    )


def _axes(frame: Frame, ticks: Sequence[float]) -> str:
    parts = []
    for tick in ticks:
        y = frame.y(tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        label = format_value(tick if abs(tick) > 1e-12 else 0.0)
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{label}</text>'
        )
    for step in _step_ticks(math.ceil(frame.low_x), math.floor(frame.high_x)):
        parts.append(
            f'<text class="tick" x="{frame.x(step):.1f}" y="{HEIGHT - BOTTOM + 16}" '
            f'text-anchor="middle">{step}</text>'
        )
    return "".join(parts)


def _step_ticks(low: int, high: int) -> list[int]:
    """Round step numbers within a range, its ends where there are none."""
    if high - low < 5:
        return list(range(low, high + 1))
    return [round(tick) for tick in nice_ticks(low, high) if low <= tick <= high and tick % 1 == 0]


def _boundary(frame: Frame, step: int) -> str:
    x = frame.x(step)
    return (
        f'<line class="boundary" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text class="tick" x="{x + 4:.1f}" y="{TOP + 9}">phase 2</text>'
    )


def _curve(frame: Frame, series: Series) -> str:
    points = list(zip(series.steps, series.values, strict=True))
    if len(points) < SMOOTH_FROM:
        dots = "".join(
            f'<circle cx="{frame.x(step):.1f}" cy="{frame.y(value):.1f}" r="2.2">'
            f"<title>{escape(series.label)}, step {step}: {format_value(value)}</title></circle>"
            for step, value in points
            if math.isfinite(value)
        )
        return f'<g class="{series.css_class}">{_lines(frame, points, "curve")}{dots}</g>'
    smooth = moving_average(series.values, max(3, len(points) // 20))
    over = list(zip(series.steps, smooth, strict=True))
    return (
        f'<g class="{series.css_class}">{_lines(frame, points, "raw")}'
        f"{_lines(frame, over, 'curve')}</g>"
    )


def _lines(frame: Frame, points: Sequence[tuple[int, float]], css_class: str) -> str:
    """Polylines through the finite points, interrupted at the others."""
    runs: list[list[str]] = [[]]
    for step, value in points:
        if math.isfinite(value):
            runs[-1].append(f"{frame.x(step):.1f},{frame.y(value):.1f}")
        elif runs[-1]:
            runs.append([])
    return "".join(
        f'<polyline class="{css_class}" points="{" ".join(run)}"/>' for run in runs if len(run) > 1
    )


def _bar(
    frame: Frame, steps: tuple[int, int], floor: float, value: float, number: int, label: str
) -> str:
    x, right = frame.x(steps[0] - 0.44), frame.x(steps[1] + 0.44)
    top, height = frame.y(floor + value), frame.y(floor) - frame.y(floor + value)
    return (
        f'<rect class="series-{number}" x="{x:.2f}" y="{top:.2f}" width="{right - x:.2f}" '
        f'height="{height:.2f}"><title>{escape(label)}, step {steps[0]}: {format_value(value)}'
        "</title></rect>"
    )


def _figure(title: str, content: str, legend: Sequence[tuple[str, str, str]]) -> str:
    keys = "".join(
        f'<span class="key"><i class="{css_class}"></i>{escape(label)} <b>{value}</b></span>'
        for label, css_class, value in legend
    )
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{content}</svg>"
        f'<div class="legend">{keys}</div></figure>'
    )


def _last(values: Sequence[float]) -> float:
    return next((value for value in reversed(values) if math.isfinite(value)), math.nan)


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan
