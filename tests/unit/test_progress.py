"""The progress line, on a terminal and in a log file."""

import io

import pytest

from megatron_urpo.progress import ProgressLine, format_duration
from megatron_urpo.types import StepStatistics

VALUES = {
    "data/all/phase": 2.0,
    "rewards/reasoning/mean": 0.456,
    "rewards/preference/mean": 0.25,
    "rewards/instruction/mean": 6.5,
    "rewards/preference/tau": 0.5,
    "rewards/preference/parsed_share": 0.975,
    "run/all/tokens_per_second": 1234.5,
}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def ticking(*times):
    moments = iter(times)
    return lambda: next(moments)


def test_plain_line_a_step():
    stream = io.StringIO()
    progress = ProgressLine(100, completed=7, stream=stream, clock=ticking(50, 60, 80))
    progress.show_stage("rollout 3/8")
    progress.show_step(StepStatistics(8, VALUES))
    progress.show_step(
        StepStatistics(9, {"data/all/phase": 1.0, "rewards/preference/tau": float("nan")})
    )
    progress.close()
    assert stream.getvalue().splitlines() == [
        "phase 2  step   8/100  reasoning 0.46  preference 0.25  instruction 6.50  tau 0.50  "
        "parsed 98%  1,234 tok/s  15:20 left",
        "phase 1  step   9/100  22:45 left",  # (10 s + 20 s) / 2 a step
    ]


def test_last_step_and_label():
    stream = io.StringIO()
    progress = ProgressLine(2, label="sft", stream=stream, clock=ticking(0, 1))
    progress.show_step(StepStatistics(2, {"sft/all/loss": 1.23456}))
    assert stream.getvalue() == "sft  step 2/2  loss 1.235\n"


def test_terminal_shows_the_stage_and_wipes_it():
    stream = Terminal()
    progress = ProgressLine(10, stream=stream, clock=ticking(0, 1))
    progress.show_stage("rollout 3/8 groups")
    assert stream.getvalue() == "\r\x1b[2Kstep 1/10  rollout 3/8 groups"
    progress.show_step(StepStatistics(1, {}))
    assert stream.getvalue().endswith("\r\x1b[2Kstep  1/10  0:09 left\n")
    progress.show_stage("rollout 1/8 groups")
    assert stream.getvalue().endswith("step 2/10  rollout 1/8 groups")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (65, "1:05"), (3599.6, "1:00:00"), (7387, "2:03:07")]
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text
