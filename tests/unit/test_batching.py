import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_urpo.batching import (
    PackingLayout,
    branch_loss_weights,
    make_mini_batches,
    pack_mini_batch,
    split_sequences,
)
from megatron_urpo.config import BatchingConfig
from megatron_urpo.types import TaskKind, TrainingGroup

KINDS = list(TaskKind)


def make_group(index, prompt_length, lengths, advantages, kind=TaskKind.REASONING):
    """A group whose token ids name their place: 1000 * group + 100 * branch + position."""
    return TrainingGroup(
        index=index,
        kind=kind,
        prompt_ids=1000 * index + np.arange(prompt_length),
        response_ids=tuple(
            1000 * index + 100 * (b + 1) + np.arange(n) for b, n in enumerate(lengths)
        ),
        rollout_logprobs=tuple(
            -(index + b / 10 + np.arange(n) / 1000).astype(np.float32)
            for b, n in enumerate(lengths)
        ),
        advantages=np.array(advantages, dtype=np.float64),
    )


@st.composite
def training_groups(draw):
    groups = []
    for index in range(draw(st.integers(1, 12))):
        size = draw(st.integers(2, 4))
        lengths = draw(st.lists(st.integers(1, 9), min_size=size, max_size=size))
        flat = draw(st.booleans()) and index > 0
        advantages = [0.0] * size if flat else [1.0, -1.0] + [0.0] * (size - 2)
        kind = draw(st.sampled_from(KINDS))
        groups.append(make_group(index, draw(st.integers(1, 12)), lengths, advantages, kind))
    return groups


def test_packing_by_hand():
    group = make_group(1, 3, [1, 3], [1.0, -1.0])
    (batch,) = pack_mini_batch([group], BatchingConfig(), PackingLayout(pad_multiple=4))
    # The prompt once, then each branch without its last token, then padding.
    assert batch.token_ids.tolist() == [1000, 1001, 1002, 1200, 1201, 0, 0, 0]
    assert batch.position_ids.tolist() == [0, 1, 2, 3, 4, 0, 0, 0]
    assert batch.segments[0].prompt_length == 3
    assert batch.segments[0].branch_lengths == (2,)  # a branch of one token is no input at all
    # Both branches start from the prompt's last token.
    assert batch.loss_positions.tolist() == [2, 2, 3, 4]
    assert batch.target_ids.tolist() == [1100, 1200, 1201, 1202]
    assert batch.branch_indices.tolist() == [0, 1, 1, 1]
    np.testing.assert_allclose(batch.loss_weights, 1 / 4)
    assert batch.advantages.tolist() == [1.0, -1.0, -1.0, -1.0]


