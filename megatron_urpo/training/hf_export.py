"""Writes a Hugging Face model directory that plain transformers and vLLM load."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from megatron_urpo.config import ConfigError
from megatron_urpo.training.parallel import Parallel

# Larger models are cut into files of about this size.
_SHARD_BYTES = 4 << 30
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".index.json")


def refuse_overwriting(source: Path, target: Path) -> None:
    """Raises ConfigError when an export would replace the model the run starts from."""
    if source.resolve() == target.resolve():
        raise ConfigError(
            f"model.path = {str(source)!r} is where the export goes: name another run.directory, "
            "or another --output"
        )


def export_hf_directory(
    weights: Iterator[tuple[str, Tensor]],
    source: Path,
    target: Path,
    parallel: Parallel,
    chat_template: Path | None = None,
) -> None:
    """Writes the weights, and everything else that `source` holds beside its own weights.

    A collective: all ranks take part in the stream of weights, the main rank writes. config.json
    comes last, so that a directory without it is known to be unfinished.

    Args:
        weights: (HF name, full tensor), the whole model.
        source: the directory the model was loaded from, for config.json and the tokenizer.
        target: made if absent; files of the same name are replaced.
        chat_template: a Jinja file that the model was trained with instead of the source's own.
    """
    if not parallel.is_main:
        for _ in weights:
            pass
        return
    target.mkdir(parents=True, exist_ok=True)
    (target / "config.json").unlink(missing_ok=True)
    dtype = _write_weights(weights, target)
    for file in sorted(source.iterdir()):
        if (
            file.is_file()
            and file.name != "config.json"
            and not file.name.endswith(_WEIGHT_SUFFIXES)
        ):
            shutil.copyfile(file, target / file.name)
    if chat_template is not None:
        # transformers prefers this file to the template in tokenizer_config.json.
        shutil.copyfile(chat_template, target / "chat_template.jinja")
    fields = json.loads((source / "config.json").read_text(encoding="utf-8"))
    fields["dtype" if "dtype" in fields else "torch_dtype"] = dtype
    (target / "config.json").write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")


def _write_weights(weights: Iterator[tuple[str, Tensor]], target: Path) -> str:
    """Writes the shards and, if there are several, their index; returns the weights' dtype."""
    for stale in target.glob("model*.safetensors*"):
        stale.unlink()
    shard: dict[str, Tensor] = {}
    written: list[list[str]] = []
    shard_bytes = total_bytes = 0
    dtype = ""
    for name, tensor in weights:
        size = tensor.numel() * tensor.element_size()
        if shard and shard_bytes + size > _SHARD_BYTES:
            written.append(_write_shard(shard, target, len(written)))
            shard, shard_bytes = {}, 0
        # A copy of its own: safetensors refuses tensors that share memory.
        shard[name] = tensor.to("cpu", copy=True).contiguous()
        shard_bytes += size
        total_bytes += size
        dtype = str(tensor.dtype).removeprefix("torch.")
    written.append(_write_shard(shard, target, len(written)))
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
    save_file(shard, target / _temporary_name(number), metadata={"format": "pt"})
    return list(shard)


def _temporary_name(number: int) -> str:
    return f"model.safetensors.part{number}"
