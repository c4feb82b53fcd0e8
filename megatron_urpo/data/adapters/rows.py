"""Reading fields of a foreign row; what is not as expected is a RowError that names the field."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from megatron_urpo.excerpt import excerpt

Row = Mapping[str, Any]
Record = dict[str, Any]  # fields of docs/data.md, without kind and id


class RowError(ValueError):
    """A row that has no counterpart in our schema; the message names the field and the value."""


def text(row: Row, name: str) -> str:
    """A field that must be a text with something in it."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise RowError(f"{name} = {excerpt(value)}: not a text")
    return value


def response(row: Row, name: str) -> str:
    """A field that must be a text; what a model answered may be blank."""
    value = row.get(name)
    if not isinstance(value, str):
        raise RowError(f"{name} = {excerpt(value)}: not a text")
    return value


def objects(row: Row, name: str) -> list[Row]:
    """A field that must be a list of objects, with at least one."""
    values = row.get(name)
    if (
        not isinstance(values, Sequence)
        or isinstance(values, str | bytes)
        or not values
        or not all(isinstance(value, Mapping) for value in values)
    ):
        raise RowError(f"{name} = {excerpt(values)}: not a list of objects")
    return list(values)


def turns(row: Row, name: str) -> list[Record]:
    """A conversation, what stands beside role and content left out."""
    return [
        {"role": turn.get("role"), "content": turn.get("content")} for turn in objects(row, name)
    ]


def number(row: Row, name: str) -> float:
    """A finite number, also where it is written as a text."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise RowError(f"{name} = {excerpt(value)}: not a number")
    try:
        converted = float(value)
    except (ValueError, OverflowError) as error:
        raise RowError(f"{name} = {excerpt(value)}: not a number") from error
    if not math.isfinite(converted):
        raise RowError(f"{name} = {excerpt(value)}: not a finite number")
    return converted


def qualities(rows: Sequence[Row], read: Callable[[Row], float]) -> list[float | None]:
    """The quality of each response as `read` finds it; None where there is none.

    Raises:
        RowError: fewer than two responses have one: what is wrong with the first of the others.
    """
    values: list[float | None] = []
    problems = []
    for row in rows:
        try:
            values.append(read(row))
        except RowError as error:
            values.append(None)
            problems.append(error)
    if problems and len(rows) - len(problems) < 2:
        raise problems[0]
    return values


def choice(row: Row, name: str, allowed: Sequence[int]) -> int:
    """A whole number out of a few."""
    value = number(row, name)
    if value not in allowed:
        raise RowError(
            f"{name} = {excerpt(row.get(name))}: not one of {', '.join(map(str, allowed))}"
        )
    return int(value)
