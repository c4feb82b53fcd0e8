"""What a worker of rewards.math_answer runs: the math-verify library on one answer.

Only LaTeX is parsed (by a grammar): math-verify's own expression parser hands text to SymPy's
parse_expr, which evaluates Python. The library's timeouts are off; the pool keeps the time.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import Any, TypedDict

from math_verify import LatexExtractionConfig, parse, verify

logging.getLogger("math_verify").setLevel(logging.CRITICAL)
logging.getLogger("latex2sympy2_extended").setLevel(logging.CRITICAL)

_MATH_DELIMITER = re.compile(r"(?<!\\)\$")
_BOX_COMMAND = re.compile(r"\\(?:fbox|boxed)")
# The box or nothing: else the library goes on to look for a fraction somewhere inside of it, and
# takes for units, and drops, whatever text ends it.
_LATEX = (
    LatexExtractionConfig(
        try_extract_without_anchor=False,
        boxed_match_priority=0,
        normalization_config=replace(LatexExtractionConfig().normalization_config, units=False),
    ),
)
# What SymPy raises on input it was not made for.
_LIBRARY_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


class EquivalenceJob(TypedDict):
    """Is the answer equivalent to one of the golds? All are contents of a box."""

    answer: str
    golds: list[str]


def judge(job: EquivalenceJob) -> str:
    """Say "correct", "wrong", or "error": it cannot compare them, or cannot read a gold.

    An answer that cannot be read is wrong: else a policy could have its group left out by it.
    """
    try:
        golds = [_parsed(gold) for gold in job["golds"]]
    except _LIBRARY_ERRORS:
        return "error"
    try:
        answer = _parsed(job["answer"])
    except _LIBRARY_ERRORS:
        return "wrong"
    try:
        if any(
            verify(gold, answer, timeout_seconds=None, raise_on_error=True)
            for gold in golds
            if gold and answer
        ):
            return "correct"
    except _LIBRARY_ERRORS:
        return "error"
    return "wrong" if all(golds) else "error"


def _parsed(content: str) -> list[Any]:
    # Between dollar signs the library looks for another answer inside of the box.
    content = _MATH_DELIMITER.sub(" ", content)
    if _BOX_COMMAND.search(content) or not _is_one_group(content):
        return []
    return parse(
        f"\\boxed{{{content}}}",
        extraction_config=_LATEX,
        fallback_mode="no_fallback",
        extraction_mode="first_match",
        parsing_timeout=None,
        raise_on_error=True,
    )


def _is_one_group(content: str) -> bool:
    """Whether the library, which counts escaped braces as well, finds its end where it is."""
    depth = 0
    for character in content:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0
