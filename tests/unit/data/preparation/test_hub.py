"""Data sets of the hub, through datasets: directories laid out like one, and no network."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from megatron_urpo.data.adapters.table import ADAPTERS
from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.preparation.hub import HubDataset, read_hub, resolve_revision

CARD = """---
configs:
- config_name: preference
  data_files:
  - split: train
    path: preference/train.jsonl.gz
  - split: validation
    path: preference/validation.jsonl
- config_name: edit
  data_files: edit/*.jsonl
---
# A data set
"""


def preference(score):
    return {
        "domain": "general",
        "language": "english",
        "context": [{"role": "user", "content": "A fruit?"}],
        "response1": "Fig",
        "response2": "Dog",
        "overall_preference": score,
        "individual_preference": [{"score": score, "reasoning": "r"}],
    }


@pytest.fixture
def helpsteer3(tmp_path):
    """The layout of nvidia/HelpSteer3: configurations in the card, JSON Lines."""
    root = tmp_path / "HelpSteer3"
    for name, scores in (("train.jsonl.gz", range(-3, 4)), ("validation.jsonl", [1])):
        path = root / "preference" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(preference(score)) + "\n" for score in scores)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    (root / "edit").mkdir()
    (root / "edit" / "train.jsonl").write_text('{"other": 1}\n')
    (root / "README.md").write_text(CARD)
    return HubDataset(str(root), "preference", "train", "")


def test_rows_of_a_configuration_and_split(helpsteer3):
    rows = list(read_hub(helpsteer3))
    assert [row.position for row in rows] == list(range(1, 8))
    assert [row.values["overall_preference"] for row in rows] == list(range(-3, 4))
    assert rows[2].place == f"{helpsteer3.id}@local preference/train: row 3"
    truth = [ADAPTERS["helpsteer3"].record(row.values)["truth"] for row in rows]
    assert truth == [[3, 0], [2, 0], [1, 0], [0, 0], [0, 1], [0, 2], [0, 3]]
    assert list(read_hub(helpsteer3, skip=5)) == rows[5:]


def test_parquet_shards_by_name(tmp_path):
    """The layout of Skywork-OR1-RL-Data: a split a name, several shards."""
    (tmp_path / "data").mkdir()
    for shard in range(2):
        rows = [
            {
                "prompt": [{"content": f"What is {shard} + {n}?", "role": "user"}],
                "ability": "math",
                "reward_model": {"ground_truth": json.dumps([str(shard + n)]), "style": "rule"},
                "extra_info": {"index": n, "model_difficulty": {"R1-7B": 3}},
            }
            for n in range(3)
        ]
        name = f"math-{shard:05}-of-00002.parquet"
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / name)
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n"
        "  - split: math\n    path: data/math-*\n---\n"
    )
    rows = list(read_hub(HubDataset(str(tmp_path), "", "math", "")))
    records = [ADAPTERS["skywork_or1_math"].record(row.values) for row in rows]
    assert [record["answers"] for record in records] == [["0"], ["1"], ["2"], ["1"], ["2"], ["3"]]


def test_unknown_configuration_and_split(helpsteer3):
    for dataset in (
        HubDataset(helpsteer3.id, "nothing", "train", ""),
        HubDataset(helpsteer3.id, "preference", "test", ""),
    ):
        with pytest.raises(DataError, match="HelpSteer3: .*(nothing|test)"):
            list(read_hub(dataset))


GOOD = b'{"a": 1}\n'
BAD = {
    "cut off": b'{"a": \n',
    "not an object": b"[1, 2]\n",
    "not UTF-8": b'{"a": "\xff"}\n',
}


@pytest.mark.parametrize("name", ["train.jsonl", "train.jsonl.gz", "train.json"])
def test_a_bad_row_is_set_aside_with_its_place(tmp_path, name):
    """Bad rows cost none of the rows beside them, and blank lines keep their numbers."""
    lines = [GOOD, BAD["cut off"], b"\n", GOOD, BAD["not an object"], BAD["not UTF-8"], GOOD]
    text = b"".join(lines)
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    dataset = HubDataset(str(tmp_path), "", "train", "")
    rows = list(read_hub(dataset))
    assert [(row.position, row.values) for row in rows] == [
        (1, {"a": 1}),
        (2, None),
        (4, {"a": 1}),
        (5, None),
        (6, None),
        (7, {"a": 1}),
    ]
    assert [row.place for row in rows] == [
        f"{tmp_path}@local /train: row {row.position}" for row in rows
    ]
    assert [row.text for row in rows if row.values is None] == ['{"a": ', "[1, 2]", '{"a": "�"}']
    assert all(row.problem for row in rows if row.values is None)
    for skip in range(8):
        assert list(read_hub(dataset, skip)) == [row for row in rows if row.position > skip]


def test_a_list_is_read_as_one(tmp_path):
    (tmp_path / "train.json").write_text('\n [{"a": 1}, 2, {"a": 3}]')
    rows = list(read_hub(HubDataset(str(tmp_path), "", "train", "")))
    assert [(row.values, row.text) for row in rows] == [({"a": 1}, ""), (None, "2"), ({"a": 3}, "")]


def test_rows_of_other_types_and_columns_are_left_to_the_adapter(tmp_path):
    """What datasets would cast to one table, or give up on, arrives as it was written."""
    values = [{"a": 1}, {"a": "one", "b": 2}, {"b": [3]}, {"a": {"c": "2026-01-02"}}]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in values))
    assert [row.values for row in read_hub(HubDataset(str(tmp_path), "", "train", ""))] == values


def test_a_shard_that_lacks_a_column(tmp_path):
    for number, row in enumerate(({"instruction": "A fruit?", "label": 1}, {"label": "two"})):
        name = f"train-{number:05}-of-00002.parquet"
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / name)
    rows = list(read_hub(HubDataset(str(tmp_path), "", "train", "")))
    assert [row.values for row in rows] == [
        {"instruction": "A fruit?", "label": 1},
        {"label": "two"},
    ]


def test_other_files_are_left_to_datasets(tmp_path):
    (tmp_path / "train.csv").write_text("a,b\n1,x\n2,y\n3,z\n")
    dataset = HubDataset(str(tmp_path), "", "train", "")
    assert [row.values["b"] for row in read_hub(dataset, 1)] == ["y", "z"]
    (tmp_path / "train.csv").write_text("a,b\n1,x\n2,y,0,0\n")
    with pytest.raises(
        DataError, match="(?s)row 1 of train .*make .*parquet files of the data set"
    ):
        list(read_hub(dataset))


def test_a_split_that_is_made_of_others(helpsteer3):
    dataset = replace(helpsteer3, split="validation+train")
    assert [row.values["overall_preference"] for row in read_hub(dataset)] == [1, *range(-3, 4)]


def test_a_damaged_file_of_a_directory_is_named(helpsteer3):
    path = Path(helpsteer3.id, "preference", "train.jsonl.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"preference/train\.jsonl\.gz: damaged .*: copy it again"):
        list(read_hub(helpsteer3))


@pytest.fixture
def offline(monkeypatch):
    """No hub, and no waiting for one."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)


def test_without_a_network_the_error_says_what_to_do(offline):
    dataset = HubDataset("nvidia/HelpSteer3", "preference", "train", "main")
    for attempt in (resolve_revision, lambda dataset: list(read_hub(dataset))):
        with pytest.raises(DataError) as raised:
            attempt(dataset)
        message = str(raised.value)
        assert "nvidia/HelpSteer3 at revision 'main' cannot be read from the hub" in message
        assert "hf download --repo-type dataset nvidia/HelpSteer3 --revision main" in message
        assert "set hub = 'downloads/HelpSteer3'" in message


def test_a_connection_that_fails_is_the_same_error(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="ConnectError.*hf download --repo-type dataset a/b"):
        resolve_revision(HubDataset("a/b", "", "train", "main"))


def test_a_directory_and_a_commit_need_no_network(helpsteer3, offline):
    assert resolve_revision(helpsteer3) == ""
    commit = "0123456789abcdef" * 2 + "01234567"
    assert resolve_revision(HubDataset("a/b", "", "train", commit)) == commit
