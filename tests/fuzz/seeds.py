"""Writes the hand-written answer cases as a corpus: `python -m tests.fuzz.seeds DIRECTORY`."""

import hashlib
import sys
from pathlib import Path

from tests.answer_cases import DIFFERENT, SAME

RESPONSES = [
    "\\frac{-\\boxed{5}}{2} \\times 10^3",
    "x > \\boxed{6} (or \\boxed{5})",
    "\\boxed{5}, not \\boxed{6}. Wait, it could also be 7.",
    "The answer is 5 (maybe 6), which is wrong. However, the value is 7.",
    "$\\boxed{5}$ thousand\n\nAlternatively, the answer is 6.",
    "Yes, it is. So option (C), 5.",
]

directory = Path(sys.argv[1])
for response in RESPONSES:
    data = response.encode() + b"\xff5"
    (directory / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
for families in (SAME, DIFFERENT):
    for cases in families.values():
        for answer, gold in cases:
            seed = f"\\boxed{{{answer}}}".encode() + b"\xff" + gold.encode()
            bare = answer.encode() + b"\xff" + gold.encode()
            for data in (seed, bare):
                (directory / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
