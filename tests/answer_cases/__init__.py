"""Final answers, each with a gold, that mean the same and that do not, by notation.

A module a subject: families of pairs (answer, gold).
"""

from tests.answer_cases import collections, expressions, numbers, units, wording

_SUBJECTS = (numbers, units, expressions, collections, wording)
SAME = {name: pairs for subject in _SUBJECTS for name, pairs in subject.SAME.items()}
DIFFERENT = {name: pairs for subject in _SUBJECTS for name, pairs in subject.DIFFERENT.items()}
