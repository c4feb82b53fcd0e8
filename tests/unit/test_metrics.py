"""metrics.jsonl and its other destinations: exact records, cut-off on resume, one writer."""

import builtins
import json
import math
import re
from pathlib import Path

import pytest

import megatron_urpo
from megatron_urpo.config import ConfigError, MetricsConfig
from megatron_urpo.metrics import MetricsWriter, Timers, read_metrics
from megatron_urpo.ranks import OneRank
from megatron_urpo.run_files import METRICS_FILE
from megatron_urpo.types import StepStatistics
from tests.metrics_page import explained_names, is_explained


def log_steps(directory, steps, config=None, ranks=None, **arguments):
    writer = MetricsWriter(
        directory,
        config or MetricsConfig(),
        total_steps=10,
        ranks=ranks or OneRank(),
        **arguments,
    )
    for step in steps:
        writer.log(StepStatistics(step, {"run/all/loss": 0.1 * step}))
    writer.close()


def test_records_read_back_exactly(tmp_path):
    values = {
        "rewards/preference/tau": 1 / 3,
        "training/all/loss": math.nan,
        "rewards/reasoning/mean/gsm8k": 5e-324,
    }
    writer = MetricsWriter(tmp_path / "made", MetricsConfig(), total_steps=1, ranks=OneRank())
    writer.log(StepStatistics(1, values))
    line = (tmp_path / "made" / METRICS_FILE).read_text()  # flushed before close
    writer.close()
    assert json.loads(line, parse_constant=pytest.fail)["training/all/loss"] is None
    [record] = read_metrics(tmp_path / "made" / METRICS_FILE)
    assert record.step == 1
    assert record.values.pop("training/all/loss") != values.pop("training/all/loss")
    assert record.values == values


def test_resume_cuts_off_later_records_and_a_half_written_one(tmp_path):
    log_steps(tmp_path, range(1, 7))
    with (tmp_path / METRICS_FILE).open("a") as file:
        file.write('{"step": 7, "run/all/l')
    log_steps(tmp_path, [5], completed=4)
    records = read_metrics(tmp_path / METRICS_FILE)
    assert [record.step for record in records] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("line", ["{", "3", '{"loss": 1}', '{"step": 1, "run/all/loss": []}'])
def test_damage_names_file_and_line(tmp_path, line):
    path = tmp_path / METRICS_FILE
    path.write_text('{"step": 1}\n' + line + "\n")
    with pytest.raises(ValueError, match=rf"{path}:2: not a metrics record"):
        MetricsWriter(tmp_path, MetricsConfig(), total_steps=2, ranks=OneRank(), completed=1)


@pytest.mark.parametrize("name", ["loss", "run/loss", "sampling/all/loss", "run//loss"])
def test_names_are_stage_role_what(tmp_path, name):
    writer = MetricsWriter(tmp_path, MetricsConfig(), total_steps=1, ranks=OneRank())
    with pytest.raises(ValueError, match=f"metric '{name}': expected stage/role/what"):
        writer.log(StepStatistics(1, {name: 1.0}))
    writer.close()


class OtherRank(OneRank):
    """Not the main one, which does its part elsewhere."""

    rank, world_size = 1, 2

    def on_main(self, action):
        pass


def test_other_ranks_write_nothing(tmp_path, capsys):
    log_steps(tmp_path, [1], MetricsConfig(tensorboard=True), ranks=OtherRank())
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_tensorboard_holds_the_values(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log_steps(tmp_path, [1, 2, 3], MetricsConfig(tensorboard=True))
    log_steps(tmp_path, [2], MetricsConfig(tensorboard=True), completed=1)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Scalars("run/all/loss")
    assert [event.step for event in events] == [1, 2]
    assert [event.value for event in events] == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize(
    ("config", "module", "message"),
    [
        (MetricsConfig(tensorboard=True), "torch.utils.tensorboard", "pip install tensorboard"),
        (MetricsConfig(wandb_project="urpo"), "wandb", "wandb_project = 'urpo'.*pip install wandb"),
    ],
)
def test_missing_destination_names_the_remedy(tmp_path, monkeypatch, config, module, message):
    real_import = builtins.__import__

    def refuse(name, *arguments, **keywords):
        if name == module:
            raise ImportError(name)
        return real_import(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match=message):
        MetricsWriter(tmp_path, config, total_steps=1, ranks=OneRank())


def test_timers_add_up_per_stage_and_start_again():
    times = iter([0.0, 1.5, 10.0, 12.0, 20.0, 20.25, 30.0, 31.0])
    timers = Timers(clock=lambda: next(times))
    for stage in ("rollout", "training", "rollout"):
        with timers(stage):
            pass
    assert timers.seconds("rollout") == 1.75
    assert timers.take() == {"rollout/all/seconds": 1.75, "training/all/seconds": 2.0}
    assert timers.take() == {}
    with pytest.raises(KeyError), timers("rollout"):
        raise KeyError
    assert timers.take() == {"rollout/all/seconds": 1.0}


def test_timers_tell_the_innermost_stage_and_every_change():
    timers = Timers()
    assert (timers.stage, timers.changes) == (None, 0)
    with timers("run"):
        for _ in range(2):  # the same stage again is a change: a watchdog must not add them up
            with timers("rollout"):
                assert timers.stage == "rollout"
        assert (timers.stage, timers.changes) == ("run", 5)
        with pytest.raises(KeyError), timers("training"):
            raise KeyError
        assert timers.stage == "run"
    assert (timers.stage, timers.changes) == (None, 8)


def test_what_is_explained_is_measured():
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for path in Path(megatron_urpo.__file__).parent.rglob("*.py")
    )
    names = explained_names()
    assert len(names) > 60
    for name in names:
        last = name.rpartition("/")[2]
        last = re.sub(r"_([*]|timeout|error)_share$|[*]", "", last)  # of a status each
        assert last == "" or re.search(rf'[/"]{last}', sources), name
    assert is_explained("training/reasoning/entropy")
    assert not is_explained("training/reasoning/entropies")
