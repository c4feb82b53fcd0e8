"""`urpo export` beside what the run itself exports; tests/end_to_end has whole runs."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from megatron_urpo.batching import pack_mini_batch
from megatron_urpo.checkpoints.run import RunCheckpoints
from megatron_urpo.cli import main
from megatron_urpo.config import BatchingConfig, Config, ModelConfig, OptimizerConfig, RunConfig
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.policy import Policy
from tests.small_models import random_group, write_small_model

TEMPLATE = "{{ messages }}"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A bfloat16 run's directory with checkpoints of steps 1 and 2, and its exports beside them."""
    torch.set_num_threads(1)
    directory = tmp_path_factory.mktemp("run")
    model = write_small_model("qwen2", directory / "model")
    (model / "generation_config.json").write_text('{"eos_token_id": 2}')
    (directory / "chat.jinja").write_text(TEMPLATE)
    config = Config(
        run=RunConfig(directory=str(directory / "run")),
        model=ModelConfig(path=str(model), chat_template=str(directory / "chat.jinja")),
    )
    parallel = parallelism.initialize(config)
    try:
        policy = Policy.from_pretrained(config, parallel, OptimizerConfig(lr=1e-2))
        checkpoints = RunCheckpoints(Path(config.run.directory), config, policy, parallel)
        checkpoints.resume()
        for step in (1, 2):
            batches = pack_mini_batch(
                [random_group(0, 7, (5, 9))], BatchingConfig(micro_batch_tokens=20),
                policy.packing, 0,
            )  # fmt: skip
            policy.update_supervised(batches, 1e-2)
            checkpoints.save(step, policy_version=step, data_state={})
            policy.export(directory / f"export-{step}")
    finally:
        parallelism.shutdown()
    return directory


@pytest.fixture
def run(finished, tmp_path):
    """The run's directory, to be changed."""
    return shutil.copytree(finished / "run", tmp_path / "run")


def export(run, *arguments):
    command = ["export", run / "config.toml", "--run.directory", run, *arguments]
    return main([str(part) for part in command])


def files(directory):
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def test_it_is_what_the_run_writes_to_the_last_byte(finished, run, capsys):
    """By one process, however many ranks the layout has."""
    layout = ("--training.tensor_model_parallel_size", 4, "--rollout.tensor_model_parallel_size", 8)
    assert export(run, *layout) == 0
    newest = run / "checkpoints" / "step_000002"
    assert capsys.readouterr().out == f"{newest} -> {run / 'export'}\n"
    assert files(run / "export") == files(finished / "export-2")
    assert (run / "export" / "chat_template.jinja").read_text() == TEMPLATE
    assert json.loads((run / "export" / "config.json").read_text())["dtype"] == "bfloat16"
    weights = load_file(run / "export" / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}

    assert export(run, "--step", 1) == 0  # in place of the other
    assert files(run / "export") == files(finished / "export-1")
    assert files(finished / "export-1") != files(finished / "export-2")


def test_a_damaged_checkpoint_is_passed_over(finished, run, capsys):
    newest = run / "checkpoints" / "step_000002"
    (newest / "policy" / ".metadata").unlink()
    assert export(run) == 0
    assert f"WARNING: {newest} is damaged (.metadata is missing)" in capsys.readouterr().err
    assert files(run / "export") == files(finished / "export-1")
    assert export(run, "--step", 2) == 2
    assert "no checkpoint is whole" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--step", 3], "holds no checkpoint of step 3, but of [1, 2]; checkpoint.keep_every"),
        (["--run.seed", 9], "of another run: run.seed is 1234 there and 9 here"),
    ],
)
def test_a_checkpoint_that_is_not_meant_is_refused(run, arguments, message, capsys):
    assert export(run, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (run / "export").exists()


def test_without_a_checkpoint_the_warm_start_s_is_proposed(run, capsys):
    (run / "checkpoints").rename(run / "elsewhere")
    assert export(run) == 2
    message = f"urpo export: {run} holds no checkpoint: train first, or name the config of the run"
    assert capsys.readouterr().err == f"{message}\n"
    (run / "sft").mkdir()
    assert export(run) == 2
    assert f"{message}; --run.directory {run / 'sft'} for its" in capsys.readouterr().err


def test_a_model_that_is_no_export_stays(run, finished, capsys):
    (run / "checkpoints").rename(run / "elsewhere")  # it is looked at first
    assert export(run, "--output", finished / "model") == 2
    assert "is where the export goes" in capsys.readouterr().err
    other = shutil.copytree(finished / "model", run / "other")
    before = files(other)
    assert export(run, "--output", other) == 2
    assert "belongs to a model that was not exported" in capsys.readouterr().err
    assert files(other) == before


def test_one_of_several_processes_says_so(run, capsys, monkeypatch):
    surroundings = {"RANK": 1, "WORLD_SIZE": 2, "MASTER_ADDR": "n0", "MASTER_PORT": 29500}
    for name, value in surroundings.items():
        monkeypatch.setenv(name, str(value))
    assert export(run) == 2
    assert "start it without torchrun" in capsys.readouterr().err