@settings(deadline=None)
@given(
    training_groups(),
    st.integers(1, 4),
    st.integers(5, 60),
    st.booleans(),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_every_response_token_is_packed_once(
    groups, ranks, budget, share_prefix, segment_multiple, micro_batch_multiple
):
    config = BatchingConfig(micro_batch_tokens=budget)
    layout = PackingLayout(
        ranks,
        pad_multiple=2,
        segment_multiple=segment_multiple,
        micro_batch_multiple=micro_batch_multiple,
        share_prefix=share_prefix,
    )
    packed = [pack_mini_batch(groups, config, layout, rank) for rank in range(ranks)]
    (count,) = {len(batches) for batches in packed}
    assert count % micro_batch_multiple == 0
    seen: dict[tuple[int, int], list[int]] = {}
    rank_of_group: dict[int, int] = {}
    for rank, batches in enumerate(packed):
        for batch in batches:
            assert len(batch.token_ids) % 2 == 0
            padded = [segment.length + segment.padding for segment in batch.segments]
            assert all(length % segment_multiple == 0 for length in padded)
            assert sum(padded) <= budget or (
                len(batch.segments) == 1 and len(set(batch.branch_indices.tolist())) == 1
            )
            for k in range(batch.num_loss_tokens):
                group = int(batch.group_indices[k])
                assert rank_of_group.setdefault(group, rank) == rank
                seen.setdefault((group, int(batch.branch_indices[k])), []).append(
                    int(batch.target_ids[k])
                )
    expected = {
        (group.index, b): ids.tolist()
        for group in groups
        if group.advantages.any()
        for b, ids in enumerate(group.response_ids)
    }
    assert seen == expected


@settings(deadline=None)
@given(training_groups(), st.integers(5, 60), st.booleans(), st.integers(1, 4))
def test_each_target_is_predicted_from_its_own_context(
    groups, budget, share_prefix, segment_multiple
):
    config = BatchingConfig(micro_batch_tokens=budget)
    layout = PackingLayout(segment_multiple=segment_multiple, share_prefix=share_prefix)
    by_index = {group.index: group for group in groups}
    for batch in pack_mini_batch(groups, config, layout):
        for k in range(batch.num_loss_tokens):
            group = by_index[int(batch.group_indices[k])]
            response = group.response_ids[int(batch.branch_indices[k])]
            context = np.concatenate([group.prompt_ids, response])
            place = len(group.prompt_ids) + response.tolist().index(int(batch.target_ids[k]))
            position = batch.loss_positions[k]
            assert batch.token_ids[position] == context[place - 1]
            assert batch.position_ids[position] == place - 1


def test_values_are_split_by_response():
    groups = [make_group(0, 3, [1, 3], [1.0, -1.0]), make_group(1, 2, [2, 2], [1.0, -1.0])]
    (batch,) = pack_mini_batch(groups, BatchingConfig(), PackingLayout())
    parts = split_sequences(batch, batch.target_ids.astype(np.float32))
    assert sorted(part.tolist() for part in parts) == [
        [100.0],
        [200.0, 201.0, 202.0],
        [1100.0, 1101.0],
        [1200.0, 1201.0],
    ]


def test_rank_without_groups_gets_a_filler():
    group = make_group(0, 4, [3, 2], [1.0, -1.0])
    layout = PackingLayout(data_parallel_size=2, pad_multiple=8)
    (filler,) = pack_mini_batch([group], BatchingConfig(), layout, data_parallel_rank=1)
    assert filler.num_loss_tokens == 0
    assert filler.segments == ()
    assert len(filler.token_ids) == 8


def test_loss_weights_by_hand():
    groups = [
        make_group(0, 2, [1, 3], [1.0, -1.0]),
        make_group(1, 2, [2, 2], [0.0, 0.0], TaskKind.PREFERENCE),  # counts, adds no gradient
    ]

    def weights(**options):
        return [w.tolist() for w in branch_loss_weights(groups, BatchingConfig(**options))]

    assert weights() == [[1 / 8, 1 / 8], [1 / 8, 1 / 8]]
    assert weights(loss_denominator="group_mean") == [[1 / 8, 1 / 8], [1 / 8, 1 / 8]]
    assert weights(loss_denominator="sequence_mean") == [[1 / 4, 1 / 12], [1 / 8, 1 / 8]]
    assert weights(loss_denominator="constant", constant_denominator=10) == [[0.1] * 2] * 2
    assert weights(preference_weight=3.0)[1] == [3 / 8, 3 / 8]


@settings(deadline=None)
@given(training_groups(), st.integers(1, 4))
def test_mini_batches_are_stratified_and_lose_nothing_with_a_gradient(groups, count):
    mini_batches = make_mini_batches(groups, count)
    indices = [group.index for batch in mini_batches for group in batch]
    assert len(indices) == len(set(indices))
    assert {g.index for g in groups if g.advantages.any()} <= set(indices)
    with_gradient = sum(bool(g.advantages.any()) for g in groups)
    if with_gradient >= count:
        for kind in KINDS:
            sizes = [
                sum(g.kind is kind and bool(g.advantages.any()) for g in batch)
                for batch in mini_batches
            ]
            assert max(sizes) - min(sizes) <= 1


def test_batch_without_any_gradient_makes_no_mini_batch():
    assert make_mini_batches([make_group(0, 2, [1, 1], [0.0, 0.0])], 2) == []


def test_a_kl_term_gives_every_group_a_gradient():
    groups = [make_group(0, 2, [1, 1], [0.0, 0.0]), make_group(1, 2, [1, 1], [-1.0, 1.0])]
    assert make_mini_batches(groups, 2) == [[groups[1]]]
    mini_batches = make_mini_batches(groups, 2, kl_beta=0.1)
    assert mini_batches == [[groups[0]], [groups[1]]]

    def loss_tokens(**kl):
        packed = pack_mini_batch(groups, BatchingConfig(), PackingLayout(), **kl)
        return sum(batch.num_loss_tokens for batch in packed)

    assert (loss_tokens(), loss_tokens(kl_beta=0.1)) == (2, 4)


def test_micro_batches_are_even_and_no_more_than_needed():
    def lengths(prompts, budget):
        groups = [make_group(i, n, [1, 1], [1.0, -1.0]) for i, n in enumerate(prompts)]
        config = BatchingConfig(micro_batch_tokens=budget)
        return [len(b.token_ids) for b in pack_mini_batch(groups, config, PackingLayout())]

    assert lengths([10, 9, 2, 1], 20) == [11, 11]
    assert lengths([1, 30, 10, 9], 20) == [30, 30, 20]  # each branch longer than the budget
    # The emptiest first would end with 6 + 4 + 4.
    assert lengths([6, 6, 4, 4, 4], 12) == [12, 12]


def test_ranks_are_balanced_by_tokens():
    groups = [make_group(k, 10, [n, n], [1.0, -1.0]) for k, n in enumerate((40, 30, 20, 10))]
    loads = [
        sum(
            len(b.token_ids) for b in pack_mini_batch(groups, BatchingConfig(), PackingLayout(2), r)
        )
        for r in range(2)
    ]
    assert loads[0] == pytest.approx(loads[1], rel=0.05)
