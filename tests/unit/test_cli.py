"""How command lines are read; whole commands are run in tests/end_to_end."""

import pytest

from megatron_urpo.cli import main, read_config
from megatron_urpo.config import ConfigError


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[run]\nsteps = 900\n")
    return str(path)


def test_overrides_may_stand_before_the_configuration(config):
    for arguments in (
        ["train", "--training.optimizer.lr", "1e-6", config],
        ["train", config, "--training.optimizer.lr", "1e-6"],
        ["--training.optimizer.lr=1e-6", "train", config],
        ["eval", "--label", "x", "--training.optimizer.lr", "1e-6", config],
    ):
        read = read_config(arguments)
        assert (read.run.steps, read.training.optimizer.lr) == (900, 1e-6)
    read = read_config(["probe", "MODEL", "--training.optimizer.lr", "1e-6", config])
    assert (read.model.path, read.run.steps, read.training.optimizer.lr) == ("MODEL", 900, 1e-6)


def test_an_override_without_a_value_is_named(config):
    with pytest.raises(ConfigError, match="--run.steps needs a value"):
        read_config(["probe", "MODEL", "--run.steps"])
    with pytest.raises(ConfigError, match="--run.steps needs a value"):
        read_config(["train", config, "--run.steps", "--dry-run"])


def test_commands_without_a_configuration_take_no_overrides(capsys):
    with pytest.raises(SystemExit):
        main(["report", "runs/x", "--run.steps", "1"])
    assert "unrecognized arguments: --run.steps 1" in capsys.readouterr().err
