import pytest

from megatron_urpo.evaluation.comparison import paired_difference
from megatron_urpo.evaluation.items import EvaluationItem


def items(**values):
    return [EvaluationItem("s", key, {"m": value}, "") for key, value in values.items()]


def test_only_items_that_both_measured_count():
    ours = [*items(a=1.0, b=0.5, c=9.0), EvaluationItem("s", "d", {}, "")]
    theirs = [*items(b=0.0, a=1.0), EvaluationItem("s", "d", {"m": 5.0}, "")]
    difference = paired_difference("m", ours, theirs)
    assert difference.mean == pytest.approx(0.25)
    assert difference.items == 2
    assert (difference.low, difference.high) == (0.0, 0.5)


def test_the_same_key_of_another_source_is_another_item():
    theirs = [EvaluationItem("other", "a", {"m": 1.0}, "")]
    assert paired_difference("m", items(a=1.0), theirs) is None
