from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.block_sizes import MAX_STRETCH, stretch_tokens


@given(st.integers(1, 20 * MAX_STRETCH))
def test_stretches_are_as_few_as_may_be_and_equal(length):
    tokens = stretch_tokens(length)
    stretches = range(0, length, tokens)
    fewest = -(-length // MAX_STRETCH)
    assert tokens <= MAX_STRETCH
    assert len(stretches) <= fewest
    assert fewest * (tokens - 1) < length  # none could be shorter


def test_nothing_has_no_stretch():
    assert stretch_tokens(0) == 0
