"""tools/prepare_data.py: what it answers to what cannot work. Whole runs: tests/end_to_end."""

import json

import pytest

from tools.prepare_data import main

CONFIG = """
directory = "{directory}/out"
[model]
path = "{model}"
[[sources]]
name = "x"
format = "gsm8k"
path = "{directory}/rows.jsonl"
"""
MODEL = ".cache/models/SmolLM2-135M-Instruct"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(CONFIG.format(directory=tmp_path, model=MODEL))
    return path


def test_missing_files(config, tmp_path, capsys):
    assert main([str(tmp_path / "absent.toml")]) == 2
    assert "absent.toml: cannot be read" in capsys.readouterr().err
    assert main([str(config)]) == 2
    error = capsys.readouterr().err
    assert "prepare_data: " in error
    assert "rows.jsonl: there is no such file or directory: check the path" in error
    (tmp_path / "rows.jsonl").write_text("")
    assert main([str(config), "--model.path", "nowhere"]) == 2
    assert "model.path = 'nowhere' is no directory" in capsys.readouterr().err
    assert main([str(config), "--evaluation_sets", f'["{tmp_path}/none.jsonl"]']) == 2
    assert "none.jsonl: there is no such file" in capsys.readouterr().err


def test_nothing_usable_is_a_failure(config, tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text(json.dumps({"question": "a", "answer": "b"}) + "\n")
    assert main([str(config)]) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines()[1].split() == ["x", "reasoning", "1", "1", "0"]
    assert "nothing is left of x" in printed.err
