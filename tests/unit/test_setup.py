"""The build's own error message."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_missing_compiler_is_named_with_its_package(tmp_path):
    build = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext"]
        + ["--build-temp", str(tmp_path / "temp"), "--build-lib", str(tmp_path / "lib")],
        cwd=ROOT,
        env={**os.environ, "CXX": "no-such-compiler"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert build.returncode != 0
    assert "no C++ compiler: 'no-such-compiler' was not found" in build.stderr
    assert "apt-get install g++" in build.stderr
