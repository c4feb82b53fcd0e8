"""Records of tests go through JSON unchanged."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.code_tests.records import (
    AssertTests,
    CallCase,
    CallTests,
    CheckTests,
    CodeResult,
    StdioCase,
    StdioTests,
    read_tests,
    write_tests,
)

TEXT = st.text(max_size=20)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
TESTS = st.one_of(
    st.builds(StdioTests, st.lists(st.builds(StdioCase, TEXT, TEXT), max_size=3).map(tuple)),
    st.builds(CallTests, TEXT, st.lists(st.builds(CallCase, TEXT, TEXTS), max_size=3).map(tuple)),
    st.builds(AssertTests, TEXT, TEXTS, TEXTS),
    st.builds(CheckTests, TEXT, TEXT, TEXT, TEXTS),
)


@given(TESTS)
def test_records_read_back(tests):
    assert read_tests(json.loads(json.dumps(write_tests(tests)))) == tests


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind = 'guess': one of stdio, call, assert, check"):
        read_tests({"kind": "guess"})


def test_share_of_the_tests_passed():
    assert CodeResult(3, 4, None).share == 0.75
