"""Largest remainders; what rounding carries to the next batch is tested with the mixture."""

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.data.apportionment import Apportionment

weights = st.lists(st.sampled_from([0.0, 0.1, 0.3, 1.0, 2.0, 7.5]), min_size=1, max_size=5)


@given(weights.filter(any), st.integers(0, 200))
def test_the_first_batch_is_rounded_by_largest_remainders(weights, total):
    named = {f"kind {index}": weight for index, weight in enumerate(weights)}
    exact = [Fraction(str(weight)) for weight in weights]
    shares = [total * weight / sum(exact) for weight in exact]
    expected = [math.floor(share) for share in shares]
    places = sorted(range(len(shares)), key=lambda place: expected[place] - shares[place])
    for place in places[: total - sum(expected)]:
        expected[place] += 1
    assert list(Apportionment().deal(total, named).values()) == expected


def test_weights_are_decimal_numbers():
    """A tenth three times is as much as 0.3, which it is not in floating point."""
    weights = {"a": 0.3, "b": 0.1, "c": 0.1, "d": 0.1}
    assert Apportionment().deal(3, weights) == {"a": 2, "b": 1, "c": 0, "d": 0}
