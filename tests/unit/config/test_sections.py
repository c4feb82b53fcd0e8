"""Sections check themselves and Config checks what concerns several of them."""

import dataclasses
import math
from pathlib import Path

import pytest

from megatron_urpo.config import (
    BatchingConfig,
    CheckpointConfig,
    Config,
    ConfigError,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    MonitoringConfig,
    OptimizerConfig,
    RewardsConfig,
    RolloutConfig,
    RunConfig,
    SFTConfig,
    SourceConfig,
    TrainingConfig,
    WeightSyncConfig,
)
from megatron_urpo.types import TaskKind


def test_defaults_are_the_paper_s():
    config = Config()
    assert config.data.prompts_per_step == 256
    assert config.rollout.group_size == 8
    assert config.rollout.temperature == 1.0
    assert config.training.epochs == 4
    assert config.training.optimizer.lr == 5e-7
    assert (config.training.clip_ratio_low, config.training.clip_ratio_high) == (0.2, 0.28)
    assert config.training.kl_beta == 0.0


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (RunConfig, {"steps": 0}, "run.steps = 0: must be greater than 0"),
        (ModelConfig, {"params_dtype": "fp8"}, "model.params_dtype = 'fp8': choose one of"),
        (SourceConfig, {"path": ""}, r"source 'x': path is empty"),
        (SourceConfig, {"weight": -1.0}, r"source 'x': weight = -1.0"),
        (DataConfig, {"reasoning_ratio": -1.0}, "data.reasoning_ratio = -1.0: must not be"),
        (DataConfig, {"overlong_prompts": "cut"}, "choose one of 'skip', 'error'"),
        (RolloutConfig, {"group_size": 1}, "a group needs at least 2 responses"),
        (RolloutConfig, {"temperature": math.nan}, "rollout.temperature = nan"),
        (RolloutConfig, {"gpu_memory_utilization": 60.0}, "= 60.0: a share of the GPU's memory"),
        (RolloutConfig, {"judge_retries": -1}, "rollout.judge_retries = -1"),
        (RewardsConfig, {"verifier_timeout_seconds": 0.0}, "rewards.verifier_timeout_seconds"),
        (RewardsConfig, {"sandbox": "docker"}, "choose one of 'bubblewrap', 'none'"),
        (RewardsConfig, {"code_memory_mib": 32}, "rewards.code_memory_mib = 32: give 64 to 4096"),
        (RewardsConfig, {"code_test_seconds": 0.0}, "rewards.code_test_seconds = 0.0"),
        (BatchingConfig, {"mini_batches": 0}, "batching.mini_batches = 0"),
        (BatchingConfig, {"loss_denominator": "constant"}, "needs batching.constant_denominator"),
        (OptimizerConfig, {"adam_beta2": 1.0}, r"optimizer.adam_beta2 = 1.0: must lie in \[0, 1\)"),
        (
            OptimizerConfig,
            {"lr": 1e-6, "min_lr": 1e-5},
            "min_lr = 1e-05: lr = 1e-06 decays to",
        ),
        (TrainingConfig, {"clip_ratio_low": 1.0}, "training.clip_ratio_low = 1.0: must be < 1"),
        (TrainingConfig, {"recompute_granularity": "some"}, "choose one of 'none'"),
        (TrainingConfig, {"fp8": "e5m2"}, "training.fp8 = 'e5m2': choose one of 'off', 'e4m3'"),
        (TrainingConfig, {"fp8_recipe": "rowwise"}, "training.fp8_recipe = 'rowwise': choose one"),
        (TrainingConfig, {"fp8_param_gather": True}, "needs FP8: set training.fp8 = 'hybrid'"),
        (
            TrainingConfig,
            {"fp8": "hybrid", "transformer_impl": "local"},
            "training.fp8 = 'hybrid' needs training.transformer_impl = 'transformer_engine'",
        ),
        (
            TrainingConfig,
            {"fp8": "hybrid", "fp8_recipe": "delayed", "first_last_layers_bf16": True},
            "is not possible with fp8_recipe = 'delayed': choose another recipe",
        ),
        (
            TrainingConfig,
            {"fp8": "hybrid", "fp8_param_gather": True, "kl_beta": 0.1},
            "training.kl_beta = 0.1 .* set fp8_param_gather = false, or kl_beta = 0",
        ),
        (TrainingConfig, {"num_layers_at_end_in_bf16": -1}, "num_layers_at_end_in_bf16 = -1"),
        (RolloutConfig, {"quantization": "int8"}, "rollout.quantization = 'int8': choose one of"),
        (CheckpointConfig, {"keep_last": 0}, "checkpoint.keep_last = 0"),
        (EvaluationConfig, {"every": -1}, "evaluation.every = -1"),
        (SFTConfig, {"tokens_per_step": 0}, "sft.tokens_per_step = 0"),
    ],
)
def test_a_section_refuses_what_cannot_work(section, values, message):
    if section is SourceConfig:
        values = {"name": "x", "kind": TaskKind.REASONING, "path": "p"} | values
    with pytest.raises(ConfigError, match=message):
        section(**values)


