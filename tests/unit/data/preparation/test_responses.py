"""Single responses that cannot be ranked: which ones go, and when the record stays as it is."""

import pytest

from megatron_urpo.data.preparation.responses import drop_unusable


@pytest.mark.parametrize(
    ("responses", "truth", "kept"),
    [
        (["a", "b", "c"], [1, 2, 3], [0, 1, 2]),
        (["a", " ", "c"], [1, 2, 3], [0, 2]),
        (["a", "b", "c"], [1, None, 3], [0, 2]),
        (["a", "b", "a\n"], [1, 2, 1], [0, 1]),  # the same text and quality
        (["a", "b", " a", "c"], [1, 2, 3, 4], [1, 3]),  # which of the two is right?
        (["a", "b", "a", "c"], [1, 2, None, 4], [1, 3]),
        (["a", ""], [1, 2], [0, 1]),
        (["a", "a", ""], [1, 1, 0], [0, 1, 2]),
        (["a", "b", None], [1, 2, 3], [0, 1, 2]),  # malformed
        (["a", "b", ""], [1, 2], [0, 1, 2]),  # malformed
    ],
)
@pytest.mark.parametrize("name", ["truth", "rank"])
def test_drop_unusable(responses, truth, kept, name):
    record = {"responses": list(responses), name: list(truth)}
    assert drop_unusable(record) == len(responses) - len(kept)
    assert record["responses"] == [responses[number] for number in kept]
    assert record[name] == [truth[number] for number in kept if number < len(truth)]


def test_records_of_another_form_are_left_alone():
    for record in ({}, {"responses": 3, "truth": []}, {"responses": []}):
        assert drop_unusable(record) == 0
