"""What a section checks itself with."""

from __future__ import annotations


class ConfigError(ValueError):
    """A configuration that cannot work; the message names the key and the remedy."""


def require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def require_choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    require(value in choices, f"{key} = {value!r}: choose one of {', '.join(map(repr, choices))}")


def require_positive(section: str, **values: float) -> None:
    for key, value in values.items():
        require(value > 0, f"{section}.{key} = {value}: must be greater than 0")


def require_not_negative(section: str, **values: float) -> None:
    for key, value in values.items():
        require(value >= 0, f"{section}.{key} = {value}: must not be negative")
