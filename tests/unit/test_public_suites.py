"""The cases of other projects' tests, read without running them."""

from __future__ import annotations

from pathlib import Path

from benchmarks.public_suites import as_case, parametrized_rows

SUITE = r"""
import math
import pytest

@pytest.mark.parametrize("gold, pred, expected", [
    (r"$\frac12$", "so it is $0.5$", 1),
    (f"{math.sqrt(2)}", "$\\sqrt2$", 1),
    ("$4$", "$5$", 0),
])
def test_plain(gold, pred, expected): ...

@pytest.mark.parametrize(
    ["gold", "pred", "result", "precision"], [("1/3", "0.333", 1, 3), ("2", "2", 1, 6)])
def test_precision(gold, pred, result, precision): ...

@pytest.mark.parametrize("pred, expected", [("A", ["A"])])
def test_extraction(pred, expected): ...
"""


def test_rows_that_ask_for_a_verdict_alone_are_cases(tmp_path: Path) -> None:
    file = tmp_path / "test_suite.py"
    file.write_text(SUITE)
    cases = [as_case(row) for row in parametrized_rows(file)]
    assert cases == [
        {
            "gold": r"$\frac12$",
            "response": "so it is $0.5$",
            "label": 1,
            "place": "test_suite.py:6",
        },
        None,  # computed
        {"gold": "$4$", "response": "$5$", "label": 0, "place": "test_suite.py:8"},
        None,  # another precision
        {"gold": "2", "response": "2", "label": 1, "place": "test_suite.py:13"},
    ]
