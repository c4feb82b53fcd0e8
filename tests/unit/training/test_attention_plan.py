from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from megatron.core.models.common.embeddings.rope_utils import (
    _apply_rotary_pos_emb_bshd,
    _apply_rotary_pos_emb_thd,
)

from megatron_urpo.training.attention_plan import pack_for_transformer_engine, plan_attention
from megatron_urpo.types import MicroBatch, Segment


def test_plan_of_a_worked_example():
    segments = [Segment(4, (2, 2)), Segment(3, (1,))]
    prompts, branches, continuation = plan_attention(segments, num_tokens=13).tiles

    # Both prompts side by side; token 13 fills the empty slot.
    assert (prompts.num_stretches, prompts.length) == (2, 4)
    assert prompts.rows.tolist() == [0, 1, 2, 3, 8, 9, 10, 13]
    assert prompts.columns.tolist() == prompts.rows.tolist()
    assert prompts.prefix.tolist() == []
    # Both branches of the first segment see its prompt.
    assert (branches.num_stretches, branches.length) == (2, 2)
    assert branches.rows.tolist() == [4, 5, 6, 7]
    assert branches.prefix.tolist() == [0, 1, 2, 3]
    assert continuation.rows.tolist() == [11]
    assert continuation.prefix.tolist() == [8, 9, 10]


def test_long_sequences_are_cut_and_see_what_came_before():
    first, *others = plan_attention([Segment(2, (300,))], num_tokens=302).tiles
    assert first.rows.tolist() == [0, 1]
    assert [tile.length for tile in others] == [100, 100, 100]
    assert [len(tile.prefix) for tile in others] == [2, 102, 202]
    assert others[2].prefix.tolist() == list(range(202))


@given(
    st.lists(
        st.builds(
            Segment,
            st.integers(1, 300),
            st.lists(st.integers(1, 300), max_size=5).map(tuple),
        ),
        max_size=4,
    )
)
def test_every_token_is_a_row_once_and_tiles_stay_small(segments):
    num_tokens = sum(segment.length for segment in segments)
    tiles = plan_attention(segments, num_tokens).tiles
    rows = torch.cat([tile.rows for tile in tiles]) if tiles else torch.zeros(0)
    assert sorted(rows[rows < num_tokens].tolist()) == list(range(num_tokens))
    for tile in tiles:
        assert tile.length <= 128
        assert len(tile.rows) == tile.num_stretches * tile.length
        scores = len(tile.rows) * (len(tile.prefix) + tile.length)
        assert tile.num_stretches == 1 or scores <= 1 << 18
        assert (tile.rows < num_tokens).sum() >= 0.75 * len(tile.rows)


OTHER_LOSS_COLUMNS = (
    "loss_weights",
    "advantages",
    "rollout_logprobs",
    "kind_codes",
    "group_indices",
    "branch_indices",
)


def micro_batch_of(segments, num_tokens):
    empty = np.zeros(0, dtype=np.int64)
    return MicroBatch(
        segments=tuple(segments),
        token_ids=np.zeros(num_tokens, dtype=np.int64),
        position_ids=np.zeros(num_tokens, dtype=np.int64),
        loss_positions=empty,
        target_ids=empty,
        loss_weights=empty.astype(np.float64),
        advantages=empty.astype(np.float32),
        rollout_logprobs=empty.astype(np.float32),
        kind_codes=empty.astype(np.int8),
        group_indices=empty,
        branch_indices=empty,
    )


def test_plan_of_a_context_parallel_rank():
    # Parts of 2 tokens; this rank has 0, 1 and 6, 7, the other, whose keys come after, 2 to 5.
    tiles = plan_attention([Segment(3, (4,))], num_tokens=8, context_rank=0, context_size=2).tiles
    assert [tile.rows.tolist() for tile in tiles] == [[0, 1], [2]]
    assert [tile.columns.tolist() for tile in tiles] == [[0, 1], [2]]
    # Token 6 sees the prompt (0, 1, 2) and its branch before it (3, 4, 5).
    assert [tile.prefix.tolist() for tile in tiles] == [[], [0, 1, 4, 5, 6, 7]]


