"""Is what a program wrote, or a function returned, what was expected?

Runs outside the sandbox. Texts are compared line by line and word by word; blank space at the ends
of lines and blank lines at the beginning and the end say nothing. A number where a decimal fraction
was expected may differ by one part in a million, or by 10^-6 as long as that is not most of it; a
whole number may be written as a fraction, 9 as 9.0. Everything else has to be the same.

LiveCodeBench's judge, which Skywork-OR1 uses, compares numbers as exact decimals, so that 9.0 is 9
there too; checkers of contests (testlib) allow 10^-6, absolute or relative.
"""

from __future__ import annotations

import math
import re
from typing import Any

_TOLERANCE = 1e-6
_ROUNDING_ERROR = 1e-12  # of a value that is zero by rights, as sin(pi)
# Possessive, because a long number that is none would take quadratic time.
_NUMBER = re.compile(r"[+-]?(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?\d++)?", re.ASCII)


def same_output(written: str, expected: str) -> bool:
    """Whether a program wrote what was expected."""
    mine, wanted = _lines(written), _lines(expected)
    if len(mine) != len(wanted):
        return False
    if mine == wanted:
        return True
    return all(map(_same_line, mine, wanted))


def _lines(text: str) -> list[str]:
    return text.strip().splitlines()


def _same_line(mine: str, wanted: str) -> bool:
    if mine == wanted:
        return True
    words, wanted_words = mine.split(), wanted.split()
    return len(words) == len(wanted_words) and all(map(_same_word, words, wanted_words))


def _same_word(mine: str, wanted: str) -> bool:
    if mine == wanted:
        return True
    if not _NUMBER.fullmatch(mine):
        return False
    if not _is_fraction(wanted):
        whole, point, zeros = mine.partition(".")
        return whole == wanted and point == "." and not zeros.strip("0")
    # What is too large for a float would be infinite, and equal to all that is.
    return math.isfinite(float(wanted)) and _close(float(mine), float(wanted))


def _is_fraction(word: str) -> bool:
    return _NUMBER.fullmatch(word) is not None and any(mark in word for mark in ".eE")


def same_result(returned: Any, expected: Any) -> bool:
    """Whether a function returned the JSON value that was expected.

    A tuple is as good as a list, and a key as good as its text: JSON has no more. True is not 1.
    """
    if isinstance(expected, bool) or expected is None or isinstance(expected, str):
        return type(returned) is type(expected) and returned == expected
    if isinstance(expected, float):
        number = type(returned) in (int, float)
        return number and (returned == expected or _close(returned, expected))
    if isinstance(expected, int):
        return type(returned) in (int, float) and returned == expected
    if isinstance(expected, list):
        return (
            type(returned) in (list, tuple)
            and len(returned) == len(expected)
            and all(map(same_result, returned, expected))
        )
    if type(returned) is not dict or len(returned) != len(expected):
        return False
    by_text = {str(key): value for key, value in returned.items()}
    return by_text.keys() == expected.keys() and all(
        same_result(by_text[key], value) for key, value in expected.items()
    )


def _close(mine: float, wanted: float) -> bool:
    # Of a small value the absolute tolerance would be all of it, and 0 right for every one.
    allowed = min(_TOLERANCE, max(abs(wanted) / 2, _ROUNDING_ERROR)) if wanted else _TOLERANCE
    try:
        return math.isclose(mine, wanted, rel_tol=_TOLERANCE, abs_tol=allowed)
    except OverflowError:  # a whole number that no float comes near
        return False
