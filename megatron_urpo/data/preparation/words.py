"""Text as words, for comparisons that case must not decide, nor, unless asked to, symbols."""

from __future__ import annotations

import re
import unicodedata

from megatron_urpo.data.preparation.latex import without_latex

# Scripts written without spaces count by character.
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\u0e00-\u0e7f"
_WORD_PATTERN = f"[{_IDEOGRAPHS}]|[^\\W_{_IDEOGRAPHS}]+"
_WORD = re.compile(_WORD_PATTERN)
_TOKEN = re.compile(f"{_WORD_PATTERN}|\\S")


def split_words(text: str) -> list[str]:
    """Runs of letters and digits, in lower case and compatibility form (NFKC), LaTeX removed."""
    return _WORD.findall(without_latex(_normalise(text)))


def split_tokens(text: str) -> list[str]:
    """The words of split_words with every other character that is not white space between them.

    For comparisons in which C and C++, or x > 5 and x < 5, are different things.
    """
    return _TOKEN.findall(_normalise(text))


def _normalise(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return text.lower()
