"""Which split a generated item belongs to, decided by its content alone.

Every generator asks here, whatever its seed, so an item of the held-out split can never be drawn
for training by another source, seed or run.
"""

from __future__ import annotations

import hashlib
from random import Random

SPLITS = ("train", "heldout")
HELDOUT_SHARE = 0.2


def split_of(content: str) -> str:
    """The split, "train" or "heldout", of an item with this content."""
    digest = hashlib.blake2b(content.encode(), digest_size=8, person=b"urpo-split").digest()
    return "heldout" if int.from_bytes(digest, "big") < HELDOUT_SHARE * 2**64 else "train"


def content_key(content: str) -> str:
    """A short name for the content, the same in every run and on every machine."""
    return hashlib.blake2b(content.encode(), digest_size=8, person=b"urpo-key").hexdigest()


def generator(*parts: str | int) -> Random:
    """A random generator seeded by all the parts; equal parts give equal streams."""
    text = "\x1f".join(map(str, parts))
    digest = hashlib.blake2b(text.encode(), digest_size=8, person=b"urpo-seed").digest()
    return Random(int.from_bytes(digest, "big"))
