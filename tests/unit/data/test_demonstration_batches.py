"""Batches of the warm start: what is trained on, the budget, and each epoch whole."""

from dataclasses import replace

import numpy as np
import pytest

from megatron_urpo.config import Config, ConfigError, SFTConfig, SourceConfig
from megatron_urpo.data.demonstration_batches import (
    DemonstrationBatches,
    encode_demonstration,
    load_demonstrations,
)
from megatron_urpo.data.demonstrations import Demonstration
from megatron_urpo.types import ChatMessage, TaskKind


class Letters:
    """An encoder whose tokens are characters; 0 ends a turn."""

    def encode_chat(self, messages):
        return tuple(ord(c) for message in messages for c in message.content)

    def encode_target(self, text):
        return (*(ord(c) for c in text), 0)


def demonstration(prompt, target):
    return [Demonstration(TaskKind.REASONING, (ChatMessage("user", prompt),), target)]


class Listed(list):
    """Demonstrations that are the same in every epoch."""

    def draw(self, index, epoch):
        return self[index]


def batches(demonstrations, max_tokens=100, tokens_per_step=25, seed=3):
    return DemonstrationBatches(
        Listed(demonstrations),
        Letters(),
        max_tokens=max_tokens,
        tokens_per_step=tokens_per_step,
        seed=seed,
    )


def prompts(batch):
    return ["".join(map(chr, group.prompt_ids)) for group in batch]


def test_the_target_is_the_only_branch_and_ends_its_turn():
    group = encode_demonstration(demonstration("ab", "c")[0], Letters())
    assert group.prompt_ids.tolist() == [97, 98]
    assert [ids.tolist() for ids in group.response_ids] == [[99, 0]]
    assert group.advantages.tolist() == [1.0]
    assert np.all(group.rollout_logprobs[0] == 0)


def test_too_long_demonstrations_are_counted():
    made = batches([demonstration("ab", "c"), demonstration("abcdef", "ghijk")], 6, 8)
    assert prompts(made.next()) == ["ab", "ab"]
    assert made.num_too_long >= 1
    with pytest.raises(ConfigError, match=r"sft\.max_sequence_tokens = 3: all 1"):
        batches([demonstration("abcdef", "g")], 3).next()


def test_batches_keep_to_the_budget_and_see_everything_each_epoch():
    shown = [demonstration(chr(97 + k) * (k % 5 + 1), "t" * (k % 3 + 1)) for k in range(20)]
    made = batches(shown)
    drawn = [made.next() for _ in range(30)]
    for batch in drawn:
        assert sum(len(group.prompt_ids) + group.num_tokens for group in batch) <= 25
        assert [group.index for group in batch] == list(range(len(batch)))
    order = [prompt[0] for batch in drawn for prompt in prompts(batch)]
    everything = [chr(97 + k) for k in range(20)]
    assert sorted(order[:20]) == sorted(order[20:40]) == everything
    assert order[:20] != order[20:40]
    again = batches(shown)
    assert [prompts(again.next()) for _ in range(30)] == [prompts(batch) for batch in drawn]


def test_a_demonstration_longer_than_the_budget_is_a_batch_of_its_own():
    made = batches([demonstration("p" * 40, "t")] * 2, tokens_per_step=10)
    assert [len(made.next()) for _ in range(3)] == [1, 1, 1]


def test_no_sources_is_an_error():
    with pytest.raises(ConfigError, match="sft.sources is empty"):
        load_demonstrations(Config())


def test_conversations_of_a_file_are_shown_turn_by_turn(tmp_path):
    path = tmp_path / "chat.jsonl"
    path.write_text(
        '{"kind": "instruction", "messages": [{"role": "system", "content": "S"}, '
        '{"role": "assistant", "content": "Ask me."}, '
        '{"role": "user", "content": "u1"}, {"role": "assistant", "content": "a1"}, '
        '{"role": "user", "content": "u2"}, {"role": "assistant", "content": "a2"}]}\n'
    )
    source = SourceConfig("chat", TaskKind.INSTRUCTION, str(path))
    generated = SourceConfig("sums", TaskKind.REASONING, "embedded:chain_sum", options={"items": 2})
    config = replace(Config(), sft=SFTConfig(sources=(generated, source)))
    shown = load_demonstrations(config)
    assert len(shown) == 3
    first, second = shown.draw(2, 0)
    assert [turn.content for turn in first.messages] == ["S", "Ask me.", "u1"]
    assert first.target == "a1"
    assert [turn.content for turn in second.messages] == ["S", "Ask me.", "u1", "a1", "u2"]
    assert second.target == "a2"
    assert shown.draw(0, 0) == shown.draw(0, 0)
    assert shown.draw(0, 0)[0].target.startswith("\\boxed{")


def test_every_epoch_shows_the_responses_in_an_order_of_its_own():
    options = {"items": 40, "num_responses": "3,4"}
    source = SourceConfig("ranked", TaskKind.PREFERENCE, "embedded:writing_preferences", 0, options)
    shown = load_demonstrations(replace(Config(), sft=SFTConfig(sources=(source,))))
    first = [shown.draw(index, 0) for index in range(len(shown))]
    assert first == [shown.draw(index, 0) for index in range(len(shown))]
    changed = [shown.draw(index, 1) != first[index] for index in range(len(shown))]
    assert sum(changed) > len(shown) / 2  # two orders of three are alike one time in six
