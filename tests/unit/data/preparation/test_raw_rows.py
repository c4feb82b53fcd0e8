"""Raw rows: places, positions to go on from, and what is not a row."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.preparation.raw_rows import RawRow, chunks, list_files, read_files, take

ROWS = [{"n": number} for number in range(10)]


@pytest.fixture
def directory(tmp_path):
    """Four files of ten rows each, in the four forms."""
    root = tmp_path / "rows"
    root.mkdir()
    text = "".join(json.dumps(row) + "\n" for row in ROWS)
    (root / "a.jsonl").write_text(text)
    (root / "b.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    (root / "c.json").write_text(json.dumps(ROWS))
    pq.write_table(pa.Table.from_pylist(ROWS), root / "d.parquet", row_group_size=3)
    (root / "README.md").write_text("not data")
    return root


def test_all_forms_in_the_order_of_names(directory):
    rows = list(read_files(directory))
    assert [row.values for row in rows] == ROWS * 4
    assert [row.position for row in rows] == list(range(1, 41))
    assert rows[0].place == f"{directory / 'a.jsonl'}:1"
    assert rows[19].place == f"{directory / 'b.jsonl.gz'}:10"
    assert rows[21].place == f"{directory / 'c.json'}: row 2"
    assert rows[39].place == f"{directory / 'd.parquet'}: row 10"


@pytest.mark.parametrize("skip", range(41))
def test_reading_goes_on_anywhere(directory, skip):
    assert list(read_files(directory, skip)) == list(read_files(directory))[skip:]


def test_bad_lines_keep_their_text_and_blank_ones_their_number(write_rows):
    path = write_rows("x.jsonl", [{"a": 1}, "", "{broken", "[1]", '{"a": NaN}', {"a": 2}])
    rows = list(read_files(path))
    assert [row.position for row in rows] == [1, 3, 4, 5, 6]
    assert [row.values for row in rows] == [{"a": 1}, None, None, None, {"a": 2}]
    assert rows[1].text == "{broken"
    assert rows[1].problem.startswith("not a JSON object")
    assert rows[2].problem.startswith("[1] is not an object")
    assert list(read_files(path, 3)) == rows[2:]


def test_take_and_chunks(directory):
    rows = list(take(read_files(directory), 7))
    assert [row.position for row in rows] == list(range(1, 8))
    assert len(list(take(read_files(directory), 0))) == 40
    assert [len(chunk) for chunk in chunks(iter(rows), 3)] == [3, 3, 1]
    assert list(chunks(iter([]), 3)) == []


def test_chunks_are_bounded_in_bytes_too():
    """Nested texts count in UTF-8, and so do lines that could not be read."""
    values = [
        {"a": "x" * 10},
        {"a": [{"b": "x" * 20, "c": 3}, None]},
        {"a": "\u00e4" * 20},
        {"a": "x"},
    ]
    rows = [RawRow(number, "p", row) for number, row in enumerate(values)]
    rows += [RawRow(4, "p", None, "bad", "x" * 50), RawRow(5, "p", {"a": "x"})]
    parts = [[row.position for row in chunk] for chunk in chunks(iter(rows), 10, max_bytes=39)]
    assert parts == [[0, 1], [2], [3], [4], [5]]


def test_unusable_files(tmp_path):
    cases = {
        "absent.jsonl": "there is no such file",
        "x.csv": "its type is unknown",
        "cut.jsonl.gz": "damaged",
        "bad.jsonl.gz": r"bad\.jsonl\.gz: damaged .*: copy it again",
        "x.json": "not JSON",
        "y.json": "not a list of rows",
        "x.parquet": "not a whole Parquet file",
    }
    (tmp_path / "x.csv").write_text("a,b")
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1}\n' * 999)[:-20])
    whole = gzip.compress("".join(f'{{"a": {n}}}\n' for n in range(9999)).encode())
    (tmp_path / "bad.jsonl.gz").write_bytes(whole[:1000] + b"\xff" * 1000 + whole[2000:])
    (tmp_path / "x.json").write_text('{"a": 1}\n{"a": 2}\n')
    (tmp_path / "y.json").write_text('{"a": 1}')
    (tmp_path / "x.parquet").write_bytes(b"PAR1 nothing")
    for name, problem in cases.items():
        with pytest.raises(DataError, match=problem):
            list(read_files(tmp_path / name))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no \.jsonl"):
        list_files(tmp_path / "empty")
