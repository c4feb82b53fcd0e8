"""Preparation files and rows for the tests of this directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[4]
MODEL = REPOSITORY / ".cache" / "models" / "SmolLM2-135M-Instruct"


@pytest.fixture
def write_rows(tmp_path):
    """Writes rows as JSON Lines; a text is a line as it is."""

    def write(name: str, rows) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def model_path() -> str:
    return str(MODEL)
