"""The JSONL schema: what is read, and what each bad line is answered with."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.code_tests.records import StdioCase, StdioTests
from megatron_urpo.config import SourceConfig
from megatron_urpo.data.jsonl import DataError, format_task, parse_task, read_tasks
from megatron_urpo.types import (
    ChatMessage,
    Check,
    InstructionTask,
    PreferenceTask,
    ReasoningTask,
    TaskKind,
)

REASONING = {"kind": "reasoning", "prompt": "What is 6 times 7?", "answers": ["42", "42.0"]}
PREFERENCE = {
    "kind": "preference",
    "prompt": "Name a fruit.",
    "responses": ["Fig", "Dog", "Pear"],
    "rank": [1, 3, 1],
}
INSTRUCTION = {
    "kind": "instruction",
    "prompt": "Write about rain.",
    "checks": [{"name": "contains_word", "argument": "rain"}, {"name": "lower_case"}],
}
RECORDS = {"reasoning": REASONING, "preference": PREFERENCE, "instruction": INSTRUCTION}


def read(tmp_path, kind, content):
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_tasks(SourceConfig("mine", TaskKind(kind), str(path)))


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


def test_reads_the_three_kinds(tmp_path):
    user = ChatMessage("user", "What is 6 times 7?")
    (task,) = read(tmp_path, "reasoning", lines(REASONING)).tasks
    assert task == ReasoningTask("mine", "line-1", (user,), ("42", "42.0"))
    (task,) = read(tmp_path, "preference", lines({**PREFERENCE, "id": 7})).tasks
    # Rank 1 is best, truth is larger for better.
    assert task == PreferenceTask(
        "mine", "7", (ChatMessage("user", "Name a fruit."),), ("Fig", "Dog", "Pear"), (2, 0, 2)
    )
    (task,) = read(tmp_path, "instruction", lines(INSTRUCTION)).tasks
    assert isinstance(task, InstructionTask)
    assert task.checks == (Check("contains_word", "rain"), Check("lower_case", ""))


def test_conversations_with_answers(tmp_path):
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
    ]
    path = tmp_path / "chat.jsonl"
    source = SourceConfig("chat", TaskKind.INSTRUCTION, str(path))
    path.write_text(lines({"kind": "instruction", "messages": turns}))
    (task,) = read_tasks(source, answered=True).tasks
    assert task.is_answered
    with pytest.raises(DataError, match="the last of messages must be a user turn"):
        read_tasks(source)
    for record, problem in (
        ({"messages": turns[:1]}, "must be the assistant's turn"),
        ({"messages": turns[1:]}, "no user turn"),
        ({"prompt": "Hi"}, "a prompt has no answer to show"),
    ):
        path.write_text(lines({"kind": "instruction", **record}))
        with pytest.raises(DataError, match=problem):
            read_tasks(source, answered=True)


@pytest.mark.parametrize("kind", RECORDS)
def test_a_task_survives_its_record(tmp_path, kind):
    (task,) = read(tmp_path, kind, lines(RECORDS[kind])).tasks
    assert read(tmp_path, kind, lines(format_task(task))).tasks == (task,)


def test_reasoning_with_tests_of_code(tmp_path):
    tests = {"inputs": ["1 2"], "outputs": ["3"]}
    record = {"kind": "reasoning", "prompt": "Add two numbers.", "tests": tests}
    (task,) = read(tmp_path, "reasoning", lines(record)).tasks
    assert task.gold == ()
    assert task.tests == StdioTests((StdioCase("1 2", "3"),))
    (same,) = read(tmp_path, "reasoning", lines({**record, "tests": json.dumps(tests)})).tasks
    assert same == task


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tests": {"inputs": ["1"], "outputs": []}}, "tasks.jsonl:1: tests: 1 inputs, but 0"),
        ({"tests": {"assert_case": ["f("]}}, r"tests: assert_case\[0\] = 'f\(': not Python"),
        ({"tests": {"inputs": ["1"], "outputs": ["1"]}, "answers": ["1"]}, "either answers"),
        ({}, "either answers .* or tests"),
    ],
)
def test_bad_tests_of_code_are_named(tmp_path, change, message):
    record = {"kind": "reasoning", "prompt": "Add two numbers."}
    with pytest.raises(DataError, match=message):
        read(tmp_path, "reasoning", lines({**record, **change}))


def test_truth_is_kept_as_given(tmp_path):
    record = {**PREFERENCE, "truth": [0.5, -1, 3], "metadata": {"anything": [1]}}
    del record["rank"]
    (task,) = read(tmp_path, "preference", lines(record)).tasks
    assert task.truth == (0.5, -1.0, 3.0)


def test_conversations(tmp_path):
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Bye"},
    ]
    (task,) = read(tmp_path, "instruction", lines({"kind": "instruction", "messages": turns})).tasks
    assert [(turn.role, turn.content) for turn in task.messages] == [
        (turn["role"], turn["content"]) for turn in turns
    ]
    assert task.checks == ()


def test_tied_preferences_are_dropped_and_counted(tmp_path):
    tied = {**PREFERENCE, "rank": [2, 2, 2]}
    read_back = read(tmp_path, "preference", lines(tied, PREFERENCE, tied))
    assert [task.key for task in read_back.tasks] == ["line-2"]
    assert read_back.dropped_ties == 2
    with pytest.raises(DataError, match="'mine' is empty, all its 2 records are tied"):
        read(tmp_path, "preference", lines(tied, tied))


@pytest.mark.parametrize("tests", ["{", "", "3", {}, [], None, {"kind": "stdio"}, {"kind": "x"}])
def test_unreadable_tests_of_code(tmp_path, tests):
    with pytest.raises(DataError, match=r"tasks\.jsonl:1: tests: .*see docs/code-rewards\.md"):
        read(tmp_path, "reasoning", lines({"kind": "reasoning", "prompt": "f", "tests": tests}))


@pytest.mark.parametrize("content", ["", "\n  \n"])
def test_empty_file(tmp_path, content):
    with pytest.raises(DataError, match=r"tasks\.jsonl: source 'mine' is empty"):
        read(tmp_path, "reasoning", content)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"absent\.jsonl: cannot be opened.*check the path"):
        read_tasks(SourceConfig("mine", TaskKind.REASONING, str(tmp_path / "absent.jsonl")))


def test_truncated_last_line(tmp_path):
    whole = lines(REASONING, REASONING)
    with pytest.raises(DataError, match=r"tasks\.jsonl:2: the last line is cut off"):
        read(tmp_path, "reasoning", whole[:-20])
    # A whole last record needs no line end.
    assert len(read(tmp_path, "reasoning", whole[:-1]).tasks) == 2


def test_truncated_within_a_character(tmp_path):
    record = json.dumps({**REASONING, "prompt": "¿Cuánto es 6 × 7?"}, ensure_ascii=False).encode()
    cut = record[: record.index("×".encode()) + 1]
    with pytest.raises(DataError, match=r"tasks\.jsonl:2: the last line is cut off"):
        read(tmp_path, "reasoning", lines(REASONING).encode() + cut)


def test_duplicate_ids_name_both_lines(tmp_path):
    record = {**REASONING, "id": "a"}
    with pytest.raises(DataError, match=r"tasks\.jsonl:3: id 'a' is already taken by line 1"):
        read(tmp_path, "reasoning", lines(record, REASONING, record))


@pytest.mark.parametrize(
    ("kind", "changes", "problem"),
    [
        ("reasoning", {"kind": "maths"}, "kind = 'maths': give one of 'reasoning'"),
        ("reasoning", {"kind": None}, "kind = None: give one of"),
        ("reasoning", {"kind": ["reasoning"]}, "kind = ['reasoning']: give one of"),
        ("reasoning", {"answr": 1}, "unknown field 'answr': reasoning records have kind, id"),
        ("reasoning", {"checks": []}, "unknown field 'checks'"),
        (
            "reasoning",
            {"tests": {"a": 1}},
            "either answers (the accepted final answers) or tests",
        ),
        ("reasoning", {"answers": "42"}, "answers = '42': give a list"),
        ("reasoning", {"answers": []}, "answers = []: give a list of at least 1"),
        ("reasoning", {"answers": ["42", 7]}, "answers[1] = 7: give a text"),
        ("reasoning", {"answers": [" "]}, "answers[0] = ' ': give a text that is not blank"),
        (
            "reasoning",
            {"answers": ["1", r"\boxed{}"]},
            r"answers[1]: gold answer '\boxed{}' is empty",
        ),
        ("reasoning", {"prompt": ""}, "prompt = '': give a text"),
        ("reasoning", {"prompt": "\ud800"}, "prompt holds half of a surrogate pair"),
        ("reasoning", {"messages": []}, "either prompt (a text) or messages"),
        ("reasoning", {"id": True}, "id = True: give a string"),
        ("reasoning", {"id": ""}, "id = '': give a string"),
        ("preference", {"responses": ["a"]}, "responses = ['a']: give a list of at least 2"),
        ("preference", {"rank": [1, 2]}, "rank = [1, 2]: give 3 numbers"),
        ("preference", {"rank": [1, 2, "3"]}, "rank holds '3': give finite numbers"),
        ("preference", {"rank": [1, 2, True]}, "rank holds True"),
        ("preference", {"rank": [1, 2, 10**400]}, "rank holds 1000"),
        ("preference", {"truth": [1, 2, 3]}, "give either truth"),
        ("instruction", {"checks": {}}, "checks = {}: give a list"),
        ("instruction", {"checks": ["x"]}, "checks[0] = 'x': give"),
        ("instruction", {"checks": [{"name": "x"}]}, "checks[0].name = 'x': give one of contains"),
        (
            "instruction",
            {"checks": [{"name": "max_words", "argument": "-1"}]},
            "checks[0].argument = '-1': give a number of words",
        ),
        (
            "instruction",
            {"checks": [{"name": "begins_with", "argument": "a b"}]},
            "checks[0].argument = 'a b': give one word",
        ),
    ],
)
def test_bad_records(tmp_path, kind, changes, problem):
    record = RECORDS[kind]
    with pytest.raises(DataError) as raised:
        read(tmp_path, kind, lines(record, {**record, **changes}))
    assert "tasks.jsonl:2: " in str(raised.value)
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([], "messages = []: give a list"),
        ([{"role": "user"}], "messages[0] = {'role': 'user'}: give exactly role and content"),
        ([{"role": "bot", "content": "a"}], "messages[0].role = 'bot'"),
        (
            [{"role": "user", "content": "a"}, {"role": "system", "content": "a"}],
            "messages[1].role = 'system'",
        ),
        ([{"role": "user", "content": None}], "messages[0].content = None"),
        ([{"role": "assistant", "content": "a"}], "must be a user turn"),
    ],
)
def test_bad_conversations(tmp_path, messages, problem):
    with pytest.raises(DataError) as raised:
        read(tmp_path, "instruction", lines({"kind": "instruction", "messages": messages}))
    assert "tasks.jsonl:1: " in str(raised.value)
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"[1, 2]\n", "[1, 2] is not an object"),
        (b"{'kind': 1}\n", "not a JSON object"),
        (b'{"kind": "preference", "rank": [NaN]}\n', "NaN is not a number"),
        (b'{"kind": "\xff"}\n', "not UTF-8 at byte 10"),
        (b"[" * 100_000 + b"\n", "not a JSON object"),
    ],
)
def test_bad_lines(tmp_path, line, problem):
    with pytest.raises(DataError) as raised:
        read(tmp_path, "preference", lines(PREFERENCE).encode() + line)
    assert "tasks.jsonl:2: " in str(raised.value)
    assert problem in str(raised.value)


def test_a_source_holds_one_kind(tmp_path):
    with pytest.raises(DataError, match=r":2: kind = 'preference', but source 'mine' is of kind"):
        read(tmp_path, "reasoning", lines(REASONING, PREFERENCE))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    kind=st.sampled_from(sorted(RECORDS)),
    changes=st.dictionaries(
        st.sampled_from(
            ["id", "prompt", "messages", "answers", "responses", "truth", "rank", "checks"]
        ),
        json_values,
        min_size=1,
        max_size=2,
    ),
)
def test_any_record_is_a_task_or_a_data_error(kind, changes):
    source = SourceConfig("mine", TaskKind(kind), "tasks.jsonl")
    try:
        task = parse_task({**RECORDS[kind], **changes}, source, "tasks.jsonl:1", "line-1")
    except DataError as error:
        assert str(error).startswith("tasks.jsonl:1: ")
    else:
        assert task.kind == kind
        assert task.messages[-1].role == "user"
