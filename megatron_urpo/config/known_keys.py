"""The dotted keys of a configuration, and which of them an unknown one may have meant."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Iterator, Mapping
from typing import Any


def nearest(root: type, key: str, hints: Mapping[str, Any] | None = None) -> str:
    """A clause that names the known key nearest to an unknown one.

    hints: the fields of the table the key stands in, tried before all other keys.
    """
    table, _, last = key.rpartition(".")
    close = difflib.get_close_matches(last, hints or (), n=1, cutoff=0.6)
    if close:
        return f": did you mean {f'{table}.{close[0]}'.lstrip('.')!r}?"
    known = list(known_keys(root))
    elsewhere = [name for name in known if name.rpartition(".")[2] == last]
    candidates = elsewhere or difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if candidates:
        return f": did you mean {' or '.join(map(repr, candidates))}?"
    return f": known here are {', '.join(hints)}" if hints else ""


def known_keys(section: Any, prefix: str = "") -> Iterator[str]:
    """All of a dataclass of sections, tables included."""
    for key, expected in typing.get_type_hints(section).items():
        yield prefix + key
        if dataclasses.is_dataclass(expected):
            yield from known_keys(expected, f"{prefix}{key}.")
