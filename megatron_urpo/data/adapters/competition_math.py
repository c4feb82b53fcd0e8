r"""The MATH data set: {"problem", "solution": "... \boxed{...}"}, or with "answer" (MATH-500)."""

from __future__ import annotations

import re

from megatron_urpo import _core
from megatron_urpo.data.adapters.rows import Record, Row, RowError, text
from megatron_urpo.data.answer_requests import ask_for_box
from megatron_urpo.excerpt import excerpt

_BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])")


def math_record(row: Row) -> Record:
    """A problem; its answer is the field of that name, else what the solution has boxed last."""
    if row.get("answer") is not None:
        answer: str | None = text(row, "answer")
    else:
        solution = text(row, "solution")
        answer = _core.final_answer(solution) if _BOX.search(solution) else None
        if not answer:
            raise RowError(f"solution = {excerpt(solution)}: no answer in \\boxed{{}}")
    return {"prompt": ask_for_box(text(row, "problem")), "answers": [answer]}
