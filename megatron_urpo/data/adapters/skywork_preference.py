"""Skywork/Skywork-Reward-Preference-80K-v0.2: two conversations that differ in their last turn.

    {"chosen": [{"role", "content"}, ...], "rejected": [{"role", "content"}, ...], "source"}

Version 0.2 is version 0.1 without the pairs that overlap RewardBench.
"""

from __future__ import annotations

from megatron_urpo.data.adapters.rows import Record, Row, RowError, turns
from megatron_urpo.excerpt import excerpt


def skywork_preference_record(row: Row) -> Record:
    """The common conversation, the chosen and the rejected answer to it."""
    chosen, rejected = turns(row, "chosen"), turns(row, "rejected")
    if chosen[:-1] != rejected[:-1]:
        raise RowError("chosen and rejected answer different conversations")
    for name, conversation in (("chosen", chosen), ("rejected", rejected)):
        role = conversation[-1]["role"]
        if role != "assistant" or len(conversation) < 2:
            raise RowError(f"{name} ends with a turn of {excerpt(role)}: not an answer to a prompt")
    return {
        "messages": chosen[:-1],
        "responses": [chosen[-1]["content"], rejected[-1]["content"]],
        "truth": [1, 0],
    }
