"""Supervised runs of a small model: non-finite updates, and the records of an earlier run."""

import json
import math
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from megatron_urpo.checkpoints.files import read_manifest
from megatron_urpo.config import (
    CheckpointConfig,
    Config,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    SFTConfig,
    TrainingConfig,
)
from megatron_urpo.layout import Layout
from megatron_urpo.metrics import read_metrics
from megatron_urpo.stop_request import IN_STEPS, StopRequest
from megatron_urpo.supervised import SupervisedTrainer
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.policy import NonFiniteUpdatesError, Policy
from tests.small_models import write_small_model
from tests.unit.data.test_demonstration_batches import Letters, Listed, demonstration


@pytest.fixture(scope="module")
def parallel():
    torch.set_num_threads(1)
    yield parallelism.initialize(Config())
    parallelism.shutdown()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_small_model("llama_tied", tmp_path_factory.mktemp("model"))


@pytest.fixture
def make_trainer(parallel, model, tmp_path):
    def make(lr: float = 1e-3, steps: int = 3, **changes: object) -> SupervisedTrainer:
        optimizer = OptimizerConfig(lr=lr)
        config = Config(
            run=RunConfig(directory=str(tmp_path)),
            model=ModelConfig(path=str(model), params_dtype="float32"),
            training=TrainingConfig(max_skipped_updates=2),
            checkpoint=CheckpointConfig(every=0),
            sft=SFTConfig(optimizer=optimizer, steps=steps, tokens_per_step=8),
        )
        config = replace(config, **changes)
        return SupervisedTrainer(
            config,
            parallel=parallel,
            policy=Policy.from_pretrained(config, parallel, optimizer),
            encoder=Letters(),
            demonstrations=Listed([demonstration("12+3", "15"), demonstration("4-1", "3")]),
        )

    return make


def metrics(directory: Path):
    return read_metrics(directory / "sft" / "metrics.jsonl")


def test_non_finite_updates_are_skipped_and_then_stop_the_run(make_trainer, tmp_path):
    """The first update puts the weights out of range; every gradient after it is not finite."""
    trainer = make_trainer(lr=1e30, steps=20)
    with pytest.raises(NonFiniteUpdatesError) as failure:
        trainer.run(StopRequest())
    message = str(failure.value)
    assert message.startswith("3 supervised updates in a row had a gradient norm of nan (step 4, ")
    assert message.endswith("Lower sft.optimizer.lr")
    records = metrics(tmp_path)
    assert [record.values["sft/all/skipped_updates"] for record in records] == [0, 1, 1]
    assert math.isfinite(records[0].values["sft/all/grad_norm"])
    assert all(math.isnan(record.values["sft/all/grad_norm"]) for record in records[1:])


def test_a_skipped_update_changes_nothing_and_a_finite_one_ends_the_row(make_trainer):
    trainer = make_trainer()
    batch = trainer.batches.next()[:1]
    before = [tensor.clone() for tensor in trainer.policy._parameters()]
    weight = trainer.policy._parameters()[0]
    for _ in range(2):  # more than two in a row, but never three of them
        for _ in range(2):
            weight[0, 0] = math.inf
            values = trainer._step(batch, 1)
            assert values["sft/all/skipped_updates"] == 1
            weight[0, 0] = before[0][0, 0]
            for tensor, original in zip(trainer.policy._parameters(), before, strict=True):
                assert torch.equal(tensor, original)
        assert trainer._step(batch, 1)["sft/all/skipped_updates"] == 0
        before = [tensor.clone() for tensor in trainer.policy._parameters()]


def test_a_run_without_its_checkpoints_starts_over_and_loses_nothing(
    make_trainer, tmp_path, capsys
):
    assert make_trainer().run(StopRequest())
    written = (tmp_path / "sft" / "metrics.jsonl").read_bytes()
    shutil.rmtree(tmp_path / "sft" / "checkpoints")
    assert make_trainer().run(StopRequest())
    assert "sft holds the records of an earlier run but no checkpoint: they are now in " in (
        capsys.readouterr().out
    )
    assert (tmp_path / "sft" / "earlier-1" / "metrics.jsonl").read_bytes() == written
    assert [record.step for record in metrics(tmp_path)] == [1, 2, 3]


def test_checkpoints_in_the_background_resume_as_others_do(make_trainer, tmp_path):
    """Every step is saved, the first four while training goes on; then two steps are repeated."""
    background = CheckpointConfig(every=1, keep_last=9, async_save=True)

    def train() -> dict[str, torch.Tensor]:
        trainer = make_trainer(steps=5, checkpoint=background)
        assert trainer.run(StopRequest())
        return {name: tensor.clone() for name, tensor in trainer.policy.hf_weights()}

    expected = train()
    saved = sorted((tmp_path / "sft" / "checkpoints").iterdir())
    assert [path.name for path in saved] == [f"step_{step:06d}" for step in range(1, 6)]
    records = metrics(tmp_path)
    assert sum("checkpoint/all/gib" in record.values for record in records) >= 3
    assert not any("checkpoint/all/failed" in record.values for record in records)
    for path in saved[3:]:
        shutil.rmtree(path)
    for name, tensor in train().items():
        assert torch.equal(tensor, expected[name]), name
    assert [record.step for record in metrics(tmp_path)] == [1, 2, 3, 4, 5]
    losses = [record.values["sft/all/loss"] for record in metrics(tmp_path)]
    assert losses == [record.values["sft/all/loss"] for record in records]


def test_the_seconds_of_a_step_hold_those_of_its_stages(make_trainer, tmp_path):
    assert make_trainer(checkpoint=CheckpointConfig(every=1)).run(StopRequest())
    first, *others = [record.values for record in metrics(tmp_path)]
    assert "checkpoint/all/seconds" not in first
    assert all("checkpoint/all/seconds" in values for values in others)
    for values in (first, *others):
        seconds = {name: value for name, value in values.items() if name.endswith("all/seconds")}
        whole = seconds.pop("run/all/seconds")
        assert whole > sum(seconds.values()) > 0
        assert values["run/all/tokens_per_second"] == values["sft/all/packed_tokens"] / whole


def test_a_run_that_is_asked_to_stop_before_its_first_step_does_none(make_trainer, tmp_path):
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert not make_trainer().run(stop)
    assert metrics(tmp_path) == []
    assert not (tmp_path / "sft" / "checkpoints").exists()
    again = StopRequest()
    assert make_trainer().run(again)
    assert again.consequence == IN_STEPS


def test_a_checkpoint_says_what_wrote_it(make_trainer, tmp_path):
    trainer = make_trainer(steps=1)
    trainer.run(StopRequest())
    manifest = read_manifest(tmp_path / "sft" / "checkpoints" / "step_000001")
    assert Layout(**manifest.layout) == trainer.parallel.layout
    record = json.loads((tmp_path / "sft" / "environment.json").read_text())
    assert manifest.environment == record
