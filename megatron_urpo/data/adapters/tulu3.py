"""allenai/tulu-3-sft-mixture: {"id", "messages": [{"role", "content"}, ...], "source"}."""

from __future__ import annotations

from megatron_urpo.data.adapters.rows import Record, Row, turns


def tulu3_record(row: Row) -> Record:
    """A conversation that ends with the assistant's turn: a demonstration."""
    return {"messages": turns(row, "messages")}
