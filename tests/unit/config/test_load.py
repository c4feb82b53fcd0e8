"""Configuration files and overrides: merging, types, messages, and the round trip through TOML."""

import dataclasses
import math
import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_urpo.config import (
    Config,
    ConfigError,
    DataConfig,
    EvaluationConfig,
    OptimizerConfig,
    RolloutConfig,
    RunConfig,
    SFTConfig,
    SourceConfig,
    TrainingConfig,
    WeightSyncConfig,
)
from megatron_urpo.config.load import format_config, load_config, save_config
from megatron_urpo.types import TaskKind

SOURCES = """
[[data.sources]]
name = "sums"
kind = "reasoning"
path = "embedded:sums"
weight = 2
options = { digits = 2, seed = 7, split = "train", share = 0.5 }

[[data.sources]]
name = "mine"
kind = "preference"
path = "mine.jsonl"
"""


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="run.toml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def test_without_a_file_the_defaults_hold():
    assert load_config() == Config()


def test_file_sets_typed_values(write):
    config = load_config(
        write("[training]\nepochs = 2\n[training.optimizer]\nlr = 5e-7\nclip_grad = 0\n" + SOURCES)
    )
    assert config.training.epochs == 2
    assert config.training.optimizer == OptimizerConfig(lr=5e-7, clip_grad=0.0)
    assert isinstance(config.training.optimizer.clip_grad, float)
    assert config.data.sources == (
        SourceConfig(
            "sums",
            TaskKind.REASONING,
            "embedded:sums",
            2.0,
            {"digits": 2, "seed": 7, "split": "train", "share": 0.5},
        ),
        SourceConfig("mine", TaskKind.PREFERENCE, "mine.jsonl"),
    )


def test_missing_keys_of_a_nested_table_come_from_its_own_section(write):
    config = load_config(write("[sft.optimizer]\nweight_decay = 0.1\n"))
    assert config.sft.optimizer == dataclasses.replace(SFTConfig().optimizer, weight_decay=0.1)
    assert config.sft.optimizer.lr != config.training.optimizer.lr


def test_extends_is_relative_to_the_file_and_merges_tables(write):
    write("[run]\nsteps = 300\nseed = 1\n[training.optimizer]\nlr = 1e-6\n", "base/base.toml")
    middle = 'extends = "../base/base.toml"\n[run]\nseed = 2\n' + SOURCES
    write(middle, "middle/middle.toml")
    config = load_config(write('extends = "middle/middle.toml"\n[run]\ndirectory = "runs/x"\n'))
    assert config.run == RunConfig(steps=300, seed=2, directory="runs/x")
    assert config.training.optimizer.lr == 1e-6
    assert [source.name for source in config.data.sources] == ["sums", "mine"]


def test_a_list_replaces_the_list_of_the_base(write):
    write(SOURCES, "base.toml")
    config = load_config(write('extends = "base.toml"\n[data]\nsources = []\n'))
    assert config.data.sources == ()


def test_overrides_come_last_in_both_spellings(write):
    path = write("[run]\nsteps = 300\n[training.optimizer]\nlr = 1e-6\n")
    config = load_config(
        path,
        ["--training.optimizer.lr", "5e-7", "--run.steps=150", "--run.deterministic", "true"]
        + ["--data.sources", '[{name = "a", kind = "instruction", path = "a.jsonl"}]']
        + ["--rewards.unparseable_preference", "-0.5", "--run.directory=runs/a=b"],
    )
    assert config.training.optimizer.lr == 5e-7
    assert config.run == RunConfig(steps=150, deterministic=True, directory="runs/a=b")
    assert config.data.sources == (SourceConfig("a", TaskKind.INSTRUCTION, "a.jsonl"),)
    assert config.rewards.unparseable_preference == -0.5


