"""Converts as the tools do, and records how far this process's memory rose.

conversion_worker.py RESULT to-megatron|to-hf ARGUMENTS-OF-THE-TOOL...

Its memory before is not counted: what importing takes has nothing to do with the model.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import megatron_urpo.training.hf_conversion  # noqa: F401  (its memory is there before)
from megatron_urpo.launch_environment import read_torch_rank
from tools import convert_hf_to_megatron, convert_megatron_to_hf

TOOLS = {"to-megatron": convert_hf_to_megatron, "to-hf": convert_megatron_to_hf}


def memory(field: str) -> int:
    """Bytes of a field of /proc/self/status: VmRSS now, VmHWM the most so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) << 10
    raise KeyError(field)


def main() -> None:
    result, tool, *arguments = sys.argv[1:]
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM counts from here
    before = memory("VmRSS")
    status = TOOLS[tool].main(arguments)
    if status == 0:
        rank = read_torch_rank(os.environ).rank
        Path(f"{result}-{rank}").write_text(str(memory("VmHWM") - before))
    sys.exit(status)


if __name__ == "__main__":
    main()
