r"""berkeley-nest/Nectar: a conversation in one text and seven ranked answers.

    {"prompt": "\n\nHuman: Name a fruit. \n\nAssistant: ",
     "answers": [{"answer": "Fig", "model": "gpt-4", "rank": 1.0}, ...], ...}

Rank 1 is the best; ranks are written as whole numbers or with a decimal point.
"""

from __future__ import annotations

import re

from megatron_urpo.data.adapters.rows import (
    Record,
    Row,
    RowError,
    number,
    objects,
    qualities,
    response,
    text,
)
from megatron_urpo.excerpt import excerpt

_SPEAKER = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def nectar_record(row: Row) -> Record:
    """The conversation, its answers, and their ranks."""
    answers = objects(row, "answers")
    return {
        "messages": split_dialogue(text(row, "prompt")),
        "responses": [response(answer, "answer") for answer in answers],
        "rank": qualities(answers, lambda answer: number(answer, "rank")),
    }


def split_dialogue(prompt: str) -> list[Record]:
    """The turns of a text that ends where the assistant is to speak.

    Raises:
        RowError: the text does not begin with a speaker, or does not end with an open turn of the
            assistant.
    """
    first, *spoken = _SPEAKER.split(prompt)
    if first or not spoken:
        raise RowError(f"prompt = {excerpt(prompt)}: does not begin with 'Human:'")
    turns = [
        {"role": _ROLES[speaker], "content": content.strip()}
        for speaker, content in zip(spoken[::2], spoken[1::2], strict=True)
    ]
    last = turns.pop()
    if last != {"role": "assistant", "content": ""}:
        raise RowError(f"prompt = {excerpt(prompt[-60:])}: does not end with an open 'Assistant:'")
    return turns
