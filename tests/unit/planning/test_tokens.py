import dataclasses

import pytest

from megatron_urpo.config import Config, DataConfig, RolloutConfig, RunConfig
from megatron_urpo.planning.durations import micro_batches_of
from megatron_urpo.planning.layout import Layout
from megatron_urpo.planning.tokens import Lengths, judge_prompt_tokens, step_tokens
from megatron_urpo.types import TaskKind

CONFIG = Config(
    run=RunConfig(steps=300),
    data=DataConfig(prompts_per_step=240),
    rollout=RolloutConfig(group_size=8, max_model_len=16384),
)
LENGTHS = Lengths(prompt=100, response=500, judgement=50, judge_attempts=1.5)


def test_counts_of_both_phases_by_hand():
    first = step_tokens(CONFIG, 1, LENGTHS)
    assert first.prompts == {
        TaskKind.PREFERENCE: 120, TaskKind.REASONING: 120, TaskKind.INSTRUCTION: 0
    }  # fmt: skip
    assert first.samples == 240 * 8
    assert first.prompt_tokens == 240 * 100
    assert first.answer_tokens == 120 * 8 * 500
    assert first.judgement_tokens == 120 * 8 * 50
    assert first.judge_requests == first.judge_prompt_tokens == first.judge_response_tokens == 0
    second = step_tokens(CONFIG, 2, LENGTHS)
    assert second.answer_tokens == 160 * 8 * 500
    assert second.judgement_tokens == 80 * 8 * 50
    assert second.judge_requests == 80 * 1.5
    assert second.judge_prompt_tokens == 120 * (100 + 8 * 500 + 120 + 8 * 19)
    assert second.judge_response_tokens == 120 * 50
    assert second.sampled_tokens == 160 * 4000 + 80 * 400 + 6000
    assert second.loss_tokens == 160 * 4000 + 80 * 400


def test_an_epoch_computes_a_prompt_once_or_for_every_response():
    responses = 160 * 8 * 500 + 80 * 8 * 50
    assert step_tokens(CONFIG, 2, LENGTHS).packed_tokens == 240 * 100 + responses
    alone = step_tokens(CONFIG, 2, LENGTHS, shares_prefix=False)
    assert alone.packed_tokens == 8 * 240 * 100 + responses


def test_a_judge_prompt_is_cut_to_the_context():
    long = dataclasses.replace(LENGTHS, response=4000)
    assert judge_prompt_tokens(CONFIG, long) == 16384 - 1024


@pytest.mark.parametrize(("pipeline", "virtual", "count"), [(1, 1, 3), (2, 1, 6), (4, 2, 12)])
def test_micro_batches_of_a_rank(pipeline, virtual, count):
    layout = Layout(
        world_size=8,
        pipeline_model_parallel_size=pipeline,
        virtual_pipeline_model_parallel_size=virtual,
    )
    tokens = step_tokens(CONFIG, 2, LENGTHS)  # 696,000; a quarter of it is a mini-batch
    # 21,750 tokens of each of 8 ranks make 3 of 8192; interleaved they come in rounds of PP.
    assert micro_batches_of(tokens, CONFIG, layout, 8192) == count
