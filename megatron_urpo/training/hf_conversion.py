"""Model directories from Hugging Face's format to Megatron's distributed checkpoint, and back.

Both ways a tensor at a time: a process holds a file's worth of weights and some tensors of a layer,
whatever the size of the model. Both ways bitwise.

A converted directory has the layout of a training checkpoint's, so that one tool reads both:

    policy/        the weights, in Megatron's distributed checkpoint format
    config.json, tokenizer files, generation_config.json, chat template: as in the source
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import torch
from megatron.core import dist_checkpointing
from torch import Tensor

from megatron_urpo.config import Config, ConfigError, ModelConfig, TrainingConfig
from megatron_urpo.launch_environment import read_torch_rank
from megatron_urpo.model_files import SafetensorsDirectory
from megatron_urpo.model_shape import ModelShape, read_model_shape
from megatron_urpo.run_files import POLICY_DIRECTORY
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.hf_export import (
    SHARD_BYTES,
    copy_companions,
    refuse_overwriting,
    write_hf_config,
    write_hf_directory,
)
from megatron_urpo.training.hf_weights import (
    from_shards,
    hf_sources,
    open_model_files,
    read_parameter,
)
from megatron_urpo.training.model import DTYPES, build_model
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.platform import Platform
from megatron_urpo.training.sharded_state import (
    SHAPE_KEY,
    check_shape,
    checkpoint_metadata,
    explained_failures,
    sharded_model_state,
)
from megatron_urpo.training.streamed_checkpoint import CheckpointReader, StreamedSave
from megatron_urpo.weight_map import all_hf_names, hf_names_of, megatron_names, whole_model

# Conversion computes nothing: it runs on the CPU of any machine, with or without a GPU.
_CPU = Platform(device=torch.device("cpu"), backend="gloo")
_META = Platform(device=torch.device("meta"), backend="gloo")
_SAFETENSORS_DTYPES = {"BF16": "bfloat16", "F32": "float32"}


def convert_hf_to_megatron(
    source: Path, target: Path, layout: TrainingConfig, params_dtype: str = "auto"
) -> None:
    """Writes a Megatron directory from a Hugging Face one.

    Every process of a torchrun of the layout's size writes its own shard; one process alone, or
    any number of data-parallel copies, will do as well. The result does not depend on it.

    Args:
        source: config.json, safetensors, tokenizer.
        target: made if absent; must hold no checkpoint yet.
        layout: of the ranks that write.
        params_dtype: bfloat16, float32, or auto: as in the files.

    Raises:
        ConfigError: the source is not supported or not whole, or the target is in use.
    """
    shape = read_model_shape(source)
    files = open_model_files(source, shape)
    if params_dtype == "auto":
        params_dtype = _common_dtype(files, shape)
    config = Config(model=ModelConfig(path=str(source), params_dtype=params_dtype), training=layout)
    parallel = parallelism.initialize(config, _CPU)
    try:
        _make_target(source, target, parallel)
        _write_megatron(files, shape, target / POLICY_DIRECTORY, config, parallel)

        def write_companions() -> None:
            copy_companions(source, target)
            write_hf_config(source, target, params_dtype)

        parallel.on_main(write_companions)
    finally:
        parallelism.shutdown()


def convert_megatron_to_hf(
    checkpoint: Path,
    source: Path,
    target: Path,
    chat_template: Path | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Writes a Hugging Face directory from a distributed checkpoint of any layout.

    One process does it.

    Args:
        checkpoint: a directory of Megatron's format, converted or saved by training.
        source: where config.json and the tokenizer are.
        target: made if absent; files of the same name are replaced.
        chat_template: a Jinja file to take the place of the source's own.
        shard_bytes: size of the safetensors files, at most.

    Raises:
        ConfigError: the checkpoint is of another model than the source's config.json, or several
            processes were started.
    """
    refuse_several_processes()
    if not dist_checkpointing.check_is_distributed_checkpoint(str(checkpoint)):
        raise ConfigError(
            f"{checkpoint} is no checkpoint in Megatron's distributed format: name what training "
            "or tools/convert_hf_to_megatron.py wrote"
        )
    refuse_overwriting(source, target)
    shape = read_model_shape(source)
    check_shape(checkpoint, shape)
    parallelism.initialize(Config(), _CPU)
    try:
        weights = stream_checkpoint(checkpoint, shape)
        write_hf_directory(weights, source, target, chat_template, shard_bytes)
    finally:
        parallelism.shutdown()


def refuse_several_processes() -> None:
    """Raises ConfigError where this process is one of several."""
    if read_torch_rank(os.environ).world_size > 1:
        raise ConfigError(
            "one process converts to Hugging Face's format: start it without torchrun"
        )


def stream_checkpoint(directory: Path, shape: ModelShape) -> Iterator[tuple[str, Tensor]]:
    """(HF name, full tensor) of a distributed checkpoint, whatever layout wrote it."""
    reader = CheckpointReader(directory)
    for rule, layer in whole_model(shape):
        # Megatron stacks the layers of a model: their keys have no number.
        keys = [name.replace("layers.{}.", "layers.") for name in megatron_names(rule, None)]
        key = next((key for key in keys if key in reader), None)
        if key is None:
            raise ConfigError(
                f"{directory} lacks {keys[0]}, so that it was not written by this project: name "
                "what training or tools/convert_hf_to_megatron.py wrote"
            )
        tensors = from_shards([reader.read(key, layer)], rule.cut, shape)
        yield from zip(hf_names_of(rule, layer), tensors, strict=True)


def _write_megatron(
    files: SafetensorsDirectory,
    shape: ModelShape,
    directory: Path,
    config: Config,
    parallel: Parallel,
) -> None:
    on_meta = replace(parallel, platform=_META)
    with _META.device:
        chunks = build_model(shape, config, on_meta)
    dtype = DTYPES[config.model.params_dtype]
    sources = list(hf_sources(chunks, shape, parallel))

    def make(number: int) -> Tensor:
        _, rule, hf_names = sources[number]
        return read_parameter(files, rule, hf_names, shape, parallel).to(dtype)

    strategy = StreamedSave([parameter for parameter, _, _ in sources], make)
    state = {**sharded_model_state(chunks), SHAPE_KEY: asdict(shape)}
    with explained_failures(directory):
        dist_checkpointing.save(
            state, str(directory), sharded_strategy=strategy, content_metadata=checkpoint_metadata()
        )


def _make_target(source: Path, target: Path, parallel: Parallel) -> None:
    """The main rank makes the directories; every rank learns of it, or of why not."""
    refuse_overwriting(source, target)
    policy = target / POLICY_DIRECTORY

    def make() -> None:
        if policy.exists():
            raise ConfigError(f"{policy} exists already: remove it, or choose another target")
        policy.mkdir(parents=True)

    parallel.on_main(make)


def _common_dtype(files: SafetensorsDirectory, shape: ModelShape) -> str:
    """The one dtype of all tensors, as Megatron is told it.

    Raises:
        ConfigError: they have several, or another than bfloat16 and float32.
    """
    found = {files.dtype_of(name) for name in all_hf_names(shape)}
    if len(found) == 1 and (dtype := _SAFETENSORS_DTYPES.get(next(iter(found)))):
        return dtype
    raise ConfigError(
        f"the tensors are of {', '.join(sorted(found))}, Megatron's parameters of one dtype, "
        "bfloat16 or float32: choose it with --params-dtype"
    )
