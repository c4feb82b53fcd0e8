"""Prompts that are held out: on one side only, in all sources, in any order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.data.preparation.held_out import choose_held_out

# Few prompts, so that sources have some in common, each with whether its row is kept.
sources = st.lists(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=40), max_size=4)


def choose(rows_of_sources, count):
    prompts = [np.array([p for p, _ in rows], dtype=np.uint64) for rows in rows_of_sources]
    kept = [np.array([k for _, k in rows], dtype=np.bool_) for rows in rows_of_sources]
    return prompts, kept, choose_held_out(prompts, kept, count)


@given(sources, st.integers(1, 50))
def test_a_prompt_is_on_one_side_and_the_number_is_met(rows_of_sources, count):
    prompts, kept, held = choose(rows_of_sources, count)
    out, training = set(), set()
    for hashes, chosen, held_out in zip(prompts, kept, held, strict=True):
        assert not (held_out & ~chosen).any()
        assert held_out.sum() >= min(count, chosen.sum())
        out |= set(hashes[held_out].tolist())
        training |= set(hashes[chosen & ~held_out].tolist())
    assert not out & training


@given(sources, st.integers(1, 50), st.randoms())
def test_the_order_of_rows_makes_no_difference(rows_of_sources, count, random):
    prompts, _, held = choose(rows_of_sources, count)
    shuffled = [random.sample(rows, len(rows)) for rows in rows_of_sources]
    other_prompts, _, other = choose(shuffled, count)
    for one, two, mask, other_mask in zip(prompts, other_prompts, held, other, strict=True):
        assert sorted(one[mask].tolist()) == sorted(two[other_mask].tolist())


@given(st.lists(st.sets(st.integers(0, 2**64 - 1), min_size=5), min_size=1, max_size=3))
def test_prompts_of_one_row_each_are_held_out_in_just_that_number(sets):
    own = [sorted(prompts - set().union(*sets[:n])) for n, prompts in enumerate(sets)]
    _, _, held = choose([[(prompt, True) for prompt in prompts] for prompts in own], 5)
    assert [mask.sum() for mask in held] == [min(5, len(prompts)) for prompts in own]
    for prompts, mask in zip(own, held, strict=True):
        assert np.array(prompts, np.uint64)[mask].tolist() == prompts[:5]
