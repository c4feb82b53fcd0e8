"""Reads a Config from TOML and dotted overrides, and writes one back.

    config = load_config("examples/quickstart.toml", ["--training.optimizer.lr", "5e-7"])

A file may start from another one with `extends = "base.toml"` (relative to the file itself): its
tables are merged key by key, everything else replaces what the base says. A file given as an
override is laid over the configuration in the same way; single overrides come last.
Paths inside a configuration are relative to the working directory. All errors are ConfigError and
name the place (file and line, or the command line), the key, the value and the remedy.
"""

from __future__ import annotations

import dataclasses
import math
import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.config.known_keys import nearest
from megatron_urpo.config.overrides import COMMAND_LINE, pairs
from megatron_urpo.disk import replacing

Root = TypeVar("Root")


@dataclass(slots=True)
class _Settings:
    """Merged TOML tables, and where each dotted key was last set."""

    root: type  # the dataclass that the whole file is read as
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def place(self, key: str) -> str:
        """Where a key, or the nearest table around it, was set."""
        while key:
            if key in self.places:
                return self.places[key]
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return "configuration"

    def forget_under(self, key: str) -> None:
        """Drops the places of what a new value of a key replaces."""
        for stale in [name for name in self.places if name.startswith((f"{key}.", f"{key}["))]:
            del self.places[stale]

    def places_under(self, table: str) -> str:
        """The files (or the command line) that set keys of a table, in the order of reading."""
        found = [
            re.sub(r":\d+$", "", place)
            for key, place in self.places.items()
            if not table or key == table or key.startswith((f"{table}.", f"{table}["))
        ]
        return " and ".join(dict.fromkeys(found)) or self.place(table)


def load_config(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    override_files: Sequence[str | Path] = (),
) -> Config:
    """The configuration of a run: read_toml of a Config (path = None: the defaults)."""
    return read_toml(Config, path, overrides, override_files=override_files)


def read_toml(
    root: type[Root],
    path: str | Path | None,
    overrides: Sequence[str] = (),
    *,
    override_files: Sequence[str | Path] = (),
) -> Root:
    """A file as a dataclass of sections, with command-line overrides applied.

    override_files: laid over the file in this order, under the overrides.
    overrides: `--section.key value` or `--section.key=value`, as they stand in argv. A value is
    read as TOML (numbers, true/false, lists, inline tables) and as a plain string where TOML does
    not accept it or the key holds a string.

    Raises ConfigError for everything that is wrong with either.
    """
    settings = _Settings(root)
    for file in (*([] if path is None else [path]), *override_files):
        _read_file(Path(file), settings, chain=())
    _apply_overrides(overrides, settings)
    built: Root = _build(root, settings.values, "", settings)
    return built


def save_config(config: Config, path: str | Path) -> None:
    """Writes every key of a configuration as TOML; load_config gives back an equal one."""
    with replacing(Path(path)) as temporary:
        temporary.write_text(format_config(config), encoding="utf-8")


def format_config(config: Config) -> str:
    """The TOML text of a configuration, all keys included."""
    return tomli_w.dumps(_plain(dataclasses.asdict(config)))


# Reading


