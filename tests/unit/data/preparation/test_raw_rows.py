"""Raw rows: places, positions to go on from, and what is not a row."""

import errno
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.preparation.raw_rows import (
    RawRow,
    RowFile,
    chunks,
    list_files,
    read_files,
    read_rows,
    take,
)

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


def texts(*values):
    """A column of texts that nobody checked."""
    return pa.array(values, pa.binary()).view(pa.string())


def test_a_bad_cell_of_parquet_costs_its_row_alone(tmp_path):
    """Also in a batch with others, in a column of lists, and of a time that Python has not."""
    count = 250
    names = [b"row %d" % number for number in range(count)]
    names[120] = b"caf\xe9"
    names[130] = None
    turns = [b"turn %d" % number for number in range(count)]
    turns[249] = b"\xff!"
    whole = pa.StructArray.from_arrays([texts(*turns)], ["content"])
    times = pa.array([0] * count, pa.int64()).to_pylist()
    times[7] = 2**62
    table = pa.table(
        {
            "name": texts(*names),
            "turns": pa.ListArray.from_arrays(list(range(count + 1)), whole),
            "time": pa.array(times, pa.timestamp("ms")),
        }
    )
    path = tmp_path / "x.parquet"
    pq.write_table(table, path, row_group_size=170, use_dictionary=["name"])
    rows = list(read_files(path))
    assert [row.position for row in rows] == list(range(1, count + 1))
    bad = {row.position: row for row in rows if row.values is None}
    assert sorted(bad) == [8, 121, 250]
    assert bad[121].place == f"{path}: row 121"
    assert "column 'name': 'utf-8' codec can't decode byte 0xe9 in position 3" in bad[121].problem
    assert json.loads(bad[121].text)["name"] == "caf\ufffd"
    assert json.loads(bad[121].text)["turns"] == [{"content": "turn 120"}]
    assert bad[250].problem.startswith("column 'turns': 'utf-8'")
    assert json.loads(bad[250].text)["turns"] == [{"content": "\ufffd!"}]
    assert bad[8].problem.startswith("column 'time': ")
    assert rows[130].values["name"] is None
    assert rows[248].values["turns"] == [{"content": "turn 248"}]
    assert list(read_files(path, 121)) == rows[121:]


@pytest.fixture
def damaged_parquet(tmp_path):
    """The third of five groups of 200 rows has no page that can be read."""
    path = tmp_path / "x.parquet"
    rows = [{"a": f"text {number}" * 9} for number in range(1000)]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=200, use_dictionary=False)
    start = pq.ParquetFile(path).metadata.row_group(2).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 60] = b"\xff" * 60
    path.write_bytes(content)
    return path


def test_a_damaged_page_is_named_with_file_and_rows(damaged_parquet):
    read = []
    with pytest.raises(DataError, match=r"x\.parquet: rows 401 to 500 are damaged .*copy it again"):
        read.extend(read_files(damaged_parquet))
    rows = read_files(damaged_parquet)
    assert [next(rows).position for _ in range(400)] == list(range(1, 401))
    with pytest.raises(DataError, match="rows 401 to 500 are damaged"):
        next(rows)


class FailingFile(io.BytesIO):
    """A file on a disk that fails behind its beginning."""

    def read(self, size=-1):
        if self.tell() < self.getbuffer().nbytes - 1000:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(size)


def test_an_error_of_the_disk_is_no_damage(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    rows = [{"a": f"text {number}" * 9} for number in range(10_000)]
    pq.write_table(pa.Table.from_pylist(rows), path, use_dictionary=False, compression="none")
    content = path.read_bytes()
    with pytest.raises(OSError, match="Input/output error"):
        list(read_rows([RowFile("hub/x.parquet", lambda: FailingFile(content))]))
    monkeypatch.setattr(type(path), "open", lambda *_: FailingFile(content))
    with pytest.raises(DataError, match=r"x\.parquet: cannot be read \(Input/output error\)"):
        list(read_files(path))


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
