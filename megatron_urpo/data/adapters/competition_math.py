r"""The MATH data set: {"problem", "solution": "... \boxed{...}"}, or with "answer" (MATH-500)."""

from __future__ import annotations

from megatron_urpo import _core
from megatron_urpo.data.adapters.rows import Record, Row, RowError, ask_for_box, text
from megatron_urpo.data.jsonl import excerpt


def math_record(row: Row) -> Record:
    """A problem; its answer is the field of that name, else what the solution has boxed last."""
    if row.get("answer") is not None:
        answer: str | None = text(row, "answer")
    else:
        solution = text(row, "solution")
        answer = _core.last_boxed(solution)
        if answer is None or not answer.strip():
            raise RowError(f"solution = {excerpt(solution)}: no answer in \\boxed{{}}")
    return {"prompt": ask_for_box(text(row, "problem")), "answers": [answer]}
