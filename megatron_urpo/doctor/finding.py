"""What a check of `urpo doctor` reports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(str, Enum):
    """How a check went; only FAILURE keeps a run from working."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    name: str
    status: Status
    detail: str
    remedy: str = ""  # a command or a sentence; empty when there is nothing to mend
