"""The names that docs/metrics.md explains."""

from __future__ import annotations

import re
from pathlib import Path

from megatron_urpo.metrics import STAGES

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"


def explained_names() -> list[str]:
    """As they stand in its tables and text, a star for a role or a name."""
    stages = "|".join(STAGES)
    text = PAGE.read_text(encoding="utf-8").replace("<stage>", "*")
    return re.findall(rf"`((?:{stages}|\*)/[^`]+/[^`]+)`", text)


def is_explained(metric: str) -> bool:
    """Whether one of the names stands for this metric."""
    return any(
        re.fullmatch(re.escape(name).replace(r"\*", "[^/]+"), metric) for name in explained_names()
    )