def test_fp8_excludes_float32():
    float32 = ModelConfig(params_dtype="float32")
    with pytest.raises(ConfigError, match="= 'float32' excludes training.fp8 = 'hybrid': set the"):
        Config(model=float32, training=TrainingConfig(fp8="hybrid"))
    rollout = RolloutConfig(quantization="fp8")
    with pytest.raises(ConfigError, match="excludes an engine in float32: set rollout.dtype"):
        Config(model=float32, rollout=rollout)
    unverified = WeightSyncConfig(verify="never")
    in_bfloat16 = RolloutConfig(quantization="fp8", dtype="bfloat16")
    Config(model=float32, rollout=in_bfloat16, weight_sync=unverified)
    Config(rollout=rollout, training=TrainingConfig(fp8="hybrid"), weight_sync=unverified)


def test_quantized_engines_hold_other_bits_than_the_trainer():
    with pytest.raises(ConfigError, match="weight_sync.verify = 'first': the engine does not hold"):
        Config(rollout=RolloutConfig(quantization="fp8"))


def test_source_names_are_unique():
    source = SourceConfig("a", TaskKind.REASONING, "a.jsonl")
    with pytest.raises(ConfigError, match=r"data.sources: names must be unique, got \['a', 'a'\]"):
        Config(data=DataConfig(sources=(source, source)))


def test_held_out_files_are_not_trained_on():
    source = SourceConfig("a", TaskKind.REASONING, "a.jsonl")
    with pytest.raises(ConfigError, match=r"\[a\].path = 'a.jsonl' is trained on as well"):
        Config(data=DataConfig(sources=(source,)), evaluation=EvaluationConfig(sources=(source,)))


@pytest.mark.parametrize("written", ["./a.jsonl", "x/../a.jsonl", "link.jsonl", "{}/a.jsonl"])
def test_held_out_files_are_told_by_what_they_are(written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x").mkdir()
    Path("link.jsonl").symlink_to("a.jsonl")
    trained = SourceConfig("a", TaskKind.REASONING, "a.jsonl")
    other = SourceConfig("b", TaskKind.REASONING, written.format(tmp_path))
    with pytest.raises(ConfigError, match=r"\[b\].path = .* is trained on as well"):
        Config(data=DataConfig(sources=(trained,)), evaluation=EvaluationConfig(sources=(other,)))


def test_weights_are_for_all_sources_of_a_kind_or_none():
    one = SourceConfig("a", TaskKind.REASONING, "a.jsonl", weight=2.0)
    other = SourceConfig("b", TaskKind.REASONING, "b.jsonl")
    alone = SourceConfig("c", TaskKind.PREFERENCE, "c.jsonl")
    Config(data=DataConfig(sources=(one, alone)))
    with pytest.raises(ConfigError, match=r"data\.sources\[b\]\.weight is not set, but other reas"):
        Config(data=DataConfig(sources=(one, other, alone)))


def test_only_training_sources_are_weighted():
    source = SourceConfig("a", TaskKind.REASONING, "a.jsonl", weight=2.0)
    Config(data=DataConfig(sources=(source,)))
    with pytest.raises(ConfigError, match=r"sft.sources\[a\].weight = 2.0: only data.sources"):
        Config(sft=SFTConfig(sources=(source,)))


def test_a_source_name_is_part_of_metric_names():
    for name in ("", "a/b"):
        with pytest.raises(ConfigError, match="give a name without '/'"):
            SourceConfig(name, TaskKind.REASONING, "a.jsonl")


def test_evaluation_during_a_run_needs_sources():
    with pytest.raises(ConfigError, match=r"evaluation.every = 5 needs an \[\[evaluation.sources"):
        Config(evaluation=EvaluationConfig(every=5))


def test_sections_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().run.steps = 3


def test_context_must_hold_prompt_and_response():
    rollout = RolloutConfig(max_response_tokens=100, max_judgement_tokens=300, max_model_len=600)
    assert Config(data=DataConfig(max_prompt_tokens=300), rollout=rollout).rollout is rollout
    with pytest.raises(ConfigError, match=r"max_model_len = 600 does not hold .* = 301 \+ 300"):
        Config(data=DataConfig(max_prompt_tokens=301), rollout=rollout)


def test_phase_1_must_end_before_the_run_unless_there_are_no_instructions():
    with pytest.raises(ConfigError, match="instructions would never be trained"):
        Config(run=RunConfig(steps=100))
    Config(run=RunConfig(steps=101))
    Config(run=RunConfig(steps=99), data=DataConfig(instruction_ratio=0.0))


def test_a_mini_batch_needs_a_group():
    data, batching = DataConfig(prompts_per_step=3), BatchingConfig(mini_batches=4)
    with pytest.raises(ConfigError, match="a mini-batch needs at least one group"):
        Config(data=data, batching=batching)


def test_curriculum():
    data = DataConfig(phase1_steps=2, preference_ratio=1, reasoning_ratio=3, instruction_ratio=2)
    assert [data.phase(step) for step in range(4)] == [1, 1, 2, 2]
    assert data.ratio(1) == {
        TaskKind.PREFERENCE: 1,
        TaskKind.REASONING: 3,
        TaskKind.INSTRUCTION: 0,
    }
    assert data.ratio(2)[TaskKind.INSTRUCTION] == 2


def test_role_weights_are_told_apart():
    batching = BatchingConfig(reasoning_weight=1, preference_weight=2, instruction_weight=3)
    assert [batching.role_weight(kind) for kind in TaskKind] == [1, 2, 3]


PAIRS = SourceConfig("pairs", TaskKind.PREFERENCE, "held_out.jsonl")
SUMS = SourceConfig("sums", TaskKind.REASONING, "held_out_sums.jsonl")


def test_monitoring_takes_its_own_sources_or_those_of_the_evaluation():
    evaluated = EvaluationConfig(sources=(PAIRS,))
    assert Config(evaluation=evaluated).monitored_sources() == (PAIRS,)
    config = Config(evaluation=evaluated, monitoring=MonitoringConfig(sources=(SUMS,)))
    assert config.monitored_sources() == (SUMS,)
    trained = tuple(
        SourceConfig(str(kind), kind, f"embedded:{kind}")
        for kind in (TaskKind.REASONING, TaskKind.PREFERENCE, TaskKind.INSTRUCTION)
    )
    on_both = dataclasses.replace(config, data=DataConfig(sources=trained))
    assert [source.name for source in on_both.unmonitored_sources()] == ["preference"]
    Config(evaluation=evaluated, monitoring=MonitoringConfig(every=1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"orders": 1}, "monitoring.orders = 1: consistency needs at least 2"),
        ({"patience": 0}, "monitoring.patience = 0: must be greater than 0"),
        ({"every": -1}, "monitoring.every = -1: must not be negative"),
        ({"stop_on": ("taus",)}, "monitoring.stop_on = 'taus': choose one of 'tau', "),
        ({"min_tau": -1.5}, r"monitoring.min_tau = -1.5: must lie in \[-1, 1\]"),
        ({"max_tie_share": 1.1}, r"monitoring.max_tie_share = 1.1: must lie in \[0, 1\]"),
        ({"min_consistency": -0.1}, r"monitoring.min_consistency = -0.1: must lie in \[0, 1\]"),
        (
            {"sources": (SourceConfig("open", TaskKind.INSTRUCTION, "x.jsonl"),)},
            r"monitoring.sources\[open\].kind = 'instruction'",
        ),
    ],
)
def test_monitoring_checks_itself(values, message):
    with pytest.raises(ConfigError, match=message):
        MonitoringConfig(**values)


