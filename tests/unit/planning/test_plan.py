import dataclasses

import pytest

from megatron_urpo.config import (
    Config,
    ConfigError,
    RolloutConfig,
    TrainingConfig,
    WeightSyncConfig,
)
from megatron_urpo.layout import Layout
from megatron_urpo.planning.hardware import format_size, gpu, parse_size
from megatron_urpo.planning.layout import valid_layouts
from megatron_urpo.planning.models import MODELS
from megatron_urpo.planning.plan import Choices, make_plan, rank_plans, training_load
from megatron_urpo.planning.report import assumptions, describe_plan, describe_ranking

QWEN_7B, QWEN_72B = MODELS["Qwen2.5-7B"], MODELS["Qwen2.5-72B"]
H100 = gpu(parse_size("80GB"))
CHOOSE = Choices(choose_engine_share=True)


def test_a_large_model_does_not_fit_one_gpu_and_the_plan_says_why():
    plan = make_plan(QWEN_72B, Config(), Layout(), H100)
    assert not plan.fits
    # Of 72.7 billion parameters: 12 bytes each of optimizer.
    assert plan.problems[0].startswith("update needs")
    assert plan.problems[0].endswith("largest component: optimizer, 812.6 GiB")
    excess = plan.peak + H100.reserve - H100.memory
    assert f"{format_size(excess)} more than there is" in plan.problems[0]
    # vLLM is given 60 % of the GPU and wants 135 GiB of weights.
    assert any("for a KV cache of rollout.max_model_len" in text for text in plan.problems)


def test_the_same_model_fits_64_of_them():
    layouts = valid_layouts(QWEN_72B, 64, 8)
    plans = rank_plans(QWEN_72B, Config(), layouts, H100, CHOOSE)
    fitting = [plan for plan in plans if plan.fits]
    assert fitting
    assert plans[: len(fitting)] == fitting
    steps = [plan.durations.step for plan in fitting]
    assert steps == sorted(steps)
    for plan in fitting:
        for components in plan.phases.values():
            assert sum(components.values()) + H100.reserve <= H100.memory
        assert plan.engine.kv_tokens >= Config().rollout.max_model_len
        assert plan.layout.tensor_model_parallel_size * plan.layout.pipeline_model_parallel_size > 8
    for plan in plans[len(fitting) :]:
        assert "largest component:" in plan.problems[0]


def test_what_does_not_fit_is_ranked_by_what_it_lacks():
    """Also where that is the cache's: a peak below the GPU's memory says nothing of it."""
    layouts = list(valid_layouts(QWEN_72B, 64, 8))
    plans = rank_plans(QWEN_72B, Config(), layouts, H100, CHOOSE)
    others = [plan for plan in plans if not plan.fits]
    assert [plan.excess for plan in others] == sorted(plan.excess for plan in others)
    assert all(format_size(plan.excess) in plan.problems[0] for plan in others)
    starved = [plan for plan in others if plan.peak + H100.reserve <= H100.memory]
    assert starved
    for plan in starved:
        # Weights, activations, graphs and one context in the engine's share of the GPU.
        engine = plan.engine
        used = engine.weights + engine.working + (2 << 30) + 8192 * engine.kv_bytes_per_token
        assert plan.excess == used - int(plan.engine_share * 80 * 10**9)
    assert [plan.peak for plan in others] != sorted(plan.peak for plan in others)


def test_a_cache_that_fits_without_cuda_graphs_alone_is_refused():
    """vLLM takes graphs and kernels from the share too, and wants a context in what is left."""
    engine = make_plan(QWEN_7B, Config(), Layout(), H100).engine
    exact = engine.weights + engine.working + 8192 * engine.kv_bytes_per_token
    for spare, lacks in ((0, True), (1.5, True), (2.1, False)):
        share = (exact + spare * 2**30) / H100.memory
        config = Config(rollout=RolloutConfig(gpu_memory_utilization=share))
        problems = make_plan(QWEN_7B, config, Layout(), H100).problems
        assert any("the engine lacks" in text for text in problems) == lacks


