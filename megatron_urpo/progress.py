"""The live line of a run: phase, step, rewards, tau, parse rate, tokens/s, time left."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

from megatron_urpo.types import StepStatistics

# Metric, label in front, format of the value.
_COLUMNS = (
    ("sft/all/loss", "loss", "{:.3f}"),
    ("rewards/reasoning/mean", "reasoning", "{:.2f}"),
    ("rewards/preference/mean", "preference", "{:.2f}"),
    ("rewards/instruction/mean", "instruction", "{:.2f}"),
    ("rewards/preference/tau", "tau", "{:.2f}"),
    ("rewards/preference/parsed_share", "parsed", "{:.0%}"),
    ("run/all/tokens_per_second", "", "{:,.0f} tok/s"),
)
_WINDOW = 5  # steps whose mean duration predicts the time left


class ProgressLine:
    """One line a step; on a terminal also a line below it that says what is going on right now."""

    def __init__(
        self,
        total_steps: int,
        *,
        completed: int = 0,
        label: str = "",
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            completed: steps that came before.
            label: of the stage, e.g. "sft"; without one the curriculum's phase is shown.
        """
        self._total_steps = total_steps
        self._label = label
        self._stream = stream or sys.stderr
        self._clock = clock
        self._is_terminal = self._stream.isatty()
        self._completed = completed
        self._last_time = clock()
        self._durations: deque[float] = deque(maxlen=_WINDOW)

    def show_stage(self, text: str) -> None:
        """What the current step is doing, e.g. "rollout 12/64 groups"; terminals only."""
        if self._is_terminal:
            head = f"step {self._completed + 1}/{self._total_steps}"
            width = shutil.get_terminal_size().columns
            self._stream.write(f"\r\x1b[2K{head}  {text}"[: width + 4])
            self._stream.flush()

    def show_step(self, statistics: StepStatistics) -> None:
        """The finished step."""
        now = self._clock()
        self._durations.append(now - self._last_time)
        self._last_time = now
        self._completed = statistics.step
        clear = "\r\x1b[2K" if self._is_terminal else ""
        self._stream.write(clear + self._line(statistics) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Removes what show_stage left on the terminal."""
        if self._is_terminal:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()

    def _line(self, statistics: StepStatistics) -> str:
        values = statistics.values
        phase = values.get("data/all/phase")
        label = self._label or ("" if phase is None else f"phase {phase:.0f}")
        width = len(str(self._total_steps))
        parts = [label, f"step {statistics.step:>{width}}/{self._total_steps}"]
        for name, text, shape in _COLUMNS:
            if math.isfinite(values.get(name, math.nan)):
                parts.append(f"{text} {shape.format(values[name])}".strip())
        remaining = self._total_steps - statistics.step
        if remaining > 0:
            seconds = remaining * sum(self._durations) / len(self._durations)
            parts.append(f"{format_duration(seconds)} left")
        return "  ".join(part for part in parts if part)


def format_duration(seconds: float) -> str:
    """1:05 for 65 seconds, 2:03:07 for hours."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
