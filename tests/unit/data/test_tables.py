"""Arrow and Parquet files as sources: the same tasks as of JSONL, made when they are drawn."""

import json
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from megatron_urpo.code_tests.records import AssertTests
from megatron_urpo.config import SourceConfig
from megatron_urpo.data.jsonl import DataError, format_task
from megatron_urpo.data.sources import load_source
from megatron_urpo.data.tables import TableTasks, record_schema
from megatron_urpo.types import (
    ChatMessage,
    Check,
    InstructionTask,
    PreferenceTask,
    ReasoningTask,
    TaskKind,
)

USER = (ChatMessage("user", "Name a fruit."),)
TALK = (ChatMessage("user", "Hi"), ChatMessage("assistant", "Hello"), ChatMessage("user", "Bye"))
TASKS = {
    TaskKind.REASONING: [
        ReasoningTask("s", f"k{n}", USER, (str(n), "x")) for n in range(5)
    ] + [ReasoningTask("s", "code", USER, tests=AssertTests("", ("assert f(1)",), ("f",)))],
    TaskKind.PREFERENCE: [
        PreferenceTask("s", f"k{n}", TALK, ("a", "b", "c"), (1.0, 0.5, float(n)))
        for n in range(6)
    ],
    TaskKind.INSTRUCTION: [
        InstructionTask("s", f"k{n}", TALK, (Check("max_words", str(n + 1)),)) for n in range(6)
    ],
}  # fmt: skip


def source(path, kind):
    return SourceConfig("s", kind, str(path))


def write(path, tasks, kind, *, answered=False, batch_rows=4, checked=True):
    schema = record_schema(kind, answered=answered)
    records = [format_task(task) | {"metadata": {"place": "f:1"}} for task in tasks]
    table = pa.Table.from_pylist(records, schema=schema)
    if not checked:
        table = table.replace_schema_metadata(None)
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=batch_rows)
    else:
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=batch_rows)
    return path


@pytest.mark.parametrize("kind", TaskKind)
@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("suffix", [".arrow", ".parquet"])
def test_tasks_are_those_that_were_written(tmp_path, kind, checked, suffix):
    path = write(tmp_path / f"x{suffix}", TASKS[kind], kind, checked=checked)
    tasks = load_source(source(path, kind), "train", 0).tasks
    assert len(tasks) == 6
    assert [tasks[place] for place in (5, 0, 3, -1)] == [TASKS[kind][p] for p in (5, 0, 3, 5)]
    assert list(tasks) == TASKS[kind]
    assert tasks[:4] == tuple(TASKS[kind][:4])
    assert tasks[:None] == tuple(TASKS[kind])
    with pytest.raises(IndexError):
        tasks[6]


def test_records_without_optional_columns(tmp_path):
    """A Parquet file of one's own, in the fields of docs/data.md."""
    rows = [
        {"kind": "preference", "prompt": "A?", "responses": ["x", "y"], "rank": [1, 2]},
        {"kind": "preference", "prompt": "B?", "responses": ["x", "y"], "rank": [1, 1]},
        {"kind": "preference", "prompt": "C?", "responses": ["x", "y"], "rank": [2, 1]},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    loaded = load_source(source(tmp_path / "x.parquet", TaskKind.PREFERENCE), "train", 0)
    assert loaded.dropped_ties == 1
    assert [(task.key, task.truth) for task in loaded.tasks] == [
        ("row-1", (1.0, 0.0)),
        ("row-3", (0.0, 1.0)),
    ]


def test_conversations_with_answers(tmp_path):
    answered = [InstructionTask("s", "k", (*TALK, ChatMessage("assistant", "Bye")))]
    path = write(tmp_path / "x.arrow", answered, TaskKind.INSTRUCTION, answered=True)
    wanted = source(path, TaskKind.INSTRUCTION)
    assert list(load_source(wanted, "train", 0, answered=True).tasks) == answered
    with pytest.raises(DataError, match="conversations with answers, but source 's' wants instr"):
        load_source(wanted, "train", 0)


@pytest.mark.parametrize("suffix", [".arrow", ".parquet"])
def test_unusable_files(tmp_path, suffix):
    reasoning = source(tmp_path / f"x{suffix}", TaskKind.REASONING)
    path = tmp_path / f"x{suffix}"
    with pytest.raises(DataError, match="cannot be opened"):
        load_source(reasoning, "train", 0)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"not a whole|cannot be opened"):
        load_source(reasoning, "train", 0)
    write(path, TASKS[TaskKind.REASONING], TaskKind.REASONING)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="not a whole"):
        load_source(reasoning, "train", 0)
    write(path, TASKS[TaskKind.PREFERENCE], TaskKind.PREFERENCE)
    with pytest.raises(DataError, match="holds preference records, but source 's' wants reason"):
        load_source(reasoning, "train", 0)
    write(path, [], TaskKind.REASONING)
    with pytest.raises(DataError, match="source 's' is empty, it has no records"):
        load_source(reasoning, "train", 0)