def test_the_engine_has_the_rest_of_the_gpu_and_shares_it_when_it_cannot_sleep():
    layout = Layout(world_size=8, tensor_model_parallel_size=4, engine_tensor_parallel_size=4)
    asleep = make_plan(QWEN_7B, Config(), layout, H100, CHOOSE)
    awake = make_plan(
        QWEN_7B, Config(), layout, H100, dataclasses.replace(CHOOSE, engine_sleeps=False)
    )
    assert "KV cache" not in asleep.phases["update"]
    assert asleep.phases["update"]["engine graphs and kernels"] == 2 << 30
    assert awake.phases["update"]["KV cache"] == awake.engine.kv_cache
    assert awake.engine_share < asleep.engine_share
    assert asleep.fits
    assert awake.fits
    given = Config(rollout=RolloutConfig(gpu_memory_utilization=0.33))
    assert make_plan(QWEN_7B, given, layout, H100).engine_share == 0.33


def test_fp8_of_the_configuration():
    layout = Layout(world_size=8, tensor_model_parallel_size=4, engine_tensor_parallel_size=4)
    plain = make_plan(QWEN_7B, Config(), layout, H100)
    config = Config(
        training=TrainingConfig(fp8="hybrid", fp8_param_gather=True),
        rollout=RolloutConfig(quantization="fp8"),
        weight_sync=WeightSyncConfig(verify="never"),
    )
    fp8 = make_plan(QWEN_7B, config, layout, H100)
    linear = 28 * 3584 * (2 * 3584 + 2 * 512 + 3 * 18944) // 4
    assert plain.engine.weights - fp8.engine.weights == linear
    assert fp8.phases["update"]["activations"] < plain.phases["update"]["activations"]
    assert fp8.phases["update"]["weights"] == plain.phases["update"]["weights"]  # two of one byte


def test_a_sample_longer_than_the_budget_makes_its_micro_batch():
    config = Config(rollout=RolloutConfig(max_response_tokens=30000, max_model_len=40000))
    load = training_load(config, Layout(), "transformer_engine")
    assert load.tokens == 2048 + 30000 - 1
    assert load.branches == 1
    assert training_load(config, Layout(), "local").branches == 8


def test_a_layout_that_does_not_divide_the_model_is_an_error():
    layout = Layout(world_size=8, tensor_model_parallel_size=8)
    with pytest.raises(ConfigError, match="does not divide the model's num_attention_heads = 28"):
        make_plan(QWEN_7B, Config(), layout, H100)


def test_the_report_has_every_phase_and_its_sum():
    config = Config(training=TrainingConfig(kl_beta=0.1))
    layout = Layout(world_size=8, tensor_model_parallel_size=4, engine_tensor_parallel_size=4)
    plan = make_plan(QWEN_7B, config, layout, H100, CHOOSE)
    text = "\n".join(describe_plan(plan))
    for name, components in plan.phases.items():
        assert f"{name:22}{format_size(sum(components.values())):>11}  = weights" in text
    assert text.count("<- peak") == 1
    assert "reference log-probs" in text
    assert "not verified on a GPU" in "\n".join(assumptions(plan, engine_sleeps=True))
    ranking = "\n".join(describe_ranking([plan], 1))
    assert "1 of 1 plans fit" in ranking


@pytest.mark.parametrize(
    ("text", "size"), [("80GB", 80 * 10**9), ("79.6 GiB", 85469849190), ("1024", 1024)]
)
def test_sizes(text, size):
    assert parse_size(text) == pytest.approx(size, abs=1)


@pytest.mark.parametrize("text", ["", "80 apples", "GB", "-1GB", "0GB"])
def test_what_is_no_size(text):
    with pytest.raises(ConfigError, match="is not an amount of memory"):
        parse_size(text)
