"""Hugging Face <-> Megatron in one process; tests/distributed has several."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from megatron.core import dist_checkpointing
from megatron.core.dist_checkpointing.mapping import ShardedTensor
from safetensors.torch import load_file, save_file

from megatron_urpo.config import Config, ConfigError, ModelConfig, OptimizerConfig, TrainingConfig
from megatron_urpo.model_shape import read_model_shape
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.hf_conversion import (
    convert_hf_to_megatron,
    convert_megatron_to_hf,
    stream_checkpoint,
)
from megatron_urpo.training.model import build_model
from megatron_urpo.training.policy import Policy
from tests.model_configs import shrunk, write_model
from tests.small_models import FAMILIES

COMPANIONS = {
    "tokenizer.json": "{}",
    "tokenizer.model": "pieces",
    "generation_config.json": '{"eos_token_id": 2}',
    "chat_template.jinja": "{{ messages }}",
}


@pytest.fixture(params=FAMILIES)
def model(request, model_directory, tmp_path):
    """A model directory with the files that have to come along."""
    directory = tmp_path / "model"
    directory.mkdir()
    for file in model_directory(request.param).iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    for name, content in COMPANIONS.items():
        (directory / name).write_text(content)
    return directory


def there_and_back(directory, tmp_path, **options):
    convert_hf_to_megatron(directory, tmp_path / "megatron", TrainingConfig(), **options)
    convert_megatron_to_hf(
        tmp_path / "megatron/policy", tmp_path / "megatron", tmp_path / "back", shard_bytes=20_000
    )
    return tmp_path / "back"


def read_shards(directory):
    index = json.loads((directory / "model.safetensors.index.json").read_text())
    files = sorted(set(index["weight_map"].values()))
    tensors = {}
    for file in files:
        part = load_file(directory / file)
        assert set(part) == {n for n, place in index["weight_map"].items() if place == file}
        size = sum(tensor.nbytes for tensor in part.values())
        assert size <= 20_000 or len(part) == 1
        tensors |= part
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in tensors.values())
    return tensors, files


def test_round_trip_is_bitwise_and_brings_everything_along(model, tmp_path):
    back = there_and_back(model, tmp_path)
    tensors, files = read_shards(back)
    assert len(files) > 3
    expected = load_file(model / "model.safetensors")
    assert tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor), name
    for directory in (tmp_path / "megatron", back):
        for name, content in COMPANIONS.items():
            assert (directory / name).read_text() == content
        fields = json.loads((directory / "config.json").read_text())
        assert fields == json.loads((model / "config.json").read_text())


def test_models_of_all_fields_of_a_real_config_make_the_round_trip(fields, tmp_path):
    model = write_model(shrunk(fields), tmp_path / "model", torch.bfloat16)
    back = there_and_back(model, tmp_path)
    tensors, _ = read_shards(back)
    expected = load_file(model / "model.safetensors")
    assert tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensors[name], tensor), name
    assert (back / "config.json").read_text() == (model / "config.json").read_text()


def test_megatron_loads_it_as_its_own(model, tmp_path):
    """By a plain `dist_checkpointing.load`; keys and shapes are those training saves."""
    convert_hf_to_megatron(model, tmp_path / "megatron", TrainingConfig())
    config = Config(model=ModelConfig(path=str(model), params_dtype="float32"))
    parallel = parallelism.initialize(config)
    try:
        policy = Policy.from_pretrained(config, parallel, OptimizerConfig())
        (tmp_path / "saved").mkdir()
        policy.save(tmp_path / "saved")
        (fresh,) = build_model(read_model_shape(model), config, parallel)
        for parameter in fresh.parameters():
            parameter.data.fill_(torch.nan)
        loaded = dist_checkpointing.load(
            {"model": fresh.sharded_state_dict()}, str(tmp_path / "megatron/policy")
        )
        fresh.load_state_dict(loaded["model"])
        for mine, theirs in zip(fresh.parameters(), policy._chunks[0].parameters(), strict=True):
            assert torch.equal(mine, theirs)
    finally:
        parallelism.shutdown()

    converted, saved = (
        {
            key: (tensor.global_shape, tensor.dtype)
            for key, tensor in dist_checkpointing.load_tensors_metadata(str(directory)).items()
            if not key.startswith("optimizer.")
        }
        for directory in (tmp_path / "megatron/policy", tmp_path / "saved")
    )
    assert converted == saved


@pytest.fixture
def qwen2(model_directory):
    return model_directory("qwen2")


def test_weights_may_be_cast_on_the_way(qwen2, tmp_path):
    tensors, _ = read_shards(there_and_back(qwen2, tmp_path, params_dtype="bfloat16"))
    for name, tensor in load_file(qwen2 / "model.safetensors").items():
        assert torch.equal(tensors[name], tensor.bfloat16()), name
    assert json.loads((tmp_path / "back/config.json").read_text())["dtype"] == "bfloat16"


def test_several_dtypes_are_not_mixed_in_silence(qwen2, tmp_path):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "config.json").write_bytes((qwen2 / "config.json").read_bytes())
    tensors = load_file(qwen2 / "model.safetensors")
    tensors["model.norm.weight"] = tensors["model.norm.weight"].half()
    save_file(tensors, mixed / "model.safetensors")
    with pytest.raises(ConfigError, match="of F16, F32, .* --params-dtype"):
        convert_hf_to_megatron(mixed, tmp_path / "megatron", TrainingConfig())
    assert not (tmp_path / "megatron").exists()


def test_a_checkpoint_is_not_overwritten(qwen2, tmp_path):
    (tmp_path / "policy").mkdir()
    with pytest.raises(ConfigError, match="policy exists already: remove it"):
        convert_hf_to_megatron(qwen2, tmp_path, TrainingConfig())
    with pytest.raises(ConfigError, match="is where the export goes"):
        convert_hf_to_megatron(qwen2, qwen2, TrainingConfig())


def test_only_what_an_export_wrote_is_replaced_by_one(qwen2, model_directory, tmp_path):
    convert_hf_to_megatron(qwen2, tmp_path / "megatron", TrainingConfig())
    policy, other = tmp_path / "megatron/policy", tmp_path / "other"
    shutil.copytree(model_directory("qwen3"), other)
    before = {file.name: file.read_bytes() for file in other.iterdir()}
    with pytest.raises(ConfigError, match=r"other/model.safetensors belongs to .* would be lost"):
        convert_megatron_to_hf(policy, qwen2, other)
    with pytest.raises(ConfigError, match=r"other/model.safetensors belongs to .* would be lost"):
        convert_hf_to_megatron(qwen2, other, TrainingConfig())
    assert {file.name: file.read_bytes() for file in other.iterdir()} == before

    export = tmp_path / "export"
    export.mkdir()
    (export / "notes.txt").write_text("mine")
    for _ in range(2):
        convert_megatron_to_hf(policy, qwen2, export)
    assert (
        load_file(export / "model.safetensors").keys()
        == load_file(qwen2 / "model.safetensors").keys()
    )
    assert (export / "notes.txt").read_text() == "mine"


def test_what_cannot_become_a_hugging_face_directory(qwen2, model_directory, tmp_path, monkeypatch):
    target = tmp_path / "target"
    with pytest.raises(
        ConfigError, match="is no checkpoint in .* format: name what training or tools"
    ):
        convert_megatron_to_hf(qwen2, qwen2, target)
    convert_hf_to_megatron(qwen2, tmp_path / "megatron", TrainingConfig())
    policy = tmp_path / "megatron/policy"
    with pytest.raises(ConfigError, match="saved from another model: it differs in arch"):
        convert_megatron_to_hf(policy, model_directory("qwen3"), target)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_ADDR", "n0")
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(ConfigError, match="start it without torchrun"):
        convert_megatron_to_hf(policy, qwen2, target)
    assert not Path(target).exists()


def test_a_checkpoint_of_another_program_is_named(qwen2, tmp_path):
    parallelism.initialize(Config())
    try:
        theirs = ShardedTensor.from_rank_offsets("language_model.weight", torch.ones(3))
        dist_checkpointing.save({"weight": theirs}, str(tmp_path))
        with pytest.raises(ConfigError, match="lacks embedding.* name what training or tools"):
            next(stream_checkpoint(tmp_path, read_model_shape(qwen2)))
    finally:
        parallelism.shutdown()
