import dataclasses

import pytest

from megatron_urpo.config import BatchingConfig, Config, TrainingConfig
from megatron_urpo.layout import Layout
from megatron_urpo.planning.hardware import Hardware
from megatron_urpo.planning.models import MODELS
from megatron_urpo.planning.plan import Choices, make_plan
from megatron_urpo.planning.tokens import Lengths

LLAMA = MODELS["Llama-3.1-8B"]
LENGTHS = Lengths(prompt=100, response=900, judgement=300, judge_attempts=1)
# Round rates, and no losses.
MACHINE = Hardware(
    memory=200 * 10**9, reserve=0, flops=1e15, efficiency=1.0, memory_bandwidth=1e12,
    bandwidth_efficiency=1.0, node_bandwidth=1e11, network_bandwidth=1e10,
)  # fmt: skip
CONFIG = Config(training=TrainingConfig(epochs=2), batching=BatchingConfig(mini_batches=4))
# 2 x (4 matrices of a layer) x 32 layers, and attention over half of 1000 tokens: 2 x 4096 x 1000.
FORWARD = 32 * (2 * 4096 * (2 * 4096 + 2 * 1024 + 3 * 14336) + 2 * 4096 * 1000)
HEAD = 2 * 4096 * 128256


def durations(layout, config=CONFIG, **machine):
    hardware = dataclasses.replace(MACHINE, **machine)
    return make_plan(LLAMA, config, layout, hardware, Choices(lengths=LENGTHS))


def test_logprobs_and_training_by_hand():
    plan = durations(Layout())
    # A sample goes through the layers without its last token. A third of 256 prompts are
    # preferences, rounded up.
    answers, judgements, rate = 170 * 8, 86 * 8, 1e15
    forward = FORWARD * (answers * 999 + judgements * 399)
    head = HEAD * (answers * 900 + judgements * 300)
    assert plan.durations.logprobs == pytest.approx((forward + head) / rate)
    updates = 2 * 4 * 2 * 16 * 8_030_261_248 / 1e12  # Adam reads and writes 16 bytes a parameter
    assert plan.durations.training == pytest.approx(2 * (3 * forward + 4 * head) / rate + updates)
    full = dataclasses.replace(CONFIG.training, recompute_granularity="full")
    recomputed = durations(Layout(), dataclasses.replace(CONFIG, training=full))
    assert recomputed.durations.training - plan.durations.training == pytest.approx(
        2 * forward / rate
    )


def test_decoding_reads_weights_and_cache_once_a_step():
    plan = durations(Layout())
    tokens, engine = plan.tokens, plan.engine
    sampled = tokens.answer_tokens + tokens.judgement_tokens
    assert engine.player_sequences == 64  # rollout.max_num_seqs
    step = (2 * 8_030_261_248 + 64 * 550 * 2 * 32 * 1024 * 2) / 1e12
    prefill = 32 * (FORWARD / 32 - 2 * 4096 * 450) * tokens.prompt_tokens / 1e15
    assert plan.durations.rollout == pytest.approx(prefill + sampled / 64 * step)


def test_what_layouts_cost():
    one, eight = durations(Layout()), durations(Layout(world_size=8))
    assert eight.durations.rollout == pytest.approx(one.durations.rollout / 8, rel=1e-6)
    tensor = durations(Layout(world_size=8, tensor_model_parallel_size=8, sequence_parallel=True))
    assert tensor.durations.logprobs > eight.durations.logprobs  # it exchanges hidden states
    pipeline = durations(Layout(world_size=8, pipeline_model_parallel_size=8))
    # The same number of groups on every rank; what is left is which rank has the preferences.
    bubble = 1 + 7 / pipeline.packing.micro_batches
    assert pipeline.durations.logprobs == pytest.approx(
        one.durations.logprobs / 8 * bubble, rel=0.02
    )
    assert eight.durations.logprobs == pytest.approx(one.durations.logprobs / 8, rel=0.1)
    virtual = Layout(
        world_size=8, pipeline_model_parallel_size=8, virtual_pipeline_model_parallel_size=2
    )
    assert durations(virtual).durations.logprobs < pipeline.durations.logprobs
    # 2 bytes of 8 billion weights, of which a rank lacks 7/8, then copied.
    size = 2 * 8_030_261_248
    assert tensor.durations.weight_sync == pytest.approx(size * 7 / 8 / 1e11 + 2 * size / 1e12)


