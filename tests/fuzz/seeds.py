"""Writes the hand-written answer cases as a corpus: `python -m tests.fuzz.seeds DIRECTORY`."""

import hashlib
import sys
from pathlib import Path

from tests.answer_cases import DIFFERENT, SAME

directory = Path(sys.argv[1])
for families in (SAME, DIFFERENT):
    for cases in families.values():
        for answer, gold in cases:
            seed = f"\\boxed{{{answer}}}".encode() + b"\xff" + gold.encode()
            bare = answer.encode() + b"\xff" + gold.encode()
            for data in (seed, bare):
                (directory / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
