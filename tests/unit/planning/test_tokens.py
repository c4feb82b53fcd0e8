import dataclasses

from megatron_urpo.config import Config, DataConfig, RolloutConfig, RunConfig
from megatron_urpo.planning.tokens import (
    Lengths,
    judge_prompt_tokens,
    step_tokens,
    whole_prompts,
)
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


def test_a_judge_prompt_is_cut_to_the_context():
    long = dataclasses.replace(LENGTHS, response=4000)
    assert judge_prompt_tokens(CONFIG, long) == 16384 - 1024


def test_whole_prompts_of_a_batch_that_does_not_divide():
    config = dataclasses.replace(CONFIG, data=DataConfig(prompts_per_step=8))
    assert whole_prompts(config, 2) == {
        TaskKind.PREFERENCE: 3, TaskKind.REASONING: 3, TaskKind.INSTRUCTION: 2
    }  # fmt: skip
    uneven = DataConfig(prompts_per_step=10, preference_ratio=1, reasoning_ratio=3)
    # 2, 6 and 2 of 10 in phase 2; 2.5 and 7.5 in phase 1, where the first has the half.
    config = dataclasses.replace(CONFIG, data=uneven)
    assert list(whole_prompts(config, 2).values()) == [2, 6, 2]
    assert list(whole_prompts(config, 1).values()) == [3, 7, 0]
    # 25 1/3, 63 1/3 and 63 1/3: equal remainders, the first has the one that is left.
    thirds = DataConfig(
        prompts_per_step=152, preference_ratio=3, reasoning_ratio=7.5, instruction_ratio=7.5
    )
    config = dataclasses.replace(CONFIG, data=thirds)
    assert list(whole_prompts(config, 2).values()) == [26, 63, 63]
