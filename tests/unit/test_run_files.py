"""A file of a run has one name, and that stands in one place."""

import ast
from pathlib import Path

from megatron_urpo import run_files

ROOT = Path(__file__).parents[2]
NAMES = {value for name, value in vars(run_files).items() if name.isupper()}
ALSO_OTHER_THINGS = {"monitoring", "sft", "export", "step_"}  # stages, commands


def test_names_are_spelled_in_one_module():
    spelled = {
        (str(path.relative_to(ROOT)), node.value)
        for folder in ("megatron_urpo", "tools")
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(run_files.__file__)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in NAMES - ALSO_OTHER_THINGS
    }
    assert spelled == set()
