"""The test cases of math-verify and lighteval as cases for `benchmarks.answers`.

    git clone https://github.com/huggingface/Math-Verify; git clone https://github.com/huggingface/lighteval
    python -m benchmarks.public_suites Math-Verify/tests lighteval/tests/unit/metrics > cases.jsonl
    python -m benchmarks.answers cases.jsonl

Taken is what `pytest.mark.parametrize` gives as a gold answer, a response and the verdict, without
being executed: rows of literals, each once. Left out, and counted on standard error, are rows with
another argument (a language, a strictness, another precision than the library's own of 6 places)
and rows that a program computes.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOLD, RESPONSE = "gold", "pred"
VERDICTS = frozenset({"expected", "result"})
DEFAULTS = {"precision": 6}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a parametrized test: its place, and its values by name where they are literals."""

    place: str
    values: dict[str, Any] | None


def parametrized_rows(file: Path) -> Iterator[Row]:
    """Rows of the tests in `file` that have a gold answer and a response among their arguments."""
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("parametrize"):
            continue
        names = _names(node.args[0])
        if not {GOLD, RESPONSE} <= set(names) or not isinstance(node.args[1], ast.List):
            continue
        for row in node.args[1].elts:
            try:
                values = dict(zip(names, ast.literal_eval(row), strict=True))
            except ValueError:  # calls, f-strings, names: literal_eval reads none of them
                values = None
            yield Row(f"{file.name}:{row.lineno}", values)


def as_case(row: Row) -> dict[str, Any] | None:
    """A line for `benchmarks.answers`, or None where the row asks for more than a verdict."""
    if row.values is None:
        return None
    verdicts = [name for name in row.values if name in VERDICTS]
    others = {
        name: value
        for name, value in row.values.items()
        if name not in {GOLD, RESPONSE, *verdicts} and DEFAULTS.get(name) != value
    }
    if len(verdicts) != 1 or others:
        return None
    return {
        "gold": row.values[GOLD],
        "response": row.values[RESPONSE],
        "label": int(row.values[verdicts[0]]),
        "place": row.place,
    }


def _names(argument: ast.expr) -> list[str]:
    names = ast.literal_eval(argument)
    return [name.strip() for name in (names.split(",") if isinstance(names, str) else names)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directories", nargs="+", type=Path, help="of tests")
    rows = [
        row
        for directory in parser.parse_args().directories
        for file in sorted(directory.rglob("test_*.py"))
        for row in parametrized_rows(file)
    ]
    cases: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        case = as_case(row)
        if case is not None:
            cases.setdefault((case["gold"], case["response"]), case)
    for case in cases.values():
        print(json.dumps(case, ensure_ascii=False))
    print(f"{len(cases)} cases of {len(rows)} rows", file=sys.stderr)


if __name__ == "__main__":
    main()
