"""OpenRLHF/prompt-collection-v0.1: {"context_messages": [{"role", "content"}, ...], ...}."""

from __future__ import annotations

from megatron_urpo.data.adapters.rows import Record, Row, turns


def prompt_collection_record(row: Row) -> Record:
    """A conversation that ends with a user's turn."""
    return {"messages": turns(row, "context_messages")}
