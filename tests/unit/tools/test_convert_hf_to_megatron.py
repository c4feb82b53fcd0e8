"""What the tool says; tests/distributed/test_conversion.py runs it on real models."""

from tools.convert_hf_to_megatron import main


def test_a_source_that_is_no_model_is_one_clear_line(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere"), str(tmp_path / "target")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "nowhere" in line
    assert not (tmp_path / "target").exists()
