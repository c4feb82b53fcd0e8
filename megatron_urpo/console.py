"""Lines for whoever watches a run."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Puts a line on stderr in one piece.

    The ranks of a torchrun share a pipe and write to it unbuffered. print() writes its newline by
    itself, so that two ranks that end together put both messages on one line.
    """
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
