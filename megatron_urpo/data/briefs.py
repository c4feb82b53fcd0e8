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

# Every form that a sentence can take is demanded as often as any other: a form that were only ever
# demanded, or never, would tell good sentences from bad ones without reading the brief.
_MARKS = {".": "a full stop", "?": "a question mark", "!": "an exclamation mark"}
_CASES = {
    "lower_case": "Use only lower-case letters.",
    "capitalized": "Begin with a capital letter.",
}
_EXTRA_DEMANDS = ("begins_with", "case", "ends_with")


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
        others = [_kind_of(check) for check in self.checks if check.name != "contains_word"]
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
    case = random.choice(list(_CASES))
    return Check(case, ""), _CASES[case]


def render(brief: Brief, random: Random, num_met: int) -> str:
    """A sentence that meets exactly num_met of the brief's demands; which ones is drawn.

    Raises ValueError when num_met is not in [0, number of demands].
    """
    if not 0 <= num_met <= len(brief.checks):
        raise ValueError(f"num_met = {num_met}: the brief has {len(brief.checks)} demands")
    met = set(random.sample(brief.checks, num_met))
    demanded = {_kind_of(check): check for check in brief.checks}
    words = _draw_words(random, brief, met)
    text = random.choice(FRAMES[len(words)]).format(*words)
    if "begins_with" in demanded:
        text = f"{_draw(random, OPENERS, demanded['begins_with'], met)} {text}"
    if _draw_case(random, demanded.get("case"), met) == "lower_case":
        text = text.lower()
    else:
        text = text[0].upper() + text[1:]
    return text + _draw(random, list(_MARKS), demanded.get("ends_with"), met)


def _kind_of(check: Check) -> str:
    return "case" if check.name in _CASES else check.name


def _draw_words(random: Random, brief: Brief, met: set[Check]) -> list[str]:
    """One word a required word: itself where it is met, and else one that is not required."""
    unwanted = iter(
        random.sample([noun for noun in NOUNS if noun not in brief.words], len(brief.words))
    )
    words = [
        check.argument if check in met else next(unwanted)
        for check in brief.checks
        if check.name == "contains_word"
    ]
    random.shuffle(words)
    return words


def _draw(random: Random, forms: Sequence[str], demand: Check | None, met: set[Check]) -> str:
    """The demanded form if it is to be met, any other if not, any at all if none is demanded."""
    if demand is None:
        return random.choice(forms)
    if demand in met:
        return demand.argument
    return random.choice([form for form in forms if form != demand.argument])


def _draw_case(random: Random, demand: Check | None, met: set[Check]) -> str:
    if demand is None:
        return random.choice(list(_CASES))
    return next(case for case in _CASES if (case == demand.name) == (demand in met))
