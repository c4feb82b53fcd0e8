import pytest

from megatron_urpo.config import (
    BatchingConfig,
    Config,
    ConfigError,
    DataConfig,
    RunConfig,
)
from megatron_urpo.planning.steps import describe_steps

PAPER = Config(
    run=RunConfig(steps=300),
    data=DataConfig(prompts_per_step=256, phase1_steps=100),
    batching=BatchingConfig(mini_batches=4),
)


def test_plan_of_the_papers_batch():
    plan = "\n".join(describe_steps(PAPER, world_size=8))
    assert "8 ranks: 8 data-parallel for training, 8 rollout engines" in plan
    assert "300 steps: 100 in phase 1 (reasoning, preference), 200 in phase 2" in plan
    assert "phase 1: 256 prompts a step (128 preference, 128 reasoning), 2048 samples" in plan
    assert "85.3333 instruction), 2048 samples, 85.3333 judgements" in plan
    assert "16 optimizer steps a batch: 4 mini-batches of about 64 groups x 4 epochs" in plan
    # 2/3 * 256 * 8 answers of 4096, 1/3 * 256 * 8 judgements and 256/3 * 3 attempts of 1024.
    assert f"{round(2048 * 2 / 3 * 4096 + 2048 / 3 * 1024 + 256 * 1024):,} sampled tokens" in plan


def test_phase_without_tasks_is_refused():
    data = DataConfig(preference_ratio=0, reasoning_ratio=0, phase1_steps=10)
    with pytest.raises(ConfigError, match="phase 1 has no task"):
        describe_steps(Config(data=data), world_size=1)
