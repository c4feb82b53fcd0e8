"""What goes wrong in files that Arrow reads: cells without a value in Python, and damage.

Arrow does not check texts when it reads a file, and holds dates and times that Python has not:
that shows only when a cell is made into a Python object.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

# What making a Python object of a cell raises; UnicodeDecodeError and ArrowInvalid are ValueErrors.
_NO_VALUE = (ValueError, OverflowError)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row with a cell that has no value."""

    problem: str  # which column, and why
    text: str  # the row as JSON; bytes that are no UTF-8 are marked


def batch_rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | BadRow]:
    """The rows of a batch in order, by column. A cell without a value costs its own row alone."""
    try:
        yield from batch.to_pylist()
        return
    except _NO_VALUE:
        pass
    for number in range(batch.num_rows):
        row = batch.slice(number, 1)
        try:
            yield row.to_pylist()[0]
        except _NO_VALUE:
            yield _bad_row(row)


def is_damage(error: Exception) -> bool:
    """Whether an error says that the content of a file is not as it has to be.

    Arrow raises plain OSErrors for that too; those of a disk or a connection have a number or a
    type of their own.
    """
    if isinstance(error, OSError):
        return type(error) is OSError and error.errno is None
    return isinstance(error, pa.ArrowInvalid)


def _bad_row(row: pa.RecordBatch) -> BadRow:
    problem = ""
    cells = {}
    for name, cell in zip(row.schema.names, row.columns, strict=True):
        try:
            cells[name] = cell.to_pylist()[0]
        except _NO_VALUE as error:
            problem = problem or f"column {name!r}: {error}"
            cells[name] = _quote(cell)
    return BadRow(problem, json.dumps(cells, ensure_ascii=False, default=_mark))


def _quote(cell: pa.Array) -> object:
    try:
        return cell.cast(_with_bytes(cell.type)).to_pylist()[0]
    except (pa.ArrowException, *_NO_VALUE):
        return cell.to_string()


def _with_bytes(kind: pa.DataType) -> pa.DataType:
    """A type with bytes wherever `kind` has texts."""
    if pa.types.is_string(kind):
        return pa.binary()
    if pa.types.is_large_string(kind):
        return pa.large_binary()
    if pa.types.is_dictionary(kind):
        return _with_bytes(kind.value_type)
    if pa.types.is_list(kind):
        return pa.list_(_with_bytes(kind.value_type))
    if pa.types.is_large_list(kind):
        return pa.large_list(_with_bytes(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_with_bytes(field.type)) for field in kind])
    return kind


def _mark(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
