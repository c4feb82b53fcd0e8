"""Responses of a preference that cannot be ranked are left out; the others keep their order."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

FEWEST = 2  # responses that make a ranking


def drop_unusable(record: dict[str, Any]) -> int:
    """Takes single responses out of a preference record, and returns how many.

    Those are blank ones, those without a quality (None), and repeated ones: of equal texts with
    equal qualities the first stays, with different ones none. Where fewer than two responses would
    be left the record stays as it is: what is wrong with it is for the filters to say.
    """
    name = "truth" if "truth" in record else "rank"
    responses, qualities = record.get("responses"), record.get(name)
    if not isinstance(responses, list) or not isinstance(qualities, list):
        return 0
    if len(responses) != len(qualities) or not all(isinstance(text, str) for text in responses):
        return 0
    by_text: dict[str, set[float | None]] = defaultdict(set)
    for text, quality in zip(responses, qualities, strict=True):
        by_text[text.strip()].add(quality)
    kept: list[int] = []
    seen: set[str] = set()
    for number, text in enumerate(responses):
        bare = text.strip()
        has_quality = len(by_text[bare]) == 1 and None not in by_text[bare]
        if bare and has_quality and bare not in seen:
            kept.append(number)
        seen.add(bare)
    if len(kept) < FEWEST:
        return 0
    record["responses"] = [responses[number] for number in kept]
    record[name] = [qualities[number] for number in kept]
    return len(responses) - len(kept)