def _read_file(path: Path, settings: _Settings, chain: tuple[Path, ...]) -> None:
    """Merges a file over the settings, the file it extends first."""
    resolved = path.resolve()
    if resolved in chain:
        circle = " -> ".join(str(link) for link in (*chain, resolved))
        raise ConfigError(f"{path}: extends itself ({circle}); break the circle")
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except OSError as error:
        origin = f" (extended by {chain[-1]})" if chain else ""
        raise ConfigError(f"{path}: cannot be read{origin}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error

    base = values.pop("extends", None)
    if base is not None:
        if not isinstance(base, str):
            raise ConfigError(f"{path}: extends = {base!r}: expected the path of a TOML file")
        _read_file(path.parent / base, settings, (*chain, resolved))
    lines = _key_lines(text)
    for key in _dotted_keys(values):
        settings.places[key] = f"{path}:{lines[key]}" if key in lines else str(path)
    _merge(settings.values, values)


_TABLE_LINE = re.compile(r"^\s*(\[\[?)\s*([\w.\-\" ]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY_LINE = re.compile(r"^\s*([\w.\-\"]+)\s*=")


def _key_lines(text: str) -> dict[str, int]:
    """Line of each dotted key, for messages only. Tables of a list are numbered: sources[0]."""
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _TABLE_LINE.match(line):
            table = match.group(2).replace('"', "").replace(" ", "")
            if match.group(1) == "[[":
                lines.setdefault(table, number)
                counts[table] = counts.get(table, -1) + 1
                table = f"{table}[{counts[table]}]"
            lines[table] = number
        elif match := _KEY_LINE.match(line):
            lines[f"{table}.{match.group(1)}".lstrip(".").replace('"', "")] = number
    return lines


def _dotted_keys(value: object, key: str = "") -> Iterator[str]:
    """Every key of nested tables and of the tables in lists, outermost first."""
    if key:
        yield key
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _dotted_keys(inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if isinstance(inner, Mapping):
                yield from _dotted_keys(inner, f"{key}[{index}]")


def _merge(target: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = dict(value) if isinstance(value, Mapping) else value


# Overrides


def _apply_overrides(overrides: Sequence[str], settings: _Settings) -> None:
    for key, text in pairs(overrides):
        expected = _field_type(settings.root, key)
        *tables, last = key.split(".")
        change: dict[str, Any] = {last: text if expected is str else _toml_value(text)}
        for table in reversed(tables):
            change = {table: change}
        _merge(settings.values, change)
        settings.forget_under(key)
        settings.places[key] = COMMAND_LINE


def _toml_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    # A line break in the text could add keys: then it is not one value but a string.
    return parsed["value"] if len(parsed) == 1 else text


def _field_type(root: type, key: str) -> Any:
    """Type of the field a dotted key names. Raises ConfigError for an unknown one."""
    section: Any = root
    walked = ""
    for part in key.split("."):
        if not dataclasses.is_dataclass(section):
            # Inside a free table, such as the options of a source.
            raise ConfigError(f"{COMMAND_LINE}: --{key}: {walked} has no keys of its own")
        hints = typing.get_type_hints(section)
        walked = f"{walked}.{part}".lstrip(".")
        if part not in hints:
            raise ConfigError(f"{COMMAND_LINE}: --{key}: unknown key{nearest(root, key)}")
        section = hints[part]
    if dataclasses.is_dataclass(section):
        raise ConfigError(f"{COMMAND_LINE}: --{key} is a section: set one of its keys")
    return section


# Building


def _build(
    section: Any, values: object, name: str, settings: _Settings, default: Any = None
) -> Any:
    """A config dataclass from its table.

    name: the dotted key of the table; default: the section its missing keys are taken from, where
    the section around it has one ([sft.optimizer] starts from other values than
    [training.optimizer]).
    """
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{settings.place(name)}: {name} = {values!r}: expected a table, [{name}]"
        )
    hints = typing.get_type_hints(section)
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        dotted = f"{name}.{key}".lstrip(".")
        if key not in hints:
            raise ConfigError(
                f"{settings.place(dotted)}: unknown key {dotted!r}"
                f"{nearest(settings.root, dotted, hints)}"
            )
        arguments[key] = _convert(hints[key], value, dotted, settings, section)
    for item in dataclasses.fields(section):
        required = item.default is item.default_factory is dataclasses.MISSING
        if required and item.name not in arguments:
            raise ConfigError(f"{settings.place(name)}: {name}.{item.name} is missing: set it")
    try:
        return dataclasses.replace(default, **arguments) if default else section(**arguments)
    except ConfigError as error:
        # A section used twice (optimizer) names itself; the table around it says which one.
        around, _, last = name.rpartition(".")
        full = f"{around}.{error}" if around and str(error).startswith(f"{last}.") else error
        raise ConfigError(f"{settings.places_under(name)}: {full}") from error


def _default_of(section: Any, key: str) -> Any:
    """The section a field holds by default, None where it has none."""
    for item in dataclasses.fields(section):
        if item.name == key and item.default_factory is not dataclasses.MISSING:
            return item.default_factory()
    return None


def _convert(
    expected: Any, value: object, key: str, settings: _Settings, section: Any = None
) -> Any:
    """A TOML value as the type of its field; raises ConfigError where it does not fit."""
    if dataclasses.is_dataclass(expected):
        default = _default_of(section, key.rpartition(".")[2]) if section else None
        return _build(expected, value, key, settings, default)
    origin, parameters = typing.get_origin(expected), typing.get_args(expected)
    if origin is tuple and isinstance(value, list):
        return tuple(
            _convert(parameters[0], item, f"{key}[{index}]", settings)
            for index, item in enumerate(value)
        )
    if origin is dict and isinstance(value, Mapping):
        return {
            inner: _convert(parameters[1], item, f"{key}.{inner}", settings)
            for inner, item in value.items()
        }
    if origin is types.UnionType:
        for choice in parameters:
            if type(value) is choice:
                return _convert(choice, value, key, settings)
    elif isinstance(expected, type):
        if issubclass(expected, Enum) and value in [member.value for member in expected]:
            return expected(value)
        if expected is float and type(value) in (int, float) and math.isfinite(value):  # type: ignore[arg-type]
            return float(value)  # type: ignore[arg-type]
        if expected in (int, bool, str) and type(value) is expected:
            return value
    raise ConfigError(
        f"{settings.place(key)}: {key} = {value!r} ({type(value).__name__}): "
        f"expected {_describe(expected)}"
    )


def _describe(expected: Any) -> str:
    """A field type in a user's words."""
    origin, parameters = typing.get_origin(expected), typing.get_args(expected)
    if origin is tuple:
        return "a list of tables" if dataclasses.is_dataclass(parameters[0]) else "a list"
    if origin is dict:
        return "a table"
    if origin is types.UnionType:
        return " or ".join(_describe(choice) for choice in parameters)
    if issubclass(expected, Enum):
        return "one of " + ", ".join(repr(member.value) for member in expected)
    return {
        int: "an integer",
        float: "a finite number",
        bool: "true or false",
        str: "a string in quotes",
    }[expected]


# Writing


def _plain(value: Any) -> Any:
    """The value as TOML types."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value
