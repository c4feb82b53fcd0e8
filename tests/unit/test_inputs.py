"""What a run reads: wherever tasks have tests of code, the sandbox is seen to, and its use said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from megatron_urpo.config.load import load_config
from megatron_urpo.data.prompts import load_encoder
from megatron_urpo.inputs import load_held_out, load_inputs, load_probe_tasks
from megatron_urpo.rewards.sandbox_check import SandboxUnavailableError

REPOSITORY = Path(__file__).resolve().parents[2]
MODEL = REPOSITORY / ".cache" / "models" / "SmolLM2-135M-Instruct"
TESTS = {"tests": {"assert_case": ["assert add(1, 2) == 3"]}}
ANSWERS = {"answers": ["3"]}
FILES = {"code": TESTS, "sums": ANSWERS, "other sums": ANSWERS}
CONFIG = """
[model]
path = "{model}"
[rewards]
sandbox = "{sandbox}"
[evaluation]
every = 1
[data]
preference_ratio = 0
instruction_ratio = 0
[[data.sources]]
name = "trained"
kind = "reasoning"
path = "{directory}/{trained}.jsonl"
[[evaluation.sources]]
name = "held out"
kind = "reasoning"
path = "{directory}/{held_out}.jsonl"
[[monitoring.sources]]
name = "ranked"
kind = "preference"
path = "embedded:writing_preferences"
[monitoring.sources.options]
items = 8
"""


@pytest.fixture
def config_of(tmp_path):
    """Makes configurations that train on and hold out tasks of the files above."""
    for name, row in FILES.items():
        record = {"kind": "reasoning", "prompt": "Add two numbers."} | row
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(record) + "\n")

    def make(trained, held_out, sandbox="none"):
        path = tmp_path / "config.toml"
        text = CONFIG.format(
            model=MODEL, directory=tmp_path, trained=trained, held_out=held_out, sandbox=sandbox
        )
        path.write_text(text)
        return load_config(path)

    return make


def load_evaluation(config, show):
    return load_held_out(config, load_encoder(config.model), show)


# How inputs are loaded, and whether training or held-out tasks are among them.
LOADED = [
    (load_inputs, "code", "sums"),
    (load_inputs, "sums", "code"),
    (load_evaluation, "sums", "code"),
    (load_probe_tasks, "code", "sums"),
]


@pytest.mark.parametrize(("load", "trained", "held_out"), LOADED)
def test_a_run_without_protection_says_so(config_of, load, trained, held_out):
    said = []
    load(config_of(trained, held_out), said.append)
    assert [note for note in said if "WITHOUT PROTECTION" in note and "'none'" in note]


@pytest.mark.parametrize(("load", "trained", "held_out"), LOADED)
def test_a_machine_without_a_sandbox_is_refused(monkeypatch, config_of, load, trained, held_out):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxUnavailableError, match="bwrap is not installed"):
        load(config_of(trained, held_out, "bubblewrap"), print)


@pytest.mark.parametrize("load", [load_inputs, load_evaluation, load_probe_tasks])
def test_without_tests_of_code_no_sandbox_is_asked_for(monkeypatch, config_of, load):
    monkeypatch.setenv("PATH", "/nowhere")
    said = []
    load(config_of("sums", "other sums", "bubblewrap"), said.append)
    assert said == []
