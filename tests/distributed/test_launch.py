"""The launcher starts real ranks."""

import subprocess
import sys


def test_exit_status_is_that_of_the_rank(tmp_path):
    """A real torchrun of two ranks: 2 is the status of bad input, torchrun's own would be 1."""
    config = tmp_path / "run.toml"
    config.write_text('[[data.sources]]\nname = "n"\nkind = "reasoning"\npath = "absent.jsonl"\n')
    result = subprocess.run(
        [sys.executable, "-m", "megatron_urpo.launch", "--nproc-per-node=2", "train", config],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 2, result.stderr
    assert "model.path = '' is no directory" in result.stderr
