"""The answer engine on random input, for half an hour or FUZZ_SECONDS: `make fuzz`."""

import os
import re
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("run.sh")
HALF_AN_HOUR = 1800


@pytest.mark.fuzz
def test_no_input_breaks_the_answer_engine():
    """Run by the script alone, which says what to install where there is no clang."""
    seconds = int(os.environ.get("FUZZ_SECONDS") or HALF_AN_HOUR)
    told = []
    with subprocess.Popen(
        [SCRIPT, str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as fuzzer:
        for line in fuzzer.stdout:
            print(line, end="", flush=True)
            told.append(line)
    text = "".join(told)
    assert fuzzer.returncode == 0, "".join(told[-40:])
    # The script would be content with a fuzzer that had nothing to do.
    assert int(re.search(r"stat::number_of_executed_units: (\d+)", text)[1]) > 1000
    assert int(re.search(r"Done \d+ runs in (\d+) second", text)[1]) >= seconds
