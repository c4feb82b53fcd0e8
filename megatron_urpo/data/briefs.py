"""Writing briefs: the demands shared by generated preferences and instructions.

A brief asks for one short sentence with some required words and, perhaps, a first word, a final
mark or lower case. A sentence is rendered to meet any chosen subset of the demands, with everything
else (frame, number of words, other words, marks) drawn without regard to that subset. So quality,
the number of demands met, shows in nothing but the demands themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from megatron_urpo.data.vocabulary import FRAMES, NOUNS, OPENERS, PURPOSES, REQUESTS
from megatron_urpo.types import Check

_MARKS = {"?": "a question mark", "!": "an exclamation mark"}
_EXTRA_DEMANDS = ("begins_with", "ends_with", "lower_case")


@dataclass(frozen=True, slots=True)
class Brief:
    """What a sentence is asked to be."""

    text: str  # the prompt
    checks: tuple[Check, ...]  # required words first, then the others

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(check.argument for check in self.checks if check.name == "contains_word")

    @property
    def is_renderable(self) -> bool:
        """Whether `render` has a frame for its words and knows its other demands."""
        others = [check.name for check in self.checks if check.name != "contains_word"]
        return (
            len(self.words) in FRAMES
            and len(set(others)) == len(others)
            and set(others) <= set(_EXTRA_DEMANDS)
        )

    @property
    def content(self) -> str:
        """What makes two briefs the same, however they are worded or ordered."""
        return "brief:" + ",".join(
            sorted(f"{check.name}={check.argument}" for check in self.checks)
        )


def draw_brief(random: Random, num_words: int, num_extras: int) -> Brief:
    """A brief with num_words required words (2 to 6) and num_extras (0 to 3) other demands."""
    words = random.sample(NOUNS, num_words)
    checks = [Check("contains_word", word) for word in words]
    parts = [random.choice(REQUESTS).format(words=_enumerate(words))]
    purpose = random.choice(PURPOSES)
    if purpose:
        parts.append(purpose)
    for name in sorted(random.sample(_EXTRA_DEMANDS, num_extras)):
        check, sentence = _extra_demand(random, name)
        checks.append(check)
        parts.append(sentence)
    return Brief(" ".join(parts), tuple(checks))


def _enumerate(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + " and " + words[-1]


def _extra_demand(random: Random, name: str) -> tuple[Check, str]:
    if name == "begins_with":
        opener = random.choice(OPENERS)
        return Check(name, opener), f"Begin with {opener}."
    if name == "ends_with":
        mark = random.choice(list(_MARKS))
        return Check(name, mark), f"End with {_MARKS[mark]}."
    return Check(name, ""), "Use only lower-case letters."


def render(brief: Brief, random: Random, num_met: int) -> str:
    """A sentence that meets exactly num_met of the brief's demands, which ones is drawn.

    Raises ValueError when num_met is not in [0, number of demands].
    """
    if not 0 <= num_met <= len(brief.checks):
        raise ValueError(f"num_met = {num_met}: the brief has {len(brief.checks)} demands")
    met = set(random.sample(brief.checks, num_met))
    required = brief.words
    others = [noun for noun in NOUNS if noun not in required]
    unwanted = iter(random.sample(others, len(required)))
    content = [
        check.argument if check in met else next(unwanted)
        for check in brief.checks
        if check.name == "contains_word"
    ]
    random.shuffle(content)
    text = random.choice(FRAMES[len(content)]).format(*content)
    demanded = {check.name: check for check in brief.checks}
    if "begins_with" in demanded:
        text = f"{_first_word(random, demanded['begins_with'], met)} {text}"
    lower = "lower_case" in demanded and demanded["lower_case"] in met
    text = text.lower() if lower else text[0].upper() + text[1:]
    return text + _last_mark(random, demanded.get("ends_with"), met)


def _first_word(random: Random, demand: Check, met: set[Check]) -> str:
    if demand in met:
        return demand.argument
    return random.choice([opener for opener in OPENERS if opener != demand.argument])


def _last_mark(random: Random, demand: Check | None, met: set[Check]) -> str:
    if demand is None:
        return random.choice(".!?")
    if demand in met:
        return demand.argument
    return random.choice([mark for mark in ".!?" if mark != demand.argument])
