"""Where the tool looks; tests/distributed/test_conversion.py runs it on real checkpoints."""

import pytest

from megatron_urpo.checkpoints.files import Manifest, flush_and_checksum, publish
from megatron_urpo.checkpoints.store import CheckpointError
from megatron_urpo.config import Config, ConfigError, ModelConfig
from megatron_urpo.config.load import save_config
from tools.convert_megatron_to_hf import find_checkpoint, main, model_of


@pytest.fixture
def run_directory(tmp_path):
    for step in (25, 100, 50):
        temporary = tmp_path / f"checkpoints/.writing-step_{step:06d}"
        weights = temporary / "policy/weights"
        weights.parent.mkdir(parents=True)
        weights.write_text(f"weights of step {step}")
        publish(
            temporary,
            tmp_path / f"checkpoints/step_{step:06d}",
            Manifest(step, step, {}, {}, {}, {}, {}),
            {"policy/weights": flush_and_checksum(weights)},
        )
    (tmp_path / "checkpoints/.writing-step_000125/policy").mkdir(parents=True)
    return tmp_path


def test_a_run_means_its_find_checkpoint(run_directory):
    newest = run_directory / "checkpoints/step_000100"
    assert find_checkpoint(run_directory) == newest
    older = run_directory / "checkpoints/step_000025"
    assert find_checkpoint(older) == older


def test_a_step_means_that_checkpoint_of_a_run(run_directory):
    older = run_directory / "checkpoints/step_000025"
    assert find_checkpoint(run_directory, step=25) == older
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 26, but of \[25, 50, 100\]"):
        find_checkpoint(run_directory, step=26)
    with pytest.raises(ConfigError, match=r"--step 50: .*step_000025 is one checkpoint; name its"):
        find_checkpoint(older, step=50)


def test_a_damaged_checkpoint_is_passed_over_or_refused(run_directory, capsys):
    newest = run_directory / "checkpoints/step_000100"
    (newest / "policy/weights").write_text("weights of step 1xx")
    assert find_checkpoint(run_directory) == run_directory / "checkpoints/step_000050"
    assert "step_000100 is damaged (weights has changed" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="step_000100 is damaged"):
        find_checkpoint(newest)
    for step in (25, 50):
        (run_directory / f"checkpoints/step_{step:06d}/manifest.json").unlink()
    with pytest.raises(CheckpointError, match="no checkpoint is whole"):
        find_checkpoint(run_directory)


def test_the_model_of_a_run_is_that_of_its_config(run_directory):
    template = run_directory / "t.jinja"
    model = ModelConfig(path="/models/base", chat_template=str(template))
    save_config(Config(model=model), run_directory / "config.toml")
    checkpoint = find_checkpoint(run_directory)
    assert model_of(checkpoint) == model
    assert model_of(checkpoint, "/models/moved").path == "/models/moved"
    assert model_of(checkpoint, "/models/moved").chat_template == str(template)


def test_a_converted_directory_is_a_model_itself(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert model_of(tmp_path) == ModelConfig(path=str(tmp_path))


def test_what_is_missing_is_named(run_directory, tmp_path_factory, capsys):
    with pytest.raises(ConfigError, match=r"has no config.json, and .*config.toml.* --model"):
        model_of(find_checkpoint(run_directory))
    nothing = tmp_path_factory.mktemp("nothing")
    assert main([str(nothing), str(nothing / "out")]) == 2
    assert "holds neither policy/ nor checkpoints/" in capsys.readouterr().err
