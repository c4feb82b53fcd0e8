"""Preparations from a hub on this machine: which revision is read, and what becomes of bad rows."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from megatron_urpo.config import ModelConfig, SourceConfig
from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.preparation.prepare import prepare
from megatron_urpo.data.preparation.settings import PreparationConfig, RawSourceConfig
from megatron_urpo.data.sources import load_source
from megatron_urpo.types import TaskKind
from tests.local_hub import LocalHub

ROWS = 12
CARD = """---
configs:
- config_name: ranked
  data_files:
  - split: train
    path: ranked/*
---
"""


def row(number, revision):
    """A row of a megabyte, so that a stream of some of them is more than one request."""
    answers = [{"answer": f"{revision} {text}", "rank": rank} for rank, text in enumerate("ab")]
    return {
        "instruction": f"Question {number}?",
        "answers": answers,
        "unused": f"{number}" * 2**20,
    }


def json_lines(revision):
    lines = [json.dumps(row(number, revision)).encode() for number in range(ROWS)]
    lines[1] = b'{"instruction": '
    del (other := row(7, revision))["answers"]
    lines[7] = json.dumps(other).encode()
    lines[9] = json.dumps(row(9, revision) | {"answers": "none"}).encode()
    return {
        "README.md": CARD.encode(),
        "ranked/0.jsonl": b"\n".join(lines[:3]) + b"\n",
        "ranked/1.jsonl": b"\n".join(lines[3:]) + b"\n",
    }


def parquet(revision):
    rows = [row(number, revision) for number in range(ROWS)]
    rows[1] |= {"answers": None}
    without_answers = [{"instruction": "Question 3?", "unused": "3"}]
    sink = {}
    for name, part in (("0", rows[:3]), ("1", without_answers), ("2", rows[4:])):
        sink[name] = pa.BufferOutputStream()
        table = pa.Table.from_pylist(part)
        pq.write_table(table, sink[name], row_group_size=2, compression=None, use_dictionary=False)
    files = {f"ranked/{name}.parquet": file.getvalue().to_pybytes() for name, file in sink.items()}
    return {"README.md": CARD.encode(), **files}


LAYOUTS = {"json_lines": (json_lines, [2, 8, 10]), "parquet": (parquet, [2, 4])}  # and bad rows


@pytest.fixture
def use_hub(monkeypatch, tmp_path):
    """Points the libraries to a hub, with a cache of their own for it."""

    def use(hub):
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("datasets.config.HF_ENDPOINT", hub.url)
        monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)

    return use


@pytest.mark.parametrize(
    ("layout", "interrupted"), [("json_lines", False), ("json_lines", True), ("parquet", True)]
)
def test_the_rows_are_those_of_the_revision(layout, interrupted, tmp_path, model_path, use_hub):
    """Of the one that is named, and of no other; also where a stream that broke off goes on."""
    make_files, bad = LAYOUTS[layout]
    hub = LocalHub("some/set", {name: make_files(name) for name in ("main", "v2")})
    source = RawSourceConfig("ranked", "ranked", hub=hub.dataset, config="ranked", revision="v2")
    config = PreparationConfig(
        directory=str(tmp_path / "out"),
        model=ModelConfig(path=model_path),
        sources=(source,),
        rows_per_part=2,
    )
    said = []
    with hub.serve():
        use_hub(hub)
        if interrupted:
            hub.fail_after = 5 * 2**20
            with pytest.raises(
                DataError, match="(?s)some/set at revision .* start again: what was"
            ):
                prepare(config, said.append)
            assert said[-1].startswith("ranked: 2 rows")
            hub.fail_after = -1
        (manifest,) = prepare(config, said.append)
    assert ("ranked: goes on behind row 2" in said) == interrupted
    commit = hub.commits["v2"]
    assert {read for read, _ in hub.read} == {commit}
    assert (manifest.source, manifest.revision) == ("some/set", commit)
    assert (manifest.rows_read, manifest.rows_written) == (ROWS, ROWS - len(bad))
    written = SourceConfig("ranked", TaskKind.PREFERENCE, manifest.output.path)
    assert {task.responses for task in load_source(written, "train", 0).tasks} == {("v2 a", "v2 b")}
    rejects = [json.loads(line) for line in Path(manifest.rejects.path).read_text().splitlines()]
    assert [(entry["place"], entry["filter"]) for entry in rejects] == [
        (f"some/set@{commit} ranked/train: row {number}", "malformed") for number in bad
    ]
    assert all(entry["row"] for entry in rejects)
