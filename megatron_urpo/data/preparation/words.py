"""Text as words, for comparisons that punctuation, case and markup must not decide."""

from __future__ import annotations

import re
import unicodedata

# Scripts written without spaces count by character.
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\u0e00-\u0e7f"
_WORD = re.compile(f"[{_IDEOGRAPHS}]|[^\\W_{_IDEOGRAPHS}]+")


def split_words(text: str) -> list[str]:
    """Runs of letters and digits, in lower case and compatibility form (NFKC)."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _WORD.findall(text.lower())
