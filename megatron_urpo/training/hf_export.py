"""Writes a Hugging Face model directory that plain transformers and vLLM load."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from megatron_urpo.config import ConfigError
from megatron_urpo.training.parallel import Parallel

# Larger models are cut into files of at most this size; a larger tensor gets a file of its own.
SHARD_BYTES = 4 << 30
_PART = "model.safetensors.part"  # a file of weights that is not in its place yet
_MARKER = ".megatron_urpo_export"  # in a directory whose weights an export may replace
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".index.json")


def refuse_overwriting(source: Path, target: Path) -> None:
    """Raises ConfigError when an export would replace a model that is no earlier export.

    Args:
        source: the model the run starts from.
        target: where the export goes; need not exist.
    """
    if source.resolve() == target.resolve():
        raise ConfigError(
            f"model.path = {str(source)!r} is where the export goes: name another run.directory, "
            "or another --output"
        )
    if (target / _MARKER).is_file() or not target.is_dir():
        return
    found = next((f.name for f in sorted(target.iterdir()) if _holds_weights(f.name)), None)
    if found is not None:
        raise ConfigError(
            f"{target / found} belongs to a model that was not exported by this project and would "
            "be lost: name another directory, or move it away"
        )


def export_hf_directory(
    weights: Iterator[tuple[str, Tensor]],
    source: Path,
    target: Path,
    parallel: Parallel,
    chat_template: Path | None = None,
) -> None:
    """Writes the weights, and everything else that `source` holds beside its own weights.

    A collective: all ranks take part in the stream of weights, the main rank writes.

    Args: as for `write_hf_directory`.

    Raises:
        OSError: it cannot be written; RunError on the other ranks.
    """

    def write() -> None:
        try:
            write_hf_directory(weights, source, target, chat_template)
        finally:
            _exhaust(weights)  # the others are in the stream too

    if not parallel.is_main:
        _exhaust(weights)
    parallel.on_main(write)


def write_hf_directory(
    weights: Iterator[tuple[str, Tensor]],
    source: Path,
    target: Path,
    chat_template: Path | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Writes the weights, and everything else that `source` holds beside its own weights.

    One file's worth of weights is in memory at a time. config.json comes last, so that a directory
    without it is known to be unfinished. An earlier export stays whole until all weights of the new
    one are on the disk.

    Args:
        weights: (HF name, full tensor), the whole model.
        source: the directory the model was loaded from, for config.json and the tokenizer.
        target: made if absent; what an earlier export left there is replaced.
        chat_template: a Jinja file that the model was trained with instead of the source's own.
        shard_bytes: size of the files the weights are cut into, at most.

    Raises:
        OSError: a file cannot be written.
    """
    target.mkdir(parents=True, exist_ok=True)
    (target / _MARKER).touch()
    dtype = _write_weights(weights, target, shard_bytes)
    copy_companions(source, target)
    if chat_template is not None:
        # transformers prefers this file to the template in tokenizer_config.json.
        shutil.copyfile(chat_template, target / "chat_template.jinja")
    write_hf_config(source, target, dtype)


def copy_companions(source: Path, target: Path) -> None:
    """Copies the files of a model directory except its weights and config.json.

    Tokenizers of either kind, generation_config.json and chat templates are among them.
    """
    for file in sorted(source.iterdir()):
        if (
            file.is_file()
            and file.name not in ("config.json", _MARKER)
            and not _holds_weights(file.name)
        ):
            shutil.copyfile(file, target / file.name)


def _holds_weights(file_name: str) -> bool:
    return file_name.endswith(_WEIGHT_SUFFIXES)


def write_hf_config(source: Path, target: Path, dtype: str) -> None:
    """Writes the config.json of `source` into `target`, with the dtype of the weights."""
    fields = json.loads((source / "config.json").read_text(encoding="utf-8"))
    fields["dtype" if "dtype" in fields else "torch_dtype"] = dtype
    (target / "config.json").write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")


def _write_weights(weights: Iterator[tuple[str, Tensor]], target: Path, shard_bytes: int) -> str:
    """Writes the shards and, if there are several, their index; returns the weights' dtype.

    What an earlier export left is deleted in between, config.json first.
    """
    for leftover in target.glob(f"{_PART}*"):
        leftover.unlink()
    shard: dict[str, Tensor] = {}
    written: list[list[str]] = []
    held_bytes = total_bytes = 0
    dtype = ""
    for name, tensor in weights:
        size = tensor.numel() * tensor.element_size()
        if shard and held_bytes + size > shard_bytes:
            written.append(_write_shard(shard, target, len(written)))
            shard, held_bytes = {}, 0
        # A copy of its own: safetensors refuses tensors that share memory.
        shard[name] = tensor.to("cpu", copy=True).contiguous()
        held_bytes += size
        total_bytes += size
        dtype = str(tensor.dtype).removeprefix("torch.")
    written.append(_write_shard(shard, target, len(written)))
    (target / "config.json").unlink(missing_ok=True)
    for stale in target.glob("model*.safetensors*"):
        if not stale.name.startswith(_PART):
            stale.unlink()
    if len(written) == 1:
        os.replace(target / _temporary_name(0), target / "model.safetensors")
        return dtype
    weight_map: dict[str, str] = {}
    for number, names in enumerate(written):
        file = f"model-{number + 1:05d}-of-{len(written):05d}.safetensors"
        os.replace(target / _temporary_name(number), target / file)
        weight_map |= dict.fromkeys(names, file)
    index = {"metadata": {"total_size": total_bytes}, "weight_map": weight_map}
    (target / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
    return dtype


def _write_shard(shard: dict[str, Tensor], target: Path, number: int) -> list[str]:
    path = target / _temporary_name(number)
    try:
        save_file(shard, path, metadata={"format": "pt"})
    except SafetensorError as error:  # whatever the system refused
        path.unlink(missing_ok=True)
        raise OSError(f"{path} cannot be written: {error}") from error
    return list(shard)


def _temporary_name(number: int) -> str:
    return f"{_PART}{number}"


def _exhaust(weights: Iterator[tuple[str, Tensor]]) -> None:
    for _ in weights:
        pass
