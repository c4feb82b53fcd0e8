"""What the result of a preparation depends on: it is repeated when any of it has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from megatron_urpo.config import ModelConfig
from megatron_urpo.data.preparation.hub import HubDataset, local_files, resolve_revision
from megatron_urpo.data.preparation.manifest import hash_file, software_versions
from megatron_urpo.data.preparation.raw_rows import list_files
from megatron_urpo.data.preparation.settings import PreparationConfig, RawSourceConfig

Plan = dict[str, Any]
# Of the files beside a model's weights: those that its tokenizer and its template may be made from.
_TOKENIZER_SUFFIXES = (".json", ".jinja", ".txt", ".model", ".tiktoken", ".py")


def shared_plan(config: PreparationConfig) -> Plan:
    """What the files of every source depend on.

    Raises:
        DataError: an evaluation set is missing.
    """
    return {
        "filters": asdict(config.filters),
        "rows_per_part": config.rows_per_part,
        "held_out": config.held_out,
        "model": _model_files(config.model),
        "evaluation_sets": _hashes(
            file for path in config.evaluation_sets for file in list_files(Path(path))
        ),
        "software": software_versions(),
    }


def source_plan(config: RawSourceConfig, shared: Plan) -> tuple[Plan, str]:
    """All that the file of a source depends on, other sources aside, and its commit on the hub.

    Raises:
        DataError: its files are missing, or the hub cannot be reached.
    """
    plan = {"source": asdict(config), **shared}
    revision = ""
    if config.path:
        plan["files"] = _hashes(list_files(Path(config.path)))
    else:
        dataset = hub_dataset(config, config.revision)
        revision = resolve_revision(dataset)
        plan["commit"] = revision
        plan["files"] = _hashes(local_files(dataset))
    return json.loads(json.dumps(plan)), revision  # as it is read back: no tuples


def hub_dataset(config: RawSourceConfig, revision: str) -> HubDataset:
    """The data set on the hub, or in a directory laid out like one, that a source names."""
    return HubDataset(config.hub_id, config.hub_config, config.hub_split, revision)


def digest(plan: Plan) -> str:
    """A short name for a plan."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def _model_files(model: ModelConfig) -> Plan:
    directory, template = Path(model.path), Path(model.chat_template)
    files = sorted((*directory.glob("*"), *directory.glob("additional_chat_templates/*")))
    used = [file for file in files if file.name.endswith(_TOKENIZER_SUFFIXES) and file.is_file()]
    return {
        "path": model.path,
        "files": _hashes(used),
        "chat_template": _hashes([template] if model.chat_template and template.is_file() else []),
    }


def _hashes(files: Iterable[Path]) -> list[Plan]:
    return [asdict(hash_file(file)) for file in files]
