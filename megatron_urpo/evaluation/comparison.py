"""Two evaluations of the same items against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from megatron_urpo.evaluation.bootstrap import bootstrap_interval
from megatron_urpo.evaluation.items import EvaluationItem


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean difference of a metric over the items that both evaluations measured."""

    mean: float
    low: float  # 95 % bootstrap interval over items
    high: float
    items: int

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}], {self.items} items"


def paired_difference(
    metric: str, ours: Sequence[EvaluationItem], theirs: Sequence[EvaluationItem]
) -> Difference | None:
    """How much larger a metric is in `ours`, item by item; None where they share no item.

    An item that the verifier could not decide in one of the two has no difference.
    """
    values = [
        {(item.source, item.key): item.values[metric] for item in items if metric in item.values}
        for items in (ours, theirs)
    ]
    common = sorted(values[0].keys() & values[1].keys())
    if not common:
        return None
    differences = [values[0][key] - values[1][key] for key in common]
    return Difference(float(np.mean(differences)), *bootstrap_interval(differences), len(common))