def test_a_network_between_the_nodes_slows_the_reduction():
    layout = Layout(world_size=16)
    inside = durations(layout, ranks_per_node=16)
    across = durations(layout, ranks_per_node=8)
    moved = 8 * 6 * 8_030_261_248 * 15 / 16
    assert across.durations.training - inside.durations.training == pytest.approx(
        moved * (1 / 1e10 - 1 / 1e11)
    )


def test_context_parallelism_passes_keys_and_values_around_by_hand():
    """Of its half of the tokens a rank sends keys and values of 8 groups of 128 once a layer and
    pass: 2 x 1024 elements of 2 bytes a token."""
    ring = Layout(world_size=2, context_parallel_size=2)
    inside, across = durations(ring), durations(ring, ranks_per_node=1)
    parts = inside.packing.mini_batches
    tokens = sum(part.tokens for part in parts)
    sent = 32 * tokens / 2 * 2 * 1024 * 2
    # A rank computes half of every pass, attention included, and then exchanges.
    forward, head = FORWARD * tokens / 2, HEAD * sum(part.loss_tokens for part in parts) / 2
    assert inside.durations.logprobs == pytest.approx((forward + head) / 1e15 + sent / 1e11)
    slower = sent * (1 / 1e10 - 1 / 1e11)
    assert across.durations.logprobs - inside.durations.logprobs == pytest.approx(slower)
    # One of four ranks sends those of a quarter of the tokens three times.
    four = Layout(world_size=4, context_parallel_size=4)
    wide, free = durations(four), durations(four, node_bandwidth=1e30)
    sent = 32 * sum(part.tokens for part in wide.packing.mini_batches) / 4 * 3 * 2 * 1024 * 2
    assert wide.durations.logprobs - free.durations.logprobs == pytest.approx(sent / 1e11)


def test_weights_cross_the_network_where_a_copy_of_the_model_does():
    layout = Layout(
        world_size=16, tensor_model_parallel_size=8, pipeline_model_parallel_size=2,
        sequence_parallel=True,
    )  # fmt: skip
    size = 2 * 8_030_261_248
    copied = 2 * size / 1e12
    inside = durations(layout, ranks_per_node=16).durations.weight_sync
    across = durations(layout, ranks_per_node=8).durations.weight_sync
    # A rank lacks 15/16 of the weights.
    assert inside == pytest.approx(size * 15 / 16 / 1e11 + copied)
    assert across == pytest.approx(size * 15 / 16 / 1e10 + copied)


def test_ranks_and_engines_beyond_the_groups_do_not_help():
    """64 groups a mini-batch, 256 prompts a step, of which 256 / 3 are judged."""
    answers = dataclasses.replace(CONFIG.data, preference_ratio=0)
    config = dataclasses.replace(CONFIG, data=answers)
    full, idle = (durations(Layout(world_size=size), config).durations for size in (64, 512))
    assert idle.logprobs == pytest.approx(full.logprobs)
    assert idle.logprobs == pytest.approx(4 * 8 * (FORWARD * 999 + HEAD * 900) / 1e15)
    one, more = (durations(Layout(world_size=size), config).durations for size in (256, 1024))
    assert more.rollout == pytest.approx(one.rollout)
    # 128 judged groups: one on each of 128 engines, and three idle engines for each of those.
    fewer = durations(Layout(world_size=128), config).durations
    assert more.judging == pytest.approx(fewer.judging)
    # 256 prompts on 192 engines: two on the busiest, as on 128.
    uneven = durations(Layout(world_size=192), config).durations
    assert uneven.rollout == pytest.approx(fewer.rollout)


def test_memory_takes_the_longest_texts_and_times_the_expected_ones():
    layout = Layout(world_size=4, pipeline_model_parallel_size=4)
    longest = make_plan(LLAMA, CONFIG, layout, MACHINE)
    expected = make_plan(LLAMA, CONFIG, layout, MACHINE, Choices(lengths=LENGTHS))
    assert expected.load == longest.load
    assert expected.phases == longest.phases
    assert expected.packing.micro_batches < longest.packing.micro_batches
    assert longest.load.micro_batches == longest.packing.micro_batches
    assert expected.durations.training < longest.durations.training
