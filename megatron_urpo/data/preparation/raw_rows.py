"""Rows of files as they come, each with its place. What is not a row keeps its text and reason."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from megatron_urpo.data.arrow_reading import BadRow, batch_rows, is_damage
from megatron_urpo.data.jsonl import DataError, parse_object

_LINES = (".jsonl", ".jsonl.gz")
FILE_SUFFIXES = (*_LINES, ".json", ".parquet")
DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error)  # what reading a damaged .gz raises
_BATCH_ROWS = 100  # of Parquet, made into Python's objects at once
MAX_CHUNK_BYTES = 64 * 2**20  # several times as much is needed while a chunk is worked on


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row of a source before anything is known of it."""

    position: int  # counted from 1 through all files of the source; blank lines count
    place: str  # file and line, or file and row
    values: Mapping[str, Any] | None  # None: it could not be read
    problem: str = ""  # why not
    text: str = ""  # what stood there instead


@dataclass(frozen=True, slots=True)
class RowFile:
    """A file of rows, wherever it lies."""

    name: str  # path or address; how it ends says how rows are written in it
    open: Callable[[], BinaryIO]
    has_lines: bool = False  # one object a line, although it is called .json


def list_files(path: Path) -> list[Path]:
    """The files of a source: itself, or all below a directory, in the order of their names.

    Raises:
        DataError: there is none, or of no known type.
    """
    if path.is_dir():
        files = sorted(
            file for file in path.rglob("*") if file.name.endswith(FILE_SUFFIXES) and file.is_file()
        )
        if not files:
            raise DataError(f"{path}: holds no {', '.join(FILE_SUFFIXES)} file: check the path")
        return files
    if not path.is_file():
        raise DataError(f"{path}: there is no such file or directory: check the path")
    if not path.name.endswith(FILE_SUFFIXES):
        raise DataError(f"{path}: its type is unknown: give {', '.join(FILE_SUFFIXES)}")
    return [path]


def read_files(path: Path, skip: int = 0) -> Iterator[RawRow]:
    """The rows of a file, or of a directory's files one after the other.

    Args:
        skip: positions to pass over, without making rows of them.

    Raises:
        DataError: a file is missing, cannot be read, or is damaged as a whole.
    """
    files = (RowFile(str(file), partial(_open, file)) for file in list_files(path))
    try:
        yield from read_rows(files, skip)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror or error}): check the disk, and copy it again"
        ) from error


def read_rows(files: Iterable[RowFile], skip: int = 0) -> Iterator[RawRow]:
    """The rows of some files one after the other; places and errors as for read_files.

    Raises:
        OSError: a disk or a connection fails.
    """
    done = 0  # positions in the files before
    for file in files:
        last = done
        if file.name.endswith(".parquet"):
            rows = _read_parquet(file, done, skip)
        elif file.name.endswith(".json") and not file.has_lines:
            rows = _read_list(file, done, skip)
        else:
            rows = _read_lines(file, done, skip)
        for row in rows:
            last = row.position
            if row.position > skip and (row.values is not None or row.problem):
                yield row
        done = last


def _open(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise DataError(f"{file}: cannot be opened ({error.strerror}): check the path") from error


def _read_lines(file: RowFile, done: int, skip: int) -> Iterator[RawRow]:
    try:
        with file.open() as raw, gzip.open(raw) if file.name.endswith(".gz") else raw as lines:
            for number, line in enumerate(lines, start=1):
                position, place = done + number, f"{file.name}:{number}"
                if position <= skip or not line.strip():
                    yield RawRow(position, place, None)
                    continue
                yield _parse_line(line, position, place)
    except DAMAGE as error:
        raise DataError(f"{file.name}: damaged ({error}): copy it again") from error


def _parse_line(line: bytes, position: int, place: str) -> RawRow:
    try:
        return RawRow(position, place, parse_object(line, place))
    except DataError as error:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        return RawRow(position, place, None, str(error).removeprefix(f"{place}: "), text)


def _read_list(file: RowFile, done: int, skip: int) -> Iterator[RawRow]:
    """A JSON list, which has to be read as a whole."""
    try:
        with file.open() as whole:
            values = json.load(whole)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{file.name}: not JSON ({error}); a file of one object a line is called .jsonl"
        ) from error
    if not isinstance(values, list):
        raise DataError(f"{file.name}: not a list of rows: give a JSON list, or one object a line")
    for number, value in enumerate(values, start=1):
        position, place = done + number, f"{file.name}: row {number}"
        if position <= skip:
            yield RawRow(position, place, None)
        elif isinstance(value, dict):
            yield RawRow(position, place, value)
        else:
            yield RawRow(position, place, None, "not an object", json.dumps(value))


def _read_parquet(file: RowFile, done: int, skip: int) -> Iterator[RawRow]:
    number, total = 0, 0  # rows that were passed, and all that there are, once that is known
    try:
        with file.open() as whole:
            parquet = pq.ParquetFile(whole)
            total = parquet.metadata.num_rows
            groups = [parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)]
            first = 0
            while first < len(groups) and done + number + groups[first] <= skip:
                number += groups[first]
                first += 1
            if number:
                yield RawRow(done + number, f"{file.name}: row {number}", None)
            left = list(range(first, len(groups)))
            for batch in parquet.iter_batches(_BATCH_ROWS, row_groups=left) if left else ():
                for values in batch_rows(batch):
                    number += 1
                    yield _parquet_row(values, done + number, f"{file.name}: row {number}")
    except (pa.ArrowInvalid, OSError) as error:
        if not is_damage(error):
            raise
        last = min(number + _BATCH_ROWS, total)
        what = f"rows {number + 1} to {last} are damaged" if total else "not a whole Parquet file"
        reason = " ".join(str(error).split())
        raise DataError(f"{file.name}: {what} ({reason}): copy it again") from error


def _parquet_row(values: dict[str, Any] | BadRow, position: int, place: str) -> RawRow:
    if isinstance(values, BadRow):
        return RawRow(position, place, None, values.problem, values.text)
    return RawRow(position, place, values)


def take(rows: Iterator[RawRow], last_position: int) -> Iterator[RawRow]:
    """The rows up to a position; all of them for 0."""
    for row in rows:
        if last_position and row.position > last_position:
            return
        yield row


def chunks(
    rows: Iterator[RawRow], size: int, max_bytes: int = MAX_CHUNK_BYTES
) -> Iterator[list[RawRow]]:
    """Lists of `size` rows, shorter where their text would take more than `max_bytes`.

    A row that is larger by itself makes a list of its own.
    """
    chunk: list[RawRow] = []
    total = 0
    for row in rows:
        taken = _text_bytes(row.text) if row.values is None else _text_bytes(row.values)
        if chunk and (len(chunk) == size or total + taken > max_bytes):
            yield chunk
            chunk, total = [], 0
        chunk.append(row)
        total += taken
    if chunk:
        yield chunk


def _text_bytes(value: object) -> int:
    """Bytes of all texts in a value, in UTF-8."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_text_bytes, value.values()))
    if isinstance(value, Sequence):
        return sum(map(_text_bytes, value))
    return 0