def test_a_bad_row_of_an_unchecked_file_names_its_place(tmp_path):
    tasks = [*TASKS[TaskKind.REASONING], ReasoningTask("s", "k0", USER, ("1",))]
    path = write(tmp_path / "x.parquet", tasks, TaskKind.REASONING, checked=False)
    with pytest.raises(DataError, match="row 7: id 'k0' is already taken by row 1"):
        load_source(source(path, TaskKind.REASONING), "train", 0)
    tasks[3] = ReasoningTask("s", "k3", USER, (" ",))
    path = write(tmp_path / "x.parquet", tasks, TaskKind.REASONING, checked=False)
    with pytest.raises(DataError, match=r"x\.parquet: row 4: answers\[0\] = ' '"):
        load_source(source(path, TaskKind.REASONING), "train", 0)


@pytest.mark.parametrize("suffix", [".arrow", ".parquet"])
@pytest.mark.parametrize("checked", [True, False])
def test_a_text_that_is_no_utf8_is_named_with_its_row(tmp_path, suffix, checked):
    """Rows that were checked when they were written are read when they are drawn."""
    tasks = [ReasoningTask("s", f"k{n}", USER, ("caf\u00e9" if n == 3 else "x",)) for n in range(6)]
    path = tmp_path / f"x{suffix}"
    write(tmp_path / "whole.arrow", tasks, TaskKind.REASONING, checked=checked)
    table = pa.ipc.open_file(str(tmp_path / "whole.arrow")).read_all().combine_chunks()
    column = table.column("answers").chunk(0)
    latin = [text.encode("latin-1") for text in column.values.to_pylist()]
    texts = pa.array(latin, pa.binary()).view(pa.string())
    bad = pa.ListArray.from_arrays(column.offsets, texts)
    place = table.schema.get_field_index("answers")
    table = table.set_column(place, table.schema.field("answers"), bad)
    if suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
    tasks = []
    with pytest.raises(DataError, match=r"row 4: column 'answers': 'utf-8' codec .*: correct the"):
        tasks.extend(load_source(source(path, TaskKind.REASONING), "train", 0).tasks)
    assert len(tasks) == (3 if checked else 0)


def test_a_damaged_page_is_not_a_wrong_path(tmp_path):
    path = tmp_path / "x.parquet"
    write(path, TASKS[TaskKind.REASONING], TaskKind.REASONING)
    start = pq.ParquetFile(path).metadata.row_group(0).column(0).dictionary_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 20] = b"\xff" * 20
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.parquet: not a whole \.parquet file .*copy it again"):
        load_source(source(path, TaskKind.REASONING), "train", 0)


def test_opening_a_checked_file_makes_no_tasks(tmp_path):
    """Python objects of 20,000 rows would take over 10 MB."""
    tasks = [ReasoningTask("s", str(n), USER, (str(n),)) for n in range(20_000)]
    path = write(tmp_path / "x.arrow", tasks, TaskKind.REASONING, batch_rows=5000)
    del tasks
    wanted = source(path, TaskKind.REASONING)
    tracemalloc.start()
    loaded = load_source(wanted, "train", 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000
    assert isinstance(loaded.tasks, TableTasks)
    assert loaded.tasks[19_999].gold == ("19999",)


def test_columns_are_the_fields_of_the_jsonl(tmp_path):
    schema = record_schema(TaskKind.PREFERENCE, answered=False)
    assert schema.names == ["kind", "id", "messages", "responses", "truth", "metadata"]
    path = write(
        tmp_path / "x.arrow", TASKS[TaskKind.PREFERENCE], TaskKind.PREFERENCE, answered=False
    )
    rows = pa.ipc.open_file(pa.memory_map(str(path))).read_all().to_pylist()
    lines = tmp_path / "x.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    kind = TaskKind.PREFERENCE
    from_lines = load_source(source(lines, kind), "train", 0).tasks
    assert list(from_lines) == list(load_source(source(path, kind), "train", 0).tasks)


@pytest.mark.parametrize("suffix", [".arrow", ".parquet"])
def test_programs_are_known_without_reading_the_rows(tmp_path, suffix):
    kind = TaskKind.REASONING
    for name, tasks in (("some", TASKS[kind]), ("none", TASKS[kind][:5])):
        path = write(tmp_path / f"{name}{suffix}", tasks, kind)
        assert load_source(source(path, kind), "train", 0).has_code_tests == (name == "some")
