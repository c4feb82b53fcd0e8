"""Rows that overlap an evaluation set, found by the word sequences they share with it.

A row is contaminated if any of its texts (prompt, responses, answers) shares a sequence of n words
with a question of an evaluation set; n = 13 is GPT-3's choice (Brown et al. 2020, appendix C).
Words are runs of letters and digits, so that case, punctuation and the spelling of formulas
(latex.py) do not matter.

- Requests for the form of an answer are no part of a question or of a text (answer_requests).
- A question of fewer than n but at least 6 words is looked for as a whole inside a text; one of 3
  to 5 words at its beginning and at its end; any question as the whole of a text.
- A sequence found in more than 10 different questions is a phrase of their format ("let's think
  step by step and output the final answer within \\boxed"), not content, and is not looked for.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from megatron_urpo.data.answer_requests import strip_requests
from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.preparation.raw_rows import read_files
from megatron_urpo.data.preparation.words import split_words

SHORTEST_INSIDE = 6  # words of a question that is looked for inside longer texts
SHORTEST_AT_ENDS = 3  # words of a question that is looked for at both ends of longer texts
MOST_QUESTIONS = 10  # that share a sequence which is still content

# Where the question stands in a row of an evaluation set, in the order of looking.
_QUESTION_FIELDS = (
    "question",  # GSM8K
    "problem",  # MATH-500, AIME and HMMT (MathArena)
    "instruction",  # AlpacaEval
    "prompt",  # RewardBench (text), AIME in Skywork-OR1's schema (messages), HumanEval
    "conversation_input",  # RMB
    "context_messages",
    "messages",
    "turns",  # MT-Bench
)

UInt64Array = npt.NDArray[np.uint64]
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def question_texts(row: Mapping[str, Any], place: str) -> list[str]:
    """The questions of a row of an evaluation set: one, or each turn of its user.

    Raises:
        DataError: no field of a known schema holds one.
    """
    for name in _QUESTION_FIELDS:
        value = row.get(name)
        if isinstance(value, str):
            return [value]
        if isinstance(value, Sequence) and value:
            texts = [
                turn if isinstance(turn, str) else turn.get("content")
                for turn in value
                if isinstance(turn, str) or turn.get("role") == "user"
            ]
            if texts and all(isinstance(text, str) for text in texts):
                return [str(text) for text in texts]
    raise DataError(
        f"{place}: no question in any of the fields {', '.join(_QUESTION_FIELDS)}: rename the "
        "field that holds it"
    )


class ContaminationIndex:
    """The word sequences of all questions of the evaluation sets."""

    def __init__(self, num_words: int = 13) -> None:
        self.num_words = num_words
        self.num_questions = 0
        self._words: dict[str, int] = {}  # word -> a random-looking 64-bit number, never 0
        self._places: dict[int, dict[int, str]] = {}  # length -> hash of a sequence -> where
        self._whole: dict[bytes, str] = {}  # digest of a question -> where
        self._ends: dict[tuple[int, int], str] = {}  # length and hash of a short one -> where
        self._counts: Counter[tuple[int, int]] = Counter()  # questions by (length, hash)
        self._sorted: dict[int, UInt64Array] = {}

    def add_file(self, path: str) -> int:
        """Adds the questions of an evaluation set; returns how many different ones it brought.

        Raises:
            DataError: a row cannot be read or holds no question.
        """
        before = self.num_questions
        empty = True
        for row in read_files(Path(path)):
            empty = False
            if row.values is None:
                raise DataError(f"{row.place}: {row.problem}: correct the evaluation set")
            for text in question_texts(row.values, row.place):
                self.add(text, row.place)
        if empty:
            raise DataError(f"{path}: the evaluation set is empty: name another file")
        return self.num_questions - before

    def add(self, text: str, place: str) -> None:
        """One question; repetitions of it are passed over."""
        words = split_words(strip_requests(text))
        digest = _digest(words)
        if not words or digest in self._whole:
            return
        self._whole[digest] = place
        self.num_questions += 1
        numbers = np.array([self._number(word) for word in words], dtype=np.uint64)
        length = min(len(words), self.num_words)
        hashes = _sequence_hashes(numbers, [length])[length].tolist()
        if length < min(SHORTEST_INSIDE, self.num_words):
            if length >= SHORTEST_AT_ENDS:
                self._ends.setdefault((length, hashes[0]), place)
            return
        self._counts.update((length, value) for value in set(hashes))
        table = self._places.setdefault(length, {})
        for value in hashes:
            table.setdefault(value, place)
        self._sorted.clear()

    def find(self, texts: Iterable[str]) -> str | None:
        """Where the first question stands that one of the texts overlaps; None without any."""
        if not self.num_questions:
            return None
        if not self._sorted:
            self._sorted = self._content()
        known = self._words.get
        for text in texts:
            words = split_words(strip_requests(text))
            numbers = np.array([known(word, 0) for word in words], dtype=np.uint64)
            place = self._whole.get(_digest(words)) if numbers.all() else None
            place = place or self._find_at_ends(numbers) or self._find_in(numbers)
            if place is not None:
                return place
        return None

    def _find_at_ends(self, numbers: UInt64Array) -> str | None:
        longest = min(len(numbers), SHORTEST_INSIDE - 1)
        if longest < SHORTEST_AT_ENDS:
            return None
        lengths = range(SHORTEST_AT_ENDS, longest + 1)
        first = _sequence_hashes(numbers[:longest], lengths)
        last = _sequence_hashes(numbers[-longest:], lengths)
        for length in lengths:
            for value in (first[length][0], last[length][-1]):
                if place := self._ends.get((length, int(value))):
                    return place
        return None

    def _find_in(self, numbers: UInt64Array) -> str | None:
        count = len(numbers)
        lengths = [length for length in self._sorted if length <= count]
        if not lengths or np.count_nonzero(numbers) < min(lengths):
            return None
        for length, hashes in _sequence_hashes(numbers, lengths).items():
            content = self._sorted[length]
            slots = np.minimum(np.searchsorted(content, hashes), len(content) - 1)
            hits = np.flatnonzero(content[slots] == hashes)
            if len(hits):
                return self._places[length][int(hashes[hits[0]])]
        return None

    def _content(self) -> dict[int, UInt64Array]:
        """Sorted hashes by length, phrases of the format left out."""
        content = {}
        for length, table in sorted(self._places.items(), reverse=True):
            kept = [value for value in table if self._counts[length, value] <= MOST_QUESTIONS]
            if kept:
                content[length] = np.sort(np.array(kept, dtype=np.uint64))
        return content

    def _number(self, word: str) -> int:
        if word not in self._words:
            digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
            self._words[word] = int.from_bytes(digest, "big") | 1
        return self._words[word]


def _digest(words: Sequence[str]) -> bytes:
    return hashlib.blake2b(" ".join(words).encode(), digest_size=16).digest()


def _sequence_hashes(numbers: UInt64Array, lengths: Sequence[int]) -> dict[int, UInt64Array]:
    """Polynomial hashes (modulo 2^64) of all sequences of each length, longest length first."""
    found = {}
    total = numbers.copy()
    for length in range(1, max(lengths) + 1):
        if length > 1:
            total = total[:-1] * _MULTIPLIER + numbers[length - 1 :]
        if length in lengths:
            found[length] = total
    return dict(reversed(found.items()))
