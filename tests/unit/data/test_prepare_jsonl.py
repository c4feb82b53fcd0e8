"""tools/prepare_jsonl.py: each format, bad rows, and the real files."""

import gzip
import importlib.util
import json

import pytest

from megatron_urpo.config import SourceConfig
from megatron_urpo.data.sources import load_source
from megatron_urpo.types import TaskKind

from .conftest import REPOSITORY

GSM8K = {"question": "How much?", "answer": "It is 1,000 * 2.\n#### 2,000"}
RANKED = {
    "instruction": "Answer.",
    "input": "2+2?",
    "answers": [{"answer": "5", "rank": 2.0}, {"answer": "4", "rank": 1.0, "model": "m"}],
    "split": "train",
}
PROMPTS = {"context_messages": [{"content": "Hi", "role": "user", "x": 1}], "id": "7"}


@pytest.fixture(scope="module")
def prepare():
    path = REPOSITORY / "tools" / "prepare_jsonl.py"
    spec = importlib.util.spec_from_file_location("prepare_jsonl", path)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["prepare_jsonl"] = module
    spec.loader.exec_module(module)
    return module


def run(prepare, tmp_path, name, *rows, options=(), compress=False):
    text = "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)
    source = tmp_path / ("rows.jsonl.gz" if compress else "rows.jsonl")
    source.write_bytes(gzip.compress(text.encode()) if compress else text.encode())
    output = tmp_path / "out.jsonl"
    code = prepare.main([name, str(source), str(output), *options])
    return code, [json.loads(line) for line in output.read_text().splitlines()]


def test_gsm8k(prepare, tmp_path):
    code, (record,) = run(prepare, tmp_path, "gsm8k", GSM8K)
    assert code == 0
    assert record == {
        "kind": "reasoning",
        "id": "rows-1",
        "prompt": "How much?\nReason step by step and put the final answer in \\boxed{}.",
        "answers": ["2000"],
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "rows.jsonl"]


def test_ranked(prepare, tmp_path):
    other = {**RANKED, "split": "test"}
    code, (record,) = run(
        prepare, tmp_path, "ranked", other, RANKED, options=["--split", "train"], compress=True
    )
    assert code == 0
    assert record["prompt"] == "Answer.\n\n2+2?"
    source = SourceConfig("p", TaskKind.PREFERENCE, str(tmp_path / "out.jsonl"))
    (task,) = load_source(source, "train", 0).tasks
    assert (task.key, task.responses, task.truth) == ("rows-2", ("5", "4"), (0.0, 1.0))


def test_prompts(prepare, tmp_path):
    code, (record,) = run(prepare, tmp_path, "prompts", PROMPTS)
    assert code == 0
    assert record["messages"] == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("gsm8k", '{"question": \n', "not JSON"),
        ("gsm8k", "[1]\n", "not an object"),
        ("gsm8k", {**GSM8K, "answer": "no mark"}, "answer has nothing after '####'"),
        ("gsm8k", {**GSM8K, "question": None}, "question is not a text"),
        ("ranked", {**RANKED, "answers": "x"}, "answers is not a list of objects"),
        ("ranked", {**RANKED, "answers": [{}, {}]}, "responses[0] = None: give a text"),
        ("ranked", {**RANKED, "input": 3}, "input is not a text"),
        ("ranked", {**RANKED, "answers": RANKED["answers"][:1]}, "give a list of at least 2"),
        ("prompts", {"context_messages": []}, "messages = []: give a list"),
        ("prompts", {"context": "Hi"}, "context_messages is not a list of objects"),
    ],
)
def test_bad_rows_are_counted_and_kept_aside(prepare, tmp_path, capsys, name, row, reason):
    good = {"gsm8k": GSM8K, "ranked": RANKED, "prompts": PROMPTS}[name]
    code, records = run(prepare, tmp_path, name, good, row, good)
    assert code == 0
    assert [record["id"] for record in records] == ["rows-1", "rows-3"]
    assert "1 rows rejected" in capsys.readouterr().out
    (reject,) = map(json.loads, (tmp_path / "out.rejects.jsonl").read_text().splitlines())
    assert reject["line"] == 2
    assert reason in reject["reason"]
    assert reject["row"] == (row.rstrip("\n") if isinstance(row, str) else json.dumps(row))


def test_nothing_usable_is_a_failure(prepare, tmp_path, capsys):
    code, records = run(prepare, tmp_path, "gsm8k", {"a": 1})
    assert code == 1
    assert records == []
    assert "nothing in" in capsys.readouterr().err


def test_missing_input(prepare, tmp_path, capsys):
    code = prepare.main(["gsm8k", str(tmp_path / "absent.jsonl"), str(tmp_path / "out.jsonl")])
    assert code == 1
    assert "absent.jsonl: No such file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "file", "options", "usable", "ties"),
    [
        ("gsm8k", "gsm8k_train_1000.jsonl", [], 1000, 0),
        # One row's responses are JSON booleans.
        ("ranked", "pandalm_nway_derived.jsonl", [], 99, 5),
        ("ranked", "alpaca_eval_nway_805.jsonl.gz", ["--split", "train"], 504, 24),
        ("prompts", "instructions_1000.jsonl", [], 1000, 0),
    ],
)
def test_real_files(prepare, tmp_path, real_data, name, file, options, usable, ties):
    output = tmp_path / "out.jsonl"
    assert prepare.main([name, str(real_data / file), str(output), *options]) == 0
    loaded = load_source(SourceConfig("s", prepare.FORMATS[name][0], str(output)), "train", 0)
    assert len(loaded.tasks) == usable - ties
    assert loaded.dropped_ties == ties
