"""Whole numbers in fixed proportions: of each batch, the prompts of every kind and source."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=str)


class Apportionment(Generic[Key]):
    """Deals whole numbers in fixed proportions, remembering what rounding owes to whom."""

    def __init__(self) -> None:
        self._owed: dict[Key, Fraction] = {}

    def deal(self, total: int, weights: Mapping[Key, float]) -> dict[Key, int]:
        """Counts that sum to total. Every unit goes to whoever is owed most, the first on ties."""
        if total == 0 or not weights:
            return dict.fromkeys(weights, 0)
        # As the user wrote it: 0.1 is one tenth.
        exact = {key: Fraction(str(weight)) for key, weight in weights.items()}
        unit = Fraction(total) / sum(exact.values(), Fraction(0))
        owed = {key: self._owed.get(key, Fraction(0)) + unit * exact[key] for key in exact}
        counts = dict.fromkeys(exact, 0)
        for _ in range(total):
            neediest = max(owed, key=owed.__getitem__)
            counts[neediest] += 1
            owed[neediest] -= 1
        self._owed |= owed
        return counts

    def state(self) -> dict[str, str]:
        return {str(key): str(owed) for key, owed in self._owed.items()}

    def load_state(self, state: Mapping[Key, str]) -> None:
        self._owed = {key: Fraction(owed) for key, owed in state.items()}
