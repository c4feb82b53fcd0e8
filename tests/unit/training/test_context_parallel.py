import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.batching import PackingLayout, pack_mini_batch
from megatron_urpo.config import BatchingConfig
from megatron_urpo.training.context_parallel import (
    context_ranges,
    context_tokens,
    shard_micro_batch,
)
from tests.small_models import random_group


def test_a_rank_has_an_early_and_a_late_part_of_every_piece():
    assert context_ranges((0, 8, 12), rank=0, size=2) == [(0, 2), (6, 8), (8, 9), (11, 12)]
    assert context_ranges((0, 8, 12), rank=1, size=2) == [(2, 4), (4, 6), (9, 10), (10, 11)]


def test_a_piece_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="6 tokens does not divide into 2 \\* 2 parts"):
        context_ranges((0, 6), rank=0, size=2)


@given(st.integers(1, 4), st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_ranks_share_all_tokens(size, parts):
    boundaries = [0, *np.cumsum([2 * size * part for part in parts]).tolist()]
    tokens = np.concatenate([context_tokens(boundaries, rank, size) for rank in range(size)])
    assert sorted(tokens) == list(range(boundaries[-1]))


def test_shards_hold_each_loss_column_once():
    groups = [random_group(1, 5, (4, 7)), random_group(2, 3, (2, 2))]
    (whole,) = pack_mini_batch(groups, BatchingConfig(), PackingLayout(pad_multiple=4))
    cuts = (0, len(whole.token_ids))
    found = []
    for rank in range(2):
        tokens = context_tokens(cuts, rank, 2)
        shard = shard_micro_batch(whole, tokens)
        part, indices = shard.batch, shard.loss_indices
        np.testing.assert_array_equal(part.token_ids, whole.token_ids[tokens])
        np.testing.assert_array_equal(tokens[part.loss_positions], whole.loss_positions[indices])
        for name in ("target_ids", "loss_weights", "advantages", "group_indices"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[indices])
        found += indices.tolist()
    assert sorted(found) == list(range(whole.num_loss_tokens))


def test_without_context_parallelism_the_shard_is_the_micro_batch():
    (whole,) = pack_mini_batch([random_group(1, 5, (4, 7))], BatchingConfig(), PackingLayout())
    shard = shard_micro_batch(whole, None)
    assert shard.batch is whole
    assert shard.loss_indices is None
