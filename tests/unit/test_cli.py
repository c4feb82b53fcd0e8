"""How command lines are read; whole commands are run in tests/end_to_end."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from megatron_urpo.cli import main, read_config
from megatron_urpo.config import ConfigError
from megatron_urpo.environment import missing_package
from megatron_urpo.layout import check_world

ROOT = Path(__file__).parents[2]


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


def test_a_command_asks_for_the_part_of_the_layout_that_it_uses():
    example = str(ROOT / "examples" / "urpo_qwen72b.toml")  # of 32 ranks a model, 8 an engine
    for command in (["eval", "--label", "x", example], ["probe", "MODEL", example]):
        check_world(read_config(command), 8)
        with pytest.raises(ConfigError, match="divided into engines"):
            check_world(read_config(command), 4)
    for command in (["train", example], ["sft", example]):
        with pytest.raises(ConfigError, match="8 ranks cannot hold"):
            check_world(read_config(command), 8)
    with pytest.raises(ConfigError, match="export is one process: run it without a launcher"):
        read_config(["export", example])
    unlike = [example, "--rollout.tensor_model_parallel_size", "7"]
    check_world(read_config(["sft", *unlike]), 32)
    with pytest.raises(ConfigError, match="divided into engines"):
        check_world(read_config(["train", *unlike]), 32)


def test_an_override_without_a_value_is_named(config):
    with pytest.raises(ConfigError, match="--run.steps needs a value"):
        read_config(["probe", "MODEL", "--run.steps"])
    with pytest.raises(ConfigError, match="--run.steps needs a value"):
        read_config(["train", config, "--run.steps", "--dry-run"])


def test_a_launcher_refuses_what_is_one_process(config):
    for command in (["report", "runs/x"], ["doctor", config], ["data", "show", config]):
        with pytest.raises(ConfigError, match="is one process: run it without a launcher"):
            read_config(command)


def test_the_doctor_checks_what_overrides_make_of_a_configuration(tmp_path, config, capsys):
    file = tmp_path / "mine_too.toml"
    file.write_text(f"[model]\npath = '{tmp_path / 'absent'}'\n")
    for override in (["--override", str(file)], [f"--model.path={tmp_path / 'absent'}"]):
        assert main(["doctor", config, *override]) == 1
        assert str(tmp_path / "absent") in capsys.readouterr().out


def test_commands_without_a_configuration_take_no_overrides(capsys):
    with pytest.raises(SystemExit):
        main(["report", "runs/x", "--run.steps", "1"])
    assert "unrecognized arguments: --run.steps 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "arguments", "absent", "remedy"),
    [
        ("megatron_urpo.cli", ["train"], "torch", ".[cpu]', or with [gpu]"),
        ("megatron_urpo.cli", ["probe", "MODEL"], "transformers", ".[cpu]', or with [gpu]"),
        ("megatron_urpo.launch", ["train"], "torch", ".[cpu]', or with [gpu]"),
        ("tools.prepare_data", [], "rensa", ".[preparation]'"),
    ],
)
def test_an_extra_that_is_not_installed_is_named(module, arguments, absent, remedy, config):
    program = (
        f"import sys; sys.modules[{absent!r}] = None; from {module} import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments, config],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert f"the package {absent} is not installed: " in result.stderr
    assert f"pip install -e '{remedy}" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_extras_have_what_is_missing():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra, lines in project["optional-dependencies"].items():
        for name in {Requirement(line).name for line in lines}:
            module = name.removesuffix("-cpu").removesuffix("-core").replace("-", "_")
            sentence = missing_package(ModuleNotFoundError(name=f"{module}.part"))
            assert extra == "dev" or f"[{extra}]" in (sentence or "")
    assert missing_package(ModuleNotFoundError(name="megatron_urpo.typo")) is None
