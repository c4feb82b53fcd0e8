"""Imports point one way, and heavy libraries stay where they belong.

Read from the syntax trees, so that imports inside functions and under TYPE_CHECKING count too.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import megatron_urpo

PACKAGE = Path(megatron_urpo.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# A component (a module or subpackage) imports only from components above its own line.
LAYERS = (
    {"block_sizes", "console", "device", "disk", "excerpt", "main_memory", "ranks", "run_files"},
    {"code_tests"},
    {"_core", "types"},
    {"referee_measures"},
    {
        "config",
        "environment",
        "judging",
        "launch_environment",
        "progress",
        "run_lock",
        "stop_request",
        "weight_digest",
    },
    {"model_shape"},
    {
        "advantages",
        "batching",
        "data",
        "fp8",
        "heartbeats",
        "layout",
        "metrics",
        "model_files",
        "rewards",
    },
    {"weight_map"},
    {"doctor", "planning", "rollout", "training", "watchdog"},
    {"evaluation", "rollout_log", "weight_sync"},
    {"step_statistics"},
    {"earlier_run"},
    {"checkpoints"},
    {"monitoring"},
    {"supervised", "trainer"},
    {"report"},
    {"inputs"},
    {"build"},
    {"dry_run"},
    {"cli"},
    {"launch"},
)
LAYER = {component: depth for depth, layer in enumerate(LAYERS) for component in layer}

# Heavy library -> what alone may import it.
OWNERS = {
    "megatron": "training/",
    "transformer_engine": "training/",
    "vllm": "rollout/engine.py",
}
LIGHT = (
    *("config", "judging", "data", "rewards", "advantages", "metrics", "model_files"),
    *("model_shape", "layout", "fp8", "device", "block_sizes", "weight_map"),
    *("planning", "doctor"),
    *("monitoring.statistics", "monitoring.alarms", "monitoring.baseline"),
)


def imported_modules(path):
    """Absolute names of all modules a file imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: use an absolute import"
            yield node.module
            if node.module == "megatron_urpo":
                yield from (f"megatron_urpo.{alias.name}" for alias in node.names)


def component(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    own = component(path)
    if own == "__init__":
        assert not any(name.startswith("megatron_urpo") for name in imported_modules(path))
        return
    assert own in LAYER, f"{own} is new: give it a place in LAYERS"
    for name in imported_modules(path):
        package, _, rest = name.partition(".")
        if package != "megatron_urpo" or not rest:
            continue
        other = rest.split(".")[0]
        assert other == own or LAYER.get(other, 0) < LAYER[own], (
            f"{path.relative_to(PACKAGE)} imports {name}, which does not stand above it"
        )


@pytest.mark.parametrize("library", OWNERS)
def test_heavy_libraries_have_one_owner(library):
    importers = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if any(name.split(".")[0] == library for name in imported_modules(path))
    }
    strays = {name for name in importers if not name.startswith(OWNERS[library])}
    assert not strays, f"only {OWNERS[library]} imports {library}"


def test_vllm_and_megatron_are_used_at_all():
    assert "vllm" in {name.split(".")[0] for path in MODULES for name in imported_modules(path)}
    assert "megatron" in {name.split(".")[0] for path in MODULES for name in imported_modules(path)}


PROBE = """
import importlib, pkgutil, sys
HEAVY = {"vllm", "megatron", "transformer_engine", "torch", "transformers"}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HEAVY:
            raise ImportError(f"{name} is not to be had here")
sys.meta_path.insert(0, Refuse())
for name in sys.argv[1:]:
    module = importlib.import_module(f"megatron_urpo.{name}")
    for part in pkgutil.walk_packages(getattr(module, "__path__", []), f"megatron_urpo.{name}."):
        importlib.import_module(part.name)
"""


@pytest.mark.parametrize("name", LIGHT)
def test_light_components_load_without_heavy_libraries(name):
    result = subprocess.run(
        [sys.executable, "-c", PROBE, name],
        capture_output=True,
        text=True,
        check=False,
        cwd=PACKAGE.parent,
    )
    assert result.returncode == 0, result.stderr
