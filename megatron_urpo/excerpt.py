"""Values in messages."""

from __future__ import annotations


def excerpt(value: object, limit: int = 60) -> str:
    """A value as it is shown in messages."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
