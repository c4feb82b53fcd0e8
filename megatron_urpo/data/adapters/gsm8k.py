"""openai/gsm8k: {"question", "answer": "... #### 1,024"}."""

from __future__ import annotations

from megatron_urpo.data.adapters.rows import Record, Row, RowError, text
from megatron_urpo.data.answer_requests import ask_for_box
from megatron_urpo.excerpt import excerpt

ANSWER_MARK = "####"


def gsm8k_record(row: Row) -> Record:
    """A problem, its answer without thousands commas."""
    solution = text(row, "answer")
    _, mark, answer = solution.rpartition(ANSWER_MARK)
    answer = answer.strip().replace(",", "")
    if not mark or not answer:
        raise RowError(f"answer = {excerpt(solution)}: nothing after {ANSWER_MARK!r}")
    return {"prompt": ask_for_box(text(row, "question")), "answers": [answer]}
