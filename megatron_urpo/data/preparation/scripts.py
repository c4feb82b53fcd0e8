"""The script a text is written in, as far as it tells that the text is in none of some languages.

Latin letters tell nothing: formulas, names and code have them in every language. Greek ones are
mostly formulas too, so that only words that cannot be products or labels (αβγ, ΑΒΓ) count.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

# Script, by the first word of its letters' names in Unicode -> languages that use it (ISO 639).
_LANGUAGES = {
    "ARABIC": "ar ary arz az fa ha kk ku ms pa ps sdh ug ur uz uzs",
    "ARMENIAN": "hy",
    "BENGALI": "as bn",
    "BOPOMOFO": "wuu yue zh",
    "CJK": "ja ko wuu yue zh",
    "CYRILLIC": "az ba be bg bs crh kk ky mk mn ru sr tg tk tt uk uz",
    "DEVANAGARI": "gom hi mr ne sa",
    "ETHIOPIC": "am",
    "GEORGIAN": "ka",
    "GREEK": "el grc",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "HANGUL": "ko",
    "HEBREW": "hbo he",
    "HIRAGANA": "ja",
    "KANNADA": "kn",
    "KATAKANA": "ja",
    "KHMER": "km",
    "LAO": "lo",
    "MALAYALAM": "ml",
    "MONGOLIAN": "mn",
    "MYANMAR": "my",
    "ORIYA": "or",
    "SINHALA": "si",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
    "TIBETAN": "dz",
}
_OF_EVERY_LANGUAGE = {"LATIN", "MODIFIER"}
# One letter by itself names something in a formula (x, Δ, ℵ, Ш).
_NAMES_OF_ONE_LETTER = {"LATIN", "GREEK", "HEBREW", "CYRILLIC"}
_SHORTEST_GREEK = 4  # letters of a word without an accent
_WORD = re.compile(r"[^\W\d_]+")


def scripts_of(languages: Iterable[str]) -> frozenset[str]:
    """The scripts, other than Latin, that one of the languages uses."""
    codes = set(languages)
    return frozenset(name for name, users in _LANGUAGES.items() if codes & set(users.split()))


def foreign_script(text: str, known: frozenset[str]) -> str | None:
    """The script of most letters of a text, if it is none of those known; else None."""
    if text.isascii():
        return None
    # Circled and squared letters are symbols: their compatibility forms are letters.
    letters = "".join(c if c.isalpha() or unicodedata.combining(c) else " " for c in text)
    counts: Counter[str] = Counter()
    for word in _WORD.findall(unicodedata.normalize("NFKC", letters)):
        scripts = Counter(map(_script, word))
        if len(word) == 1 and not _NAMES_OF_ONE_LETTER.isdisjoint(scripts):
            continue
        if "GREEK" in scripts and not _is_greek_prose(word, scripts):
            del scripts["GREEK"]
        counts.update(scripts)
    foreign = Counter(
        {name: n for name, n in counts.items() if name not in known | _OF_EVERY_LANGUAGE}
    )
    if 2 * foreign.total() <= counts.total():
        return None
    name = foreign.most_common(1)[0][0]
    return "Han" if name == "CJK" else name.capitalize()


def _is_greek_prose(word: str, scripts: Counter[str]) -> bool:
    if len(scripts) > 1 or word.isupper():
        return False
    return len(word) >= _SHORTEST_GREEK or any(map(unicodedata.decomposition, word))


@lru_cache(maxsize=20_000)
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "UNKNOWN")
    return "CJK" if name.startswith("IDEOGRAPHIC") else re.split(r"[ -]", name)[0]
