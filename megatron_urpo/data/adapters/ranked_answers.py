"""Ranked answers of one's own: {"instruction", "input"?, "answers": [{"answer", "rank"}, ...]}."""

from __future__ import annotations

from megatron_urpo.data.adapters.rows import Record, Row, RowError, number, objects, qualities, text
from megatron_urpo.excerpt import excerpt


def ranked_record(row: Row) -> Record:
    """An instruction, with its input where there is one, and N answers; rank 1 is the best."""
    answers = objects(row, "answers")
    context = row.get("input") or ""
    if not isinstance(context, str):
        raise RowError(f"input = {excerpt(context)}: not a text")
    instruction = text(row, "instruction")
    return {
        "prompt": f"{instruction}\n\n{context}" if context.strip() else instruction,
        "responses": [answer.get("answer") for answer in answers],
        "rank": qualities(answers, lambda answer: number(answer, "rank")),
    }
