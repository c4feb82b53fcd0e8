"""What all generated sources share: typed options, and drawing distinct items of one split."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from random import Random
from typing import TypeVar

from megatron_urpo.config import ConfigError, SourceConfig
from megatron_urpo.data.splits import content_key, generator, split_of

Options = TypeVar("Options", bound="GeneratedOptions")
Item = TypeVar("Item")

# Draws in a row without a new item of the split after which a source counts as exhausted.
_MAX_FRUITLESS_DRAWS = 5000


@dataclasses.dataclass(frozen=True, slots=True)
class GeneratedOptions:
    """Options of every generated source (SourceConfig.options)."""

    items: int = 4000  # distinct items generated
    seed: int = -1  # of the stream of items; -1: the seed of the run

    def __post_init__(self) -> None:
        require_option(self.items > 0, "items", self.items, "must be greater than 0")


class OptionError(ValueError):
    """An option value out of range; read_options adds which source it belongs to."""


def require_option(condition: bool, name: str, value: object, remedy: str) -> None:
    """Raise OptionError unless the condition holds."""
    if not condition:
        raise OptionError(f"options.{name} = {value!r}: {remedy}")


def read_options(options_class: type[Options], source: SourceConfig) -> Options:
    """SourceConfig.options as the typed options of a generator.

    Raises ConfigError naming the source, the option and the remedy.
    """
    where = f"source {source.name!r}"
    fields = {field.name: field for field in dataclasses.fields(options_class)}
    values: dict[str, int | float | str] = {}
    for name, value in source.options.items():
        if name not in fields:
            raise ConfigError(
                f"{where}: options.{name}: {source.path} knows only {', '.join(sorted(fields))}"
            )
        expected = type(fields[name].default)
        if expected is float and type(value) is int:
            value = float(value)
        if type(value) is not expected:
            raise ConfigError(f"{where}: options.{name} = {value!r}: give a {expected.__name__}")
        values[name] = value
    try:
        return options_class(**values)  # type: ignore[arg-type]
    except OptionError as error:
        raise ConfigError(f"{where}: {error}") from error


def draw_items(
    source: SourceConfig,
    options: GeneratedOptions,
    split: str,
    run_seed: int,
    draw: Callable[[Random], tuple[str, Callable[[str], Item]]],
) -> list[Item]:
    """options.items distinct items of the split.

    draw(random) returns the content that makes an item what it is, and a function that builds the
    item from its key. Only items whose content belongs to the split are built.

    Raises ConfigError when the generator has fewer distinct items than were asked for.
    """
    seed = options.seed if options.seed >= 0 else run_seed
    random = generator("embedded", source.path, split, seed)
    items: dict[str, Item] = {}
    fruitless = 0
    while len(items) < options.items:
        content, build = draw(random)
        key = content_key(content)
        if split_of(content) != split or key in items:
            fruitless += 1
            if fruitless > _MAX_FRUITLESS_DRAWS:
                raise ConfigError(
                    f"source {source.name!r}: options.items = {options.items}: {source.path} "
                    f"has only about {len(items)} distinct {split} items with these options; ask "
                    "for fewer or widen its ranges"
                )
            continue
        fruitless = 0
        items[key] = build(key)
    return list(items.values())
