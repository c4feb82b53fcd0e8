r"""Duplicates among all rows of a kind: exact ones by a hash, near ones by MinHash and banding.

The first of several equal rows stays, in the order of the sources and of their rows.

Exact: the same conversation, white space apart, and for preferences the same set of responses.
Problems are compared without the requests for the form of their answers (answer_requests), which
differ from one data set to the next.
Near: the sets of sequences of 5 words or symbols of the texts have a Jaccard similarity of at least
the threshold, as 120 MinHash values (rensa) estimate it, with a standard error of 0.04 at 0.8.
Candidates are rows that agree in one of 20 bands of 6 values: a pair of similarity 0.8 is one with
probability 0.998.
Of a preference's conversation no more sequences are taken than its responses have, so that other
responses to the same long conversation are another row.
A row is left out when it is like an earlier one, itself left out or not. Problems whose answers or
tests differ are never near duplicates: texts that differ in a number are different problems. 0.5
and \frac12 do not differ.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from megatron_urpo import _core
from megatron_urpo.data.answer_requests import strip_requests
from megatron_urpo.data.preparation.filters import task_texts
from megatron_urpo.data.preparation.words import split_tokens
from megatron_urpo.types import PreferenceTask, ReasoningTask, Task

BANDS, BAND_VALUES = 20, 6
NUM_VALUES = BANDS * BAND_VALUES
SHINGLE_TOKENS = 5
_SEED = 1
_PAIRS_AT_A_TIME = 20_000
_CHARACTERS_AT_A_TIME = 1 << 20  # the sequences of a character take up to 80 bytes
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

UInt32Array = npt.NDArray[np.uint32]
UInt64Array = npt.NDArray[np.uint64]
Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """What is compared of R rows."""

    contents: UInt64Array  # (R, 2) equal for exact duplicates
    groups: UInt64Array  # (R,) near duplicates have the same one
    prompts: UInt64Array  # (R,) equal for equal conversations, whatever the responses
    signatures: UInt32Array  # (R, NUM_VALUES)


def fingerprint(tasks: Sequence[Task]) -> Fingerprints:
    """The fingerprints of some tasks."""
    contents = [_digest(*_content(task), size=16) for task in tasks]
    groups = [_digest(_answer(task), size=8) for task in tasks]
    prompts = [_digest(*_conversation(task), size=8) for task in tasks]
    signatures = []
    for some in _in_portions(tasks):
        shingles = [_shingles(task) for task in some]
        signatures += RMinHash.digests_from_token_sets(shingles, NUM_VALUES, _SEED)
    return Fingerprints(
        np.frombuffer(b"".join(contents), dtype=np.uint64).reshape(len(tasks), 2),
        np.frombuffer(b"".join(groups), dtype=np.uint64),
        np.frombuffer(b"".join(prompts), dtype=np.uint64),
        np.array(signatures, dtype=np.uint32).reshape(len(tasks), NUM_VALUES),
    )


def exact_duplicates(contents: UInt64Array) -> Int64Array:
    """For each row the first row with equal content, -1 for the first itself.

    Args:
        contents: (R, 2).
    """
    if not len(contents):
        return np.zeros(0, dtype=np.int64)
    _, first, inverse = np.unique(contents, axis=0, return_index=True, return_inverse=True)
    earlier = first[inverse.reshape(-1)].astype(np.int64)
    earlier[earlier == np.arange(len(contents))] = -1
    return earlier


def near_duplicates(
    signatures: UInt32Array, groups: UInt64Array, threshold: float
) -> tuple[Int64Array, Float64Array]:
    """For each row the first earlier row found to be like it (-1: none), and their similarity.

    Args:
        signatures: (R, NUM_VALUES), may be mapped from a file.
        groups: (R,) rows of different groups are not compared.
        threshold: of the estimated Jaccard similarity.
    """
    count = len(signatures)
    earlier = np.full(count, count, dtype=np.int64)
    for rows, others in _candidate_pairs(signatures, groups):
        alike = _similarity(signatures, rows, others) >= threshold
        np.minimum.at(earlier, rows[alike], others[alike])
    found = np.flatnonzero(earlier < count)
    similarity = np.zeros(count)
    for part in np.array_split(found, max(1, len(found) // _PAIRS_AT_A_TIME)):
        similarity[part] = _similarity(signatures, part, earlier[part])
    earlier[earlier == count] = -1
    return earlier, similarity


def _similarity(signatures: UInt32Array, rows: Int64Array, others: Int64Array) -> Float64Array:
    """Estimated Jaccard similarity of pairs of rows, (P,)."""
    return np.count_nonzero(signatures[rows] == signatures[others], axis=1) / NUM_VALUES


def _candidate_pairs(
    signatures: UInt32Array, groups: UInt64Array
) -> Iterator[tuple[Int64Array, Int64Array]]:
    """Pairs (row, earlier row) that agree in a band: with the band's first row, and the one before.

    All pairs of a band would be quadratic where many rows are alike.
    """
    for band in range(BANDS):
        values = signatures[:, band * BAND_VALUES : (band + 1) * BAND_VALUES]
        key = groups.copy()
        for column in range(BAND_VALUES):
            key = (key ^ values[:, column]) * _MULTIPLIER
            key ^= key >> np.uint64(29)
        order = np.argsort(key, kind="stable")
        key = key[order]
        starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
        first = order[np.repeat(starts, np.diff([*starts, len(order)]))]
        previous = np.concatenate([order[:1], order[:-1]])
        inside = order != first
        pairs = np.stack([np.tile(order[inside], 2), np.r_[first[inside], previous[inside]]])
        pairs = np.unique(pairs, axis=1)
        for begin in range(0, pairs.shape[1], _PAIRS_AT_A_TIME):
            chunk = pairs[:, begin : begin + _PAIRS_AT_A_TIME]
            yield chunk[0], chunk[1]


def _conversation(task: Task) -> Iterator[str]:
    for turn in task.messages:
        text = strip_requests(turn.content) if isinstance(task, ReasoningTask) else turn.content
        yield f"{turn.role}:{' '.join(text.split())}"


def _content(task: Task) -> Iterator[str]:
    yield from _conversation(task)
    if isinstance(task, PreferenceTask):
        yield from sorted(" ".join(response.split()) for response in task.responses)


def _answer(task: Task) -> str:
    """The answer, or the tests, that two near duplicates have in common."""
    if not isinstance(task, ReasoningTask):
        return ""
    return _core.canonical_answer(task.gold[0]) if task.gold else repr(task.tests)


def _digest(*parts: str, size: int) -> bytes:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=size).digest()


def _in_portions(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    portion: list[Task] = []
    characters = 0
    for task in tasks:
        portion.append(task)
        characters += sum(map(len, task_texts(task)))
        if characters >= _CHARACTERS_AT_A_TIME:
            yield portion
            portion, characters = [], 0
    yield portion


def _shingles(task: Task) -> list[str]:
    if isinstance(task, ReasoningTask):
        return _sequences(strip_requests(text) for text in task_texts(task))
    if not isinstance(task, PreferenceTask):
        return _sequences(task_texts(task))
    conversation = set(_sequences(turn.content for turn in task.messages))
    responses = set(_sequences(task.responses))
    # The smallest hashes: of conversations that are alike, the same sequences.
    by_hash = sorted(conversation, key=lambda sequence: zlib.crc32(sequence.encode()))
    return [*responses, *by_hash[: len(responses)]]


def _sequences(texts: Iterable[str]) -> list[str]:
    found = []
    for text in texts:
        tokens = split_tokens(text)
        if len(tokens) <= SHINGLE_TOKENS:
            found.append(" ".join(tokens))
        else:
            found += map(" ".join, zip(*(tokens[i:] for i in range(SHINGLE_TOKENS)), strict=False))
    return found
