from itertools import islice

import numpy as np
import pytest

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.data.demonstrations import Demonstration
from megatron_urpo.supervised import draw_batches, encode_demonstrations, load_demonstrations
from megatron_urpo.types import ChatMessage, TaskKind


class Letters:
    """An encoder whose tokens are characters; 0 ends a turn."""

    def encode_chat(self, messages):
        return tuple(ord(c) for message in messages for c in message.content)

    def encode_target(self, text):
        return (*(ord(c) for c in text), 0)


def demonstration(prompt: str, target: str) -> Demonstration:
    return Demonstration(TaskKind.REASONING, (ChatMessage("user", prompt),), target)


def test_the_target_is_the_only_branch_and_ends_its_turn():
    (group,), skipped = encode_demonstrations([demonstration("ab", "c")], Letters(), 10)
    assert group.prompt_ids.tolist() == [97, 98]
    assert [ids.tolist() for ids in group.response_ids] == [[99, 0]]
    assert group.advantages.tolist() == [1.0]
    assert skipped == 0


def test_too_long_demonstrations_are_counted():
    groups, skipped = encode_demonstrations(
        [demonstration("ab", "c"), demonstration("abcdef", "ghijk")], Letters(), 6
    )
    assert len(groups) == 1
    assert skipped == 1
    with pytest.raises(ConfigError, match=r"sft\.max_sequence_tokens = 3: all 1"):
        encode_demonstrations([demonstration("abcdef", "g")], Letters(), 3)


def test_batches_keep_to_the_budget_and_see_everything_each_epoch():
    demonstrations = [demonstration("p" * (k % 5 + 1), "t" * (k % 3 + 1)) for k in range(20)]
    groups, _ = encode_demonstrations(demonstrations, Letters(), 100)
    batches = list(islice(draw_batches(groups, 25, seed=3), 30))
    for batch in batches:
        assert sum(len(g.prompt_ids) + g.num_tokens for g in batch) <= 25
    order = [group.index for batch in batches for group in batch]
    assert sorted(order[:20]) == list(range(20))
    assert sorted(order[20:40]) == list(range(20))
    assert order[:20] != order[20:40]
    again = [g.index for batch in islice(draw_batches(groups, 25, seed=3), 30) for g in batch]
    assert order == again


def test_a_demonstration_longer_than_the_budget_is_a_batch_of_its_own():
    groups, _ = encode_demonstrations([demonstration("p" * 40, "t")] * 2, Letters(), 100)
    assert [len(batch) for batch in islice(draw_batches(groups, 10, seed=0), 3)] == [1, 1, 1]


def test_no_sources_is_an_error():
    with pytest.raises(ConfigError, match="sft.sources is empty"):
        load_demonstrations(Config())


def test_advantages_of_demonstrations_survive_packing():
    groups, _ = encode_demonstrations([demonstration("a", "b")], Letters(), 10)
    assert np.all(groups[0].advantages)