@pytest.mark.parametrize("text", ["7", "true", "2024-01-01", "a b", '"quoted"', "x = 1\ny = 2"])
def test_override_of_a_string_is_taken_as_it_stands(text):
    assert load_config(None, ["--model.path", text]).model.path == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[training]\nepocs = 2\n", r"run.toml:2: unknown key 'training.epocs': did you mean "
         r"'training.epochs'\?"),
        ("[training]\nlr = 1e-6\n", r"run.toml:2: unknown key 'training.lr': did you mean "
         r"'training.optimizer.lr' or 'sft.optimizer.lr'\?"),
        ("[trainig]\nepochs = 2\n", r"run.toml:1: unknown key 'trainig': did you mean 'training'"),
        ("[training]\nepochs = 2.0\n", r"run.toml:2: training.epochs = 2.0 \(float\): expected an "
         "integer"),
        ("[training]\nepochs = true\n", r"training.epochs = True \(bool\): expected an integer"),
        ("[training]\nkl_beta = '0'\n", r"kl_beta = '0' \(str\): expected a finite number"),
        ("[training]\nkl_beta = inf\n", r"kl_beta = inf \(float\): expected a finite number"),
        ("[run]\ndeterministic = 1\n", r"deterministic = 1 \(int\): expected true or false"),
        ("run = 3\n", r"run.toml:1: run = 3: expected a table, \[run\]"),
        ("[data]\nsources = 3\n", r"run.toml:2: data.sources = 3 \(int\): expected a list"),
        ("[training]\nepochs = 0\n", "run.toml: training.epochs = 0: must be greater than 0"),
        ("[sft.optimizer]\nlr = -1\n", r"run.toml: sft.optimizer.lr = -1.0: must be greater"),
        ("[run]\nsteps = 50\n", "run.toml: data.phase1_steps = 100 leaves no step of phase 2"),
        ("[run\n", "run.toml: not valid TOML: .*line 1"),
        ("extends = 1\n", "run.toml: extends = 1: expected the path"),
        ("extends = 'run.toml'\n", "run.toml: extends itself"),
        ("extends = 'gone.toml'\n", r"gone.toml: cannot be read \(extended by .*run.toml\)"),
        (SOURCES.replace('"preference"', '"prefrence"'), r"run.toml:11: data.sources\[1\].kind = "
         r"'prefrence' \(str\): expected one of 'reasoning', 'preference', 'instruction'"),
        (SOURCES.replace("weight", "wieght"), r"run.toml:6: unknown key 'data.sources\[0\].wieght'"
         r": did you mean 'data.sources\[0\].weight'\?"),
        (SOURCES.replace("digits = 2", "digits = [2]"), r"data.sources\[0\].options.digits = \[2\]"
         r" \(list\): expected an integer or a finite number or a string"),
        (SOURCES.replace('path = "mine.jsonl"', ""), r"run.toml:9: data.sources\[1\].path is "
         "missing"),
    ],
)  # fmt: skip
def test_messages_name_place_key_value_and_remedy(write, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write(text))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["--traning.epochs", "3"],
            "--traning.epochs: unknown key: did you mean 'training.epochs'",
        ),
        (["--training.lr=1"], "did you mean 'training.optimizer.lr' or 'sft.optimizer.lr'"),
        (["--training", "1"], "--training is a section"),
        (["--run.steps.more", "1"], "--run.steps.more: run.steps has no keys of its own"),
        (["--run.steps"], "--run.steps needs a value"),
        (["--run.steps", "--run.seed=1"], "--run.steps needs a value"),
        (["run.steps", "1"], "'run.steps': an override is written --section.key value"),
        (["--run.steps", "many"], r"run.steps = 'many' \(str\): expected an integer"),
        (["--training.optimizer.lr", "0"], "training.optimizer.lr = 0.0: must be greater than 0"),
    ],
)
def test_messages_of_overrides(overrides, message):
    with pytest.raises(ConfigError, match=f"^command line: .*{message}"):
        load_config(None, overrides)


def test_error_of_two_sections_names_file_and_command_line(write):
    with pytest.raises(ConfigError, match="run.toml and command line: data.phase1_steps"):
        load_config(write("[data]\nphase1_steps = 80\n"), ["--run.steps", "60"])


