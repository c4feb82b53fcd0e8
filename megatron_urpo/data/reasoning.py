"""Generated reasoning problems with short, checkable answers, from the reasoning-gym library.

Each family is a source of its own ("embedded:chain_sum") with reasoning-gym's name and ranges that
a small model can master in part. The library supplies problems and answers; the wording is its own
where that is short, and says in the same words everywhere how to give the final answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from random import Random
from typing import Any

from megatron_urpo.config import SourceConfig
from megatron_urpo.data.answer_requests import BARE_ANSWER_REQUEST
from megatron_urpo.data.generated import (
    GeneratedOptions,
    draw_items,
    read_options,
    require_option,
)
from megatron_urpo.types import ChatMessage, ReasoningTask

# reasoning-gym derives item i of a data set from seed + i alone; sizes are nominal.
_VIRTUAL_SIZE = 2**31

_FIXED_OPTIONS = {"number_sorting": {"max_decimals": 0}}


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem as it is put to the model."""

    content: str  # what makes two problems the same, in any wording
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class RangeOptions(GeneratedOptions):
    """Options that are reasoning-gym's ranges, each a min_ and a max_."""

    def __post_init__(self) -> None:
        GeneratedOptions.__post_init__(self)
        for name, value in self.ranges.items():
            if name.startswith("max_"):
                low = "min_" + name.removeprefix("max_")
                least = self.ranges[low]
                require_option(value >= least, name, value, f"at least {low} = {least}")
            elif name != "min_value":
                require_option(value >= 1, name, value, "at least 1")

    @property
    def ranges(self) -> dict[str, int]:
        common = {field.name for field in fields(GeneratedOptions)}
        return {name: value for name, value in asdict(self).items() if name not in common}


@dataclass(frozen=True, slots=True)
class ChainSumOptions(RangeOptions):
    """Sums and differences: "Compute 7 + 12 - 3"."""

    min_terms: int = 2
    max_terms: int = 3
    min_digits: int = 1
    max_digits: int = 2


@dataclass(frozen=True, slots=True)
class NeedleHaystackOptions(RangeOptions):
    """Which of several people does something: "Ann likes tea. [...] Who likes tea?"."""

    min_num_statements: int = 5
    max_num_statements: int = 7


@dataclass(frozen=True, slots=True)
class NumberSortingOptions(RangeOptions):
    """Whole numbers to be put in order."""

    min_numbers: int = 3
    max_numbers: int = 3
    min_value: int = 0
    max_value: int = 99


def _chain_sum(entry: Mapping[str, Any]) -> Problem:
    expression = entry["metadata"]["expression"]
    return Problem(expression, f"Compute {expression}.", entry["answer"])


def _needle_haystack(entry: Mapping[str, Any]) -> Problem:
    question = entry["metadata"]["question"].removesuffix(" Reply only with a name.")
    statements = entry["question"].split("\n")[0].strip()
    return Problem(statements + question, f"{statements}\n{question}", entry["answer"])


def _number_sorting(entry: Mapping[str, Any]) -> Problem:
    def whole(numbers: list[str]) -> str:
        return ", ".join(str(int(float(number))) for number in numbers)

    direction = entry["metadata"]["direction"]
    numbers = whole(entry["metadata"]["original_numbers"])
    return Problem(
        f"{direction} {numbers}",
        f"Sort these numbers in {direction} order: {numbers}.",
        # A tuple, because the verifier reads bare numbers between commas as a set.
        f"({whole(entry['metadata']['sorted_numbers'])})",
    )


# By reasoning-gym's name: our options, and how an entry is put.
REASONING_FAMILIES: dict[str, tuple[type[RangeOptions], Callable[[Mapping[str, Any]], Problem]]] = {
    "chain_sum": (ChainSumOptions, _chain_sum),
    "needle_haystack": (NeedleHaystackOptions, _needle_haystack),
    "number_sorting": (NumberSortingOptions, _number_sorting),
}


def reasoning_problems(source: SourceConfig, split: str, seed: int) -> list[ReasoningTask]:
    """The problems of the family that source.path names."""
    # Takes a second to import, so only those pay who use it.
    import reasoning_gym

    family = source.path.partition(":")[2]
    options_class, put = REASONING_FAMILIES[family]
    options = read_options(options_class, source)
    fixed = _FIXED_OPTIONS.get(family, {})
    problems = reasoning_gym.create_dataset(
        family, seed=0, size=_VIRTUAL_SIZE, **options.ranges, **fixed
    )

    def draw(random: Random) -> tuple[str, Callable[[str], ReasoningTask]]:
        problem = put(problems[random.randrange(_VIRTUAL_SIZE)])
        messages = (ChatMessage("user", f"{problem.question} {BARE_ANSWER_REQUEST}"),)
        return (
            f"{family}:{problem.content}",
            lambda key: ReasoningTask(source.name, key, messages, (problem.answer,)),
        )

    return draw_items(source, options, split, seed, draw)
