"""tools/prepare_data.py as a user runs it: the example's manner, a real kill, and going on."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.end_to_end.conftest import REPOSITORY

ROWS = 3000
CONFIG = """
directory = "{directory}"
rows_per_part = 200
[model]
path = ".cache/models/SmolLM2-135M-Instruct"
[[sources]]
name = "first"
format = "prompt_collection"
path = "{rows}"
[[sources]]
name = "second"
format = "tulu3_sft"
path = "{chat}"
"""


def write_inputs(directory: Path) -> None:
    """Prompts with a duplicate in ten and a bad line in a hundred; a few conversations."""
    with (directory / "rows.jsonl").open("w") as file:
        for number in range(ROWS):
            text = f"Write {number % 2700} lines about the number {number % 2700}, and no others."
            turn = {"role": "user", "content": text}
            row = {"context_messages": [turn], "id": str(number)}
            file.write("{broken\n" if number % 100 == 7 else json.dumps(row) + "\n")
    with (directory / "chat.jsonl").open("w") as file:
        for number in range(50):
            turns = [("user", f"Say {number}."), ("assistant", str(number))]
            messages = [{"role": role, "content": content} for role, content in turns]
            file.write(json.dumps({"messages": messages}) + "\n")


def start(directory: Path, name: str) -> subprocess.Popen[str]:
    rows, chat = directory / "rows.jsonl", directory / "chat.jsonl"
    text = CONFIG.format(directory=directory / name, rows=rows, chat=chat)
    (directory / f"{name}.toml").write_text(text)
    return subprocess.Popen(
        [sys.executable, "tools/prepare_data.py", str(directory / f"{name}.toml")],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def hashes(directory: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.iterdir()
        if not path.name.endswith(".manifest.json")  # holds the directory's name
    }


def test_a_killed_preparation_goes_on_and_writes_the_same(tmp_path):
    write_inputs(tmp_path)
    whole = start(tmp_path, "whole")
    output, errors = whole.communicate(timeout=300)
    assert whole.returncode == 0, errors
    table = [line.split() for line in output.splitlines()]
    # Numbers modulo 2,700: rows 2,700 to 2,999 repeat rows 0 to 299, 3 of which are bad in both.
    assert table[1] == ["first", "instruction", "3,000", "30", "297", "2,673"]
    assert table[2] == ["second", "instruction", "50", "0", "0", "50"]

    killed = start(tmp_path, "killed")
    work = tmp_path / "killed" / ".preparation" / "first"
    wait_for(work / "part-00003.json")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    finished = {path: path.stat().st_mtime_ns for path in work.glob("part-*.json")}
    assert len(finished) < ROWS / 200
    assert not list((tmp_path / "killed").glob("*.arrow"))

    resumed = start(tmp_path, "killed")
    said = []
    assert resumed.stderr is not None
    for line in resumed.stderr:
        said.append(line)
        if line.startswith("first: 3,000 rows"):
            assert {path: path.stat().st_mtime_ns for path in finished} == finished
    output, _ = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, said
    assert f"first: goes on behind row {200 * len(finished):,}\n" in said
    assert [line.split() for line in output.splitlines()] == table
    assert hashes(tmp_path / "killed") == hashes(tmp_path / "whole")