def test_missing_file():
    with pytest.raises(ConfigError, match=r"nowhere.toml: cannot be read: No such file"):
        load_config("nowhere.toml")


def valid_values(hint):
    """Any value of a field type that a file can hold."""
    text = st.text(st.characters(exclude_categories=["Cs"]))
    if hint is TaskKind:
        return st.sampled_from(list(TaskKind))
    if typing.get_origin(hint) is dict:
        number = st.floats(allow_nan=False, allow_infinity=False)
        return st.dictionaries(text, st.integers(-(2**63), 2**63 - 1) | number | text, max_size=3)
    if typing.get_origin(hint) is tuple:
        return st.lists(
            section_values(SourceConfig), max_size=3, unique_by=lambda source: source.name
        ).map(tuple)
    return {str: text, bool: st.booleans(), int: st.integers(1, 2**40), float: st.floats(0.1, 0.9)}[
        hint
    ]


def section_values(section, **fixed):
    hints = {k: h for k, h in typing.get_type_hints(section).items() if k not in fixed}
    values = {key: valid_values(hint) for key, hint in hints.items()}
    values |= {key: st.just(value) for key, value in fixed.items()}
    if section is SourceConfig:
        values["path"] = st.text("ab:/ \"'\\\n", min_size=1)
        values["name"] = st.text("ab- \"'\\", min_size=1)
    return st.builds(section, **values)


CONFIGS = st.builds(
    Config,
    run=section_values(RunConfig, steps=2**41),
    data=section_values(
        DataConfig, prompts_per_step=64, max_prompt_tokens=10, overlong_prompts="error"
    ),
    rollout=section_values(
        RolloutConfig,
        group_size=4,
        max_response_tokens=5,
        max_judgement_tokens=5,
        max_model_len=20,
        dtype="bfloat16",
        quantization="fp8",
    ),
    training=section_values(
        TrainingConfig,
        optimizer=OptimizerConfig(lr=math.pi, min_lr=1 / 3),
        transformer_impl="transformer_engine",
        fp8="e4m3",
        fp8_recipe="blockwise",
        fp8_param_gather=True,
        kl_beta=0.0,
        tensor_model_parallel_size=2,
        pipeline_model_parallel_size=2,
        recompute_granularity="full",
        importance_cap=2.0,
    ),
    weight_sync=section_values(WeightSyncConfig, verify="never"),
    evaluation=section_values(EvaluationConfig, sources=(), every=0),
    sft=section_values(SFTConfig, optimizer=OptimizerConfig(lr=1e-300), sources=()),
)


@given(CONFIGS)
@settings(max_examples=60, deadline=None)
def test_saved_config_loads_back_equal(tmp_path_factory, config):
    path = tmp_path_factory.mktemp("round_trip") / "config.toml"
    save_config(config, path)
    assert load_config(path) == config


def test_saved_file_holds_every_key(tmp_path):
    text = format_config(Config())
    for section in dataclasses.fields(Config):
        assert f"[{section.name}]" in text
        for item in dataclasses.fields(getattr(Config(), section.name)):
            assert item.name in text


def test_override_files_lie_between_the_file_and_the_command_line(write):
    file = write("[run]\nsteps = 9\nseed = 9\n[training.optimizer]\nlr = 9e-7\n" + SOURCES)
    first = write("[run]\nseed = 1\nsteps = 101\n", "first.toml")
    second = write("extends = 'first.toml'\n[data]\nprompts_per_step = 12\n", "second.toml")
    config = load_config(file, ["--run.steps=102"], override_files=[first, second])
    assert (config.run.seed, config.run.steps, config.data.prompts_per_step) == (1, 102, 12)
    assert config.training.optimizer.lr == 9e-7
    assert [source.name for source in config.data.sources] == ["sums", "mine"]


def test_error_in_an_override_file_names_that_file(write):
    file, override = write("[run]\nsteps = 900\n"), write("[run]\nstep = 1\n", "mine.toml")
    with pytest.raises(ConfigError, match=r"mine.toml:2: unknown key 'run.step'"):
        load_config(file, override_files=[override])
