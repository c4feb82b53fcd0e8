"""What counts as the output, or the result, that was expected."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.rewards.code_compare import same_output, same_result


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("3\n", "3"),
        ("3 \n\n\n", "3\n"),
        ("\n9\n", "9"),
        ("9", "\n \n9"),
        ("  1\n 2", "1\n2"),
        ("1 2\n3\n", "1  2\n3"),
        ("a\r\nb", "a\nb"),
        ("", "\n"),
        ("0.3333333", "0.33333333333"),
        ("1", "1.0"),
        ("1e3", "1000.0"),
        ("-0.0", "0.0"),
        ("100000001.0", "100000000.0"),
        ("9.0\n0.5", "9\n0.5"),  # all printed alike, as most programs do
        ("9.000 0.5", "9 0.5"),
        ("9.0", "9"),
        ("-12. 3", "-12 3"),
        ("0.000001", "0.0000015"),
        ("0.000123", "0.000123456789"),
        ("0.0000000010000001", "1e-9"),
        ("0.0", "1.2246467991473532e-16"),  # the reference's rounding error
        ("1e-7", "0.0"),
        ("1.1 10e4 1e400", "1.10 1e5 1e400"),
    ],
)
def test_outputs_that_are_right(written, expected):
    assert same_output(written, expected)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", "3"),
        ("3\n4", "3"),
        ("3", "3\n4"),
        ("3 4", "3\n4"),
        ("34", "3 4"),
        ("YES", "Yes"),
        ("3.1", "3"),
        ("3.0000001", "3"),
        ("v3.0", "v3"),
        ("3.0", "three"),
        ("0", "1e-9"),
        ("0.000000", "0.000000001"),
        ("-1e-9", "1e-9"),
        ("2e-7", "1e-7"),
        ("0.5 0", "0.5 4e-8"),
        ("100000001", "100000000"),
        ("9.1\n0.5", "9\n0.5"),
        ("9e0\n0.5", "9\n0.5"),
        ("100000001.0 0.5", "100000000 0.5"),
        ("9e999", "1e400"),
        ("0.3334", "0.33333333333"),
        ("nan", "0.5"),
        ("inf", "0.5"),
        ("1_0.0", "10.0"),
        ("0x1.8", "1.5"),
        ("٣.0", "3.0"),
        ("3 or 4", "3"),
        ("3\n\n4", "3\n4"),
        ("1.5.2", "1.5"),
    ],
)
def test_outputs_that_are_wrong(written, expected):
    assert not same_output(written, expected)


BLANK = st.text(" \t\r\n", max_size=4)


@given(BLANK, BLANK, BLANK)
def test_blank_lines_around_say_nothing(before, after, other):
    assert same_output(f"{before}3 4\n5{after}", f"{other}3  4\n5")
    assert same_output("3 4\n5", f"{before}3  4\n5{other}")
    assert same_output(before, after)


def test_a_long_number_that_is_none():
    """Looked through once; by trying every split of it this would take days."""
    assert not same_output("1" * 3_000_000 + "x", "0.5")
    assert not same_output("1" * 3_000_000 + ".x", "0.5")


@given(st.floats(min_value=1e-11, max_value=1e300), st.sampled_from([1, -1]))
def test_zero_is_near_no_other_number(size, sign):
    assert not same_output("0", repr(sign * size))
    assert not same_result(0.0, sign * size)


@given(st.integers())
def test_a_whole_number_may_be_written_as_a_fraction_and_no_other_may(number):
    assert same_output(f"{number}.00", str(number))
    assert not same_output(f"{number + 1}.00", str(number))
    assert not same_output(f"{number}.01", str(number))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
)


@given(JSON)
def test_a_result_is_the_same_as_itself(value):
    assert same_result(value, json.loads(json.dumps(value)))


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ((1, (2,)), [1, [2]]),
        ({1: "a"}, {"1": "a"}),
        (2, 2.0),
        (2.0, 2),
        (0.1 + 0.2, 0.3),
        ([0.1 + 0.2], [0.3]),
    ],
)
def test_results_that_are_right(returned, expected):
    assert same_result(returned, expected)


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (1, True),
        (True, 1),
        (0, None),
        (False, 0),
        ("1", 1),
        (1, "1"),
        ([1], [1, 2]),
        ({1, 2}, [1, 2]),
        ({1: "a", "1": "b"}, {"1": "a"}),
        ({"a": 1}, {"b": 1}),
        (float("nan"), 1.0),
        (float("inf"), 1e308),
        (0.31, 0.3),
        (0, 1e-9),
        ([0.0], [1e-7]),
        (10**400, 1e308),
        (3.0000001, 3),
        ("ab", ["a", "b"]),
        (None, []),
        (1j, 1),
    ],
)
def test_results_that_are_wrong(returned, expected):
    assert not same_result(returned, expected)
