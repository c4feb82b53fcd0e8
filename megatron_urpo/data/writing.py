"""Generated sources built on writing briefs: ranked preferences and open instructions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from megatron_urpo.config import SourceConfig
from megatron_urpo.data.briefs import Brief, draw_brief, render
from megatron_urpo.data.generated import (
    GeneratedOptions,
    draw_items,
    read_options,
    require_option,
)
from megatron_urpo.types import ChatMessage, InstructionTask, PreferenceTask

MAX_WORDS = 6
MAX_EXTRAS = 3


@dataclass(frozen=True, slots=True)
class WritingOptions(GeneratedOptions):
    """Options of embedded:writing_instructions, and the part shared with the preferences."""

    min_words: int = 2  # required words of a brief
    max_words: int = 4
    max_extras: int = 1  # further demands: first word, final mark, lower case

    def __post_init__(self) -> None:
        GeneratedOptions.__post_init__(self)
        require_option(
            2 <= self.min_words <= MAX_WORDS, "min_words", self.min_words, f"2 to {MAX_WORDS}"
        )
        require_option(
            self.min_words <= self.max_words <= MAX_WORDS,
            "max_words",
            self.max_words,
            f"min_words to {MAX_WORDS}",
        )
        require_option(
            0 <= self.max_extras <= MAX_EXTRAS, "max_extras", self.max_extras, f"0 to {MAX_EXTRAS}"
        )


@dataclass(frozen=True, slots=True)
class PreferenceOptions(WritingOptions):
    """Options of embedded:writing_preferences."""

    # Numbers of responses N to draw from, comma-separated; a repeated number weighs more.
    num_responses: str = "2,3,4,5,6,7,8"
    tie_free: int = 0  # 1: the N qualities all differ

    def __post_init__(self) -> None:
        WritingOptions.__post_init__(self)
        require_option(self.tie_free in (0, 1), "tie_free", self.tie_free, "give 0 or 1")
        limit = self.max_demands + 1 if self.tie_free else 64
        for number in self.group_sizes:
            require_option(
                2 <= number <= limit,
                "num_responses",
                self.num_responses,
                f"numbers from 2 to {limit} (max_words + max_extras + 1 when tie_free)",
            )

    @property
    def group_sizes(self) -> list[int]:
        parts = [part.strip() for part in self.num_responses.split(",")]
        require_option(
            all(part.isdecimal() for part in parts),
            "num_responses",
            self.num_responses,
            'give numbers such as "2,4,8"',
        )
        return [int(part) for part in parts]

    @property
    def max_demands(self) -> int:
        return self.max_words + self.max_extras


def writing_instructions(source: SourceConfig, split: str, seed: int) -> list[InstructionTask]:
    """Open-ended prompts for one sentence; the hidden checks are the brief's demands."""
    options = read_options(WritingOptions, source)

    def draw(random: Random) -> tuple[str, Callable[[str], InstructionTask]]:
        brief = _draw_brief(random, options, min_demands=2)

        def build(key: str) -> InstructionTask:
            return InstructionTask(source.name, key, _user_turn(brief), brief.checks)

        return brief.content, build

    return draw_items(source, options, split, seed, draw)


def writing_preferences(source: SourceConfig, split: str, seed: int) -> list[PreferenceTask]:
    """Briefs with N sentences each; truth is the number of demands a sentence meets."""
    options = read_options(PreferenceOptions, source)

    def draw(random: Random) -> tuple[str, Callable[[str], PreferenceTask]]:
        number = random.choice(options.group_sizes)
        brief = _draw_brief(random, options, number - 1 if options.tie_free else 2)

        def build(key: str) -> PreferenceTask:
            met = _draw_qualities(random, number, len(brief.checks), bool(options.tie_free))
            responses = tuple(render(brief, random, count) for count in met)
            truth = tuple(map(float, met))
            return PreferenceTask(
                source.name, key, _user_turn(brief), responses, truth, brief.checks
            )

        return brief.content, build

    return draw_items(source, options, split, seed, draw)


def _user_turn(brief: Brief) -> tuple[ChatMessage, ...]:
    return (ChatMessage("user", brief.text),)


def _draw_brief(random: Random, options: WritingOptions, min_demands: int) -> Brief:
    """A brief with at least min_demands demands; the options allow that many."""
    sizes = [
        (words, extras)
        for words in range(options.min_words, options.max_words + 1)
        for extras in range(options.max_extras + 1)
        if words + extras >= min_demands
    ]
    return draw_brief(random, *random.choice(sizes))


def _draw_qualities(random: Random, number: int, demands: int, tie_free: bool) -> list[int]:
    """How many demands each response meets: uniform, not all equal, distinct when tie_free."""
    levels = range(demands + 1)
    if tie_free:
        return random.sample(levels, number)
    while True:
        qualities = random.choices(levels, k=number)
        if len(set(qualities)) > 1:
            return qualities