@pytest.mark.parametrize(
    ("values", "data", "message"),
    [
        ({"every": 5}, {}, "monitoring.every = 5 needs a held-out preference source"),
        ({"every": 5, "sources": (SUMS,)}, {}, "needs a held-out preference source"),
        ({"stop_on": ("tau",), "sources": (PAIRS,)}, {}, "has no effect with monitoring.every = 0"),
        (
            {"every": 1, "sources": (PAIRS,), "stop_on": ("verifier_agreement",)},
            {"reasoning_ratio": 0.0},
            "could never stop the run",
        ),
        (
            {
                "every": 1,
                "sources": (PAIRS,),
                "stop_on": ("verifier_agreement",),
                "reasoning_groups": 7,
            },
            {},
            "reasoning_groups = 7 of at least monitoring.alarm_groups = 8",
        ),
        (
            {"every": 1, "sources": (PAIRS,), "stop_on": ("tau",), "groups_per_source": 7},
            {},
            r"groups_per_source = 7 of 1 preference source\(s\), together, to be at least",
        ),
        (
            {"every": 1, "sources": (PAIRS,), "stop_on": ("length_correlation",)},
            {"instruction_ratio": 0.0},
            "'length_correlation' could never stop the run: it needs data.instruction_ratio > 0",
        ),
        (
            {"every": 1, "sources": (PAIRS,)},
            {"sources": (SourceConfig("train", TaskKind.PREFERENCE, "held_out.jsonl"),)},
            r"monitoring.sources\[pairs\].path = 'held_out.jsonl' is trained on as well",
        ),
        ({"sources": (PAIRS, PAIRS)}, {}, "monitoring.sources: names must be unique"),
    ],
)
def test_monitoring_that_cannot_work_is_refused(values, data, message):
    with pytest.raises(ConfigError, match=message):
        Config(data=DataConfig(**data), monitoring=MonitoringConfig(**values))
