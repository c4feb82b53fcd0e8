"""Held to batching.pack_mini_batch, which makes the micro-batches of a run."""

import dataclasses

import numpy as np
import pytest

from megatron_urpo.batching import PackingLayout, make_mini_batches, pack_mini_batch
from megatron_urpo.config import BatchingConfig, Config, ConfigError, DataConfig, RolloutConfig
from megatron_urpo.layout import Layout
from megatron_urpo.planning.packing import packing_layout_of, plan_packing
from megatron_urpo.planning.tokens import Lengths
from megatron_urpo.types import TaskKind, TrainingGroup

CONFIG = Config(
    data=DataConfig(prompts_per_step=26),
    rollout=RolloutConfig(group_size=4),
    batching=BatchingConfig(mini_batches=3, micro_batch_tokens=700),
)
LENGTHS = Lengths(prompt=45, response=210, judgement=33, judge_attempts=1)


def real_groups(counts):
    """The groups of a batch with tokens in them."""
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    for index, kind in enumerate(kinds):
        length = 33 if kind is TaskKind.PREFERENCE else 210
        yield TrainingGroup(
            index=index,
            kind=kind,
            prompt_ids=np.arange(45),
            response_ids=tuple(np.arange(length) for _ in range(4)),
            rollout_logprobs=tuple(np.zeros(length, np.float32) for _ in range(4)),
            advantages=np.array([1.0, -1.0, 1.0, -1.0]),
        )


# 26 prompts in three equal shares: the two beyond 8 of each go to the first kinds.
COUNTS = {TaskKind.PREFERENCE: 9, TaskKind.REASONING: 9, TaskKind.INSTRUCTION: 8}


@pytest.mark.parametrize("implementation", ["local", "transformer_engine"])
@pytest.mark.parametrize(
    "layout",
    [
        Layout(),
        Layout(world_size=3),
        Layout(world_size=16),  # more ranks than a mini-batch has groups
        Layout(world_size=4, tensor_model_parallel_size=4),
        Layout(world_size=8, context_parallel_size=4),
        Layout(
            world_size=24, pipeline_model_parallel_size=4, virtual_pipeline_model_parallel_size=2
        ),
    ],
    ids=lambda layout: layout.name,
)
def test_against_the_real_packer(layout, implementation):
    planned = plan_packing(CONFIG, 2, LENGTHS, layout, implementation)
    asked = packing_layout_of(CONFIG, layout, implementation)
    mini_batches = make_mini_batches(list(real_groups(COUNTS)), 3)
    assert len(planned.mini_batches) == len(mini_batches) == 3
    for part, groups in zip(planned.mini_batches, mini_batches, strict=True):
        ranks = [
            pack_mini_batch(groups, CONFIG.batching, asked, rank)
            for rank in range(layout.data_parallel_size)
        ]
        assert {len(batches) for batches in ranks} == {part.micro_batches}
        loads = [
            (sum(len(b.token_ids) for b in batches), sum(b.num_loss_tokens for b in batches))
            for batches in ranks
        ]
        assert max(loads) == (part.tokens, part.loss_tokens)
        assert sum(tokens for tokens, _ in loads) == part.all_tokens


def test_more_ranks_than_groups_by_hand():
    """64 groups on 512 ranks: a rank has one group or none, and so 8 samples of 6143 tokens, two of
    which fit 16,384. Tokens divided by ranks and budget would be one micro-batch."""
    config = Config(data=DataConfig(preference_ratio=0, phase1_steps=0))
    lengths = Lengths.longest(config)
    packing = plan_packing(config, 2, lengths, Layout(world_size=512), "transformer_engine")
    assert [part.micro_batches for part in packing.mini_batches] == [4] * 4
    assert packing.tokens == 4 * 8 * (2048 + 4096 - 1)
    assert packing.loss_tokens == 4 * 8 * 4096
    # The 448 others compute fillers of one token.
    assert packing.all_tokens == 4 * (64 * 8 * 6143 + 448 * 4)


def test_a_shared_prompt_is_computed_once():
    config = Config(
        data=DataConfig(prompts_per_step=8, preference_ratio=0, phase1_steps=0),
        batching=BatchingConfig(mini_batches=2, micro_batch_tokens=16384),
    )
    lengths = Lengths(prompt=100, response=501, judgement=1, judge_attempts=1)
    shared = plan_packing(config, 2, lengths, Layout(), "local")
    assert shared.tokens == 8 * (100 + 8 * 500)
    alone = plan_packing(config, 2, lengths, Layout(), "transformer_engine")
    assert alone.tokens == 8 * 8 * (100 + 500)


@pytest.mark.parametrize(
    ("layout", "fp8", "pad", "segment", "number"),
    [
        (Layout(world_size=2), "off", 1, 1, 1),
        (
            Layout(world_size=16, tensor_model_parallel_size=4, pipeline_model_parallel_size=2),
            "off",
            4,
            1,
            1,
        ),
        (
            Layout(
                world_size=32,
                tensor_model_parallel_size=2,
                pipeline_model_parallel_size=4,
                virtual_pipeline_model_parallel_size=2,
                context_parallel_size=2,
            ),
            "off",
            2 * 2 * 2,  # two stretches on each of two context-parallel ranks, cut by TP
            4,
            4,
        ),
        (
            Layout(
                world_size=8,
                tensor_model_parallel_size=2,
                context_parallel_size=2,
                sequence_parallel=True,
            ),
            "hybrid",
            128 * 2 * 2,  # whole blocks of blockwise FP8 on every rank
            4,
            1,
        ),
    ],
)
def test_what_a_layout_asks_of_micro_batches(layout, fp8, pad, segment, number):
    training = dataclasses.replace(Config().training, fp8=fp8, fp8_recipe="blockwise")
    config = dataclasses.replace(Config(), training=training)
    assert packing_layout_of(config, layout, "transformer_engine") == PackingLayout(
        data_parallel_size=2,
        pad_multiple=pad,
        segment_multiple=segment,
        micro_batch_multiple=number,
        share_prefix=False,
    )


def test_kernels_that_cannot_share_a_prompt():
    always = dataclasses.replace(CONFIG.batching, share_prefix="always")
    config = dataclasses.replace(CONFIG, batching=always)
    assert packing_layout_of(config, Layout(), "local").share_prefix
    with pytest.raises(ConfigError, match="computes every branch with its own prompt"):
        packing_layout_of(config, Layout(), "transformer_engine")