def test_padding_behind_a_segment_is_in_no_tile():
    tiles = plan_attention([Segment(2, (), padding=2), Segment(1, (1,))], num_tokens=8).tiles
    assert sorted(row for tile in tiles for row in tile.rows.tolist() if row < 8) == [0, 1, 4, 5]


def test_thd_boundaries():
    segments = [Segment(4, (2,)), Segment(3, (1,)), Segment(5, ())]
    packed = pack_for_transformer_engine(micro_batch_of(segments, 16), torch.device("cpu")).packing

    assert packed.qkv_format == "thd"
    assert packed.cu_seqlens_q.tolist() == [0, 6, 10, 15, 16]
    assert packed.cu_seqlens_q.dtype == torch.int32
    assert packed.max_seqlen_q == packed.max_seqlen_kv == 6
    # The fused rotary kernel takes row t of the frequencies for token t of every sequence.
    assert packed.rotary_positions(torch.zeros(1, 16)).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("context_ranks", [1, 2])
def test_thd_kernels_find_the_position_of_every_token(context_ranks):
    """Megatron's own rotation of thd, which reads the frequencies as the fused kernel does."""
    lengths = [8, 4, 16, 4]  # the last is padding
    batch = replace(
        micro_batch_of([Segment(n, ()) for n in lengths[:-1]], sum(lengths)),
        token_ids=np.arange(sum(lengths)),
        position_ids=np.concatenate([np.arange(n) for n in lengths]),
    )
    frequencies = torch.randn(4, generator=torch.Generator().manual_seed(0)).repeat(2)

    def angles(positions):
        return torch.outer(positions.float(), frequencies)[:, None, None]

    queries = torch.randn(sum(lengths), 2, 8, generator=torch.Generator().manual_seed(1))
    positions = torch.from_numpy(batch.position_ids)
    expected = _apply_rotary_pos_emb_bshd(queries[:, None], angles(positions))[:, 0]
    for rank in range(context_ranks):
        packed = pack_for_transformer_engine(batch, torch.device("cpu"), rank, context_ranks)
        mine = packed.shard.batch.token_ids
        own_positions = torch.from_numpy(packed.shard.batch.position_ids)[None]
        rotated = _apply_rotary_pos_emb_thd(
            queries[mine],
            packed.packing.cu_seqlens_q_padded,
            angles(packed.packing.rotary_positions(own_positions)),
            cp_group=SimpleNamespace(size=lambda: context_ranks, rank=lambda rank=rank: rank),
        )
        torch.testing.assert_close(rotated, expected[mine], rtol=0, atol=0)


def test_thd_boundaries_of_a_context_parallel_rank():
    segments = [Segment(4, (2,), padding=2), Segment(3, (1,))]
    batch = replace(
        micro_batch_of(segments, 16),
        token_ids=np.arange(16) * 10,
        loss_positions=np.array([3, 4, 10]),
        target_ids=np.array([7, 8, 9]),
        **{name: np.zeros(3) for name in OTHER_LOSS_COLUMNS},
    )
    packed = pack_for_transformer_engine(batch, torch.device("cpu"), 1, 2)

    assert packed.packing.cu_seqlens_q.tolist() == [0, 6, 10, 14]
    assert packed.packing.cu_seqlens_q_padded.tolist() == [0, 8, 12, 16]
    # Of each sequence the second and the third quarter.
    tokens = [2, 3, 4, 5, 9, 10, 13, 14]
    assert (packed.shard.batch.token_ids // 10).tolist() == tokens
    assert packed.packing.loss_positions.tolist() == [tokens.index(p) for p in (3, 4, 10)]
    assert packed.packing.target_ids.tolist() == [7, 8, 9]


def test_thd_refuses_shared_prefixes():
    with pytest.raises(ValueError, match="share_prefix = 'never'"):
        pack_for_transformer_engine(micro_batch_of([Segment(4, (2, 2))], 8), torch.device("cpu"))
