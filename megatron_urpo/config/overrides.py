"""Overrides on a command line: `--section.key value` or `--section.key=value`, anywhere in it."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import typing
from collections.abc import Iterator, Sequence

from megatron_urpo.config import ConfigError
from megatron_urpo.config.known_keys import nearest

COMMAND_LINE = "command line"


def parse_arguments(
    parser: argparse.ArgumentParser, root: type, arguments: Sequence[str] | None = None
) -> tuple[argparse.Namespace, list[str]]:
    """A command line as the parser's own arguments and the overrides of a configuration.

    argparse would take the value of an option that it does not know for the next positional
    argument, so that the overrides are taken away before it looks.

    Args:
        root: the dataclass of the configuration.
        arguments: those of this program, if absent.

    Raises:
        SystemExit: an argument is neither, as argparse has it.
    """
    rest, overrides = split_overrides(sys.argv[1:] if arguments is None else arguments, root)
    parsed, unknown = parser.parse_known_args(rest)
    if unknown:
        option = next((argument for argument in unknown if argument.startswith("--")), "")
        hint = nearest(root, option[2:].partition("=")[0]) if option else ""
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    return parsed, overrides


def split_overrides(arguments: Sequence[str], root: type) -> tuple[list[str], list[str]]:
    """The other arguments, and the overrides with their values; each in the order given.

    An override's name has a dot in it, or is a value that stands outside of all sections. One that
    lacks its value is among the overrides without it: `pairs` says so.
    """
    values = _values_of(root)
    rest: list[str] = []
    overrides: list[str] = []
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        position += 1
        key, equals, _ = argument[2:].partition("=")
        if not argument.startswith("--") or not ("." in key or key in values):
            rest.append(argument)
            continue
        overrides.append(argument)
        if not equals and position < len(arguments) and not arguments[position].startswith("--"):
            overrides.append(arguments[position])
            position += 1
    return rest, overrides


def pairs(overrides: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The dotted keys and the texts of their values.

    Raises:
        ConfigError: an argument is no override, or has no value.
    """
    arguments = iter(overrides)
    for argument in arguments:
        if not argument.startswith("--") or argument == "--":
            raise ConfigError(
                f"{COMMAND_LINE}: {argument!r}: an override is written --section.key value"
            )
        key, equals, text = argument[2:].partition("=")
        if not equals:
            following = next(arguments, None)
            if following is None or following.startswith("--"):
                raise ConfigError(f"{COMMAND_LINE}: {argument} needs a value, as in {argument} 1")
            text = following
        yield key, text


def _values_of(root: type) -> set[str]:
    """The fields that are no sections."""
    hints = typing.get_type_hints(root)
    return {name for name, expected in hints.items() if not dataclasses.is_dataclass(expected)}
