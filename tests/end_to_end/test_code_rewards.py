"""A step of a run whose reasoning tasks have tests of code."""

from __future__ import annotations

import json

import pytest

from megatron_urpo.metrics import read_metrics
from megatron_urpo.rollout_log import RolloutLog
from megatron_urpo.types import TaskKind
from tests.end_to_end.conftest import TINY_CONFIG, run_urpo

pytestmark = pytest.mark.slow

CONFIG = """
extends = "{base}"
[run]
steps = 1
[model]
path = "{model}"
[rewards]
sandbox = "none"
[evaluation]
every = 0
[data]
preference_ratio = 0
instruction_ratio = 0
[[data.sources]]
name = "code"
kind = "reasoning"
path = "{source}"
"""


@pytest.fixture(scope="module")
def code_run(warm_model, tmp_path_factory):
    """The directory of the run, and what it said."""
    directory = tmp_path_factory.mktemp("code")
    source = directory / "code.jsonl"
    rows = [
        {
            "kind": "reasoning",
            "prompt": f"Write f(x), which adds {number}.",
            "tests": {"assert_case": [f"assert f(1) == {1 + number}"]},
        }
        for number in range(8)
    ]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = directory / "code.toml"
    config.write_text(CONFIG.format(base=TINY_CONFIG, model=warm_model, source=source))
    result = run_urpo("train", config, "--run.directory", directory / "run")
    return directory / "run", result.stdout + result.stderr


def test_the_time_that_verification_adds_is_told(code_run):
    directory, _ = code_run
    (record,) = read_metrics(directory / "metrics.jsonl")
    assert 0 < record.values["rewards/all/seconds"] < record.values["run/all/seconds"]
    assert 0 <= record.values["rewards/reasoning/tests_passed_share"] <= 1
    groups = RolloutLog(directory).read(1)
    assert {group.kind for group in groups} == {TaskKind.REASONING}
    assert all(len(group.code_results) == 4 for group in groups)


def test_the_log_of_a_run_without_protection_says_so(code_run):
    _, said = code_run
    assert "programs that the model writes run WITHOUT PROTECTION" in said
