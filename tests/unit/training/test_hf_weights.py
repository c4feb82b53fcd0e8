import json
import shutil

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from megatron_urpo.model_files import ModelFilesError, SafetensorsDirectory
from megatron_urpo.model_shape import read_model_shape
from megatron_urpo.training.hf_weights import (
    from_shards,
    open_model_files,
    read_shard,
    to_shard,
)
from megatron_urpo.weight_map import Cut, hf_names_of, whole_model

FAMILIES = ["llama_tied", "llama_untied", "qwen2", "qwen3"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_round_trip_is_bitwise(make_policy, model_directory, tmp_path, family, dtype):
    policy = make_policy(family, dtype)
    policy.export(tmp_path / "export")

    original = load_file(model_directory(family) / "model.safetensors")
    exported = load_file(tmp_path / "export" / "model.safetensors")
    assert set(exported) == set(original)
    for name, tensor in original.items():
        assert torch.equal(exported[name], tensor.to(getattr(torch, dtype))), name
    reloaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "export", dtype="auto")
    assert reloaded.dtype == getattr(torch, dtype)


@pytest.fixture
def shape(model_directory):
    return read_model_shape(model_directory("qwen2"))  # 4 heads in 2 groups, head dimension 8


def test_qkv_is_interleaved_by_group(shape):
    rows = torch.arange(64, dtype=torch.float32)[:, None]
    query, key, value = rows[:32], rows[32:48], rows[48:]
    first = to_shard([query, key, value], Cut.QKV, shape, rank=0, size=2)
    # Group 0: queries of heads 0 and 1, then its key, then its value.
    expected = [*range(16), *range(32, 40), *range(48, 56)]
    assert first[:, 0].tolist() == expected


def test_gate_and_up_are_cut_before_they_are_joined(shape):
    gate, up = torch.arange(48.0)[:, None], 100 + torch.arange(48.0)[:, None]
    second = to_shard([gate, up], Cut.GATE_UP, shape, rank=1, size=2)
    assert second[:, 0].tolist() == [*range(24, 48), *range(124, 148)]


def test_vocabulary_is_padded_with_zeros(shape):
    table = torch.ones(97, 2)
    shards = [to_shard([table], Cut.VOCAB, shape, rank, 2) for rank in range(2)]
    assert [len(shard) for shard in shards] == [49, 49]
    assert shards[1][-1].tolist() == [0.0, 0.0]
    assert shards[1][:-1].all()


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize(
    ("layout", "sizes"),
    [
        (Cut.WHOLE, [(32,)]),
        (Cut.COLUMNS, [(8, 32)]),
        (Cut.VOCAB, [(97, 8)]),
        (Cut.QKV, [(32, 8), (16, 8), (16, 8)]),
        (Cut.QKV, [(32,), (16,), (16,)]),
        (Cut.GATE_UP, [(48, 8), (48, 8)]),
    ],
)
def test_shards_join_to_what_they_were_cut_from(shape, layout, sizes, size):
    tensors = [torch.randn(dimensions) for dimensions in sizes]
    shards = [to_shard(tensors, layout, shape, rank, size) for rank in range(size)]
    for joined, tensor in zip(from_shards(shards, layout, shape), tensors, strict=True):
        assert torch.equal(joined, tensor)


@pytest.mark.parametrize("family", ["llama_tied", "qwen2"])
def test_a_rank_reads_its_share_of_a_tensor_only(model_directory, monkeypatch, family):
    files = SafetensorsDirectory(model_directory(family))
    whole = load_file(model_directory(family) / "model.safetensors")
    read = []
    read_slice = SafetensorsDirectory.read_slice

    def counting(*arguments):
        tensor = read_slice(*arguments)
        read.append(tensor.nbytes)
        return tensor

    monkeypatch.setattr(SafetensorsDirectory, "read_slice", counting)
    shape = read_model_shape(model_directory(family))
    for rule, layer in whole_model(shape):
        names = hf_names_of(rule, layer)
        tensors = [whole[name] for name in names]
        read.clear()
        for rank in range(2):
            mine = read_shard(files, names, rule.cut, shape, rank, 2)
            assert torch.equal(mine, to_shard(tensors, rule.cut, shape, rank, 2)), names
        copies = 2 if rule.cut is Cut.WHOLE else 1
        assert sum(read) == copies * sum(tensor.nbytes for tensor in tensors)


@pytest.fixture
def damaged(model_directory, tmp_path):
    """A copy of a model directory to break."""
    directory = tmp_path / "model"
    shutil.copytree(model_directory("llama_untied"), directory)
    return directory


def split_into_shards(directory):
    tensors = load_file(directory / "model.safetensors")
    names = sorted(tensors)
    weight_map = {}
    for number, part in enumerate((names[:5], names[5:])):
        file = f"model-{number + 1:05d}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, directory / file)
        weight_map |= dict.fromkeys(part, file)
    (directory / "model.safetensors").unlink()
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_several_shards(make_policy_at, make_policy, damaged):
    split_into_shards(damaged)
    expected = dict(make_policy("llama_untied").hf_weights())
    for name, tensor in make_policy_at(damaged).hf_weights():
        assert torch.equal(tensor, expected[name])


def test_missing_shard(make_policy_at, damaged):
    split_into_shards(damaged)
    (damaged / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelFilesError, match=r"00002-of-00002.safetensors is missing.*download"):
        make_policy_at(damaged)


@pytest.mark.parametrize("text", ['{"weight_map": {"model.norm.wei', "{}", "[]"])
def test_an_index_that_was_cut_off(make_policy_at, damaged, text):
    split_into_shards(damaged)
    (damaged / "model.safetensors.index.json").write_text(text)
    with pytest.raises(ModelFilesError, match=r"index.json is damaged or cut off.*download"):
        make_policy_at(damaged)


def test_a_shard_that_was_cut_off_is_found_before_anything_is_loaded(damaged):
    split_into_shards(damaged)
    shard = damaged / "model-00002-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(ModelFilesError, match="00002-of-00002.safetensors is damaged or cut off"):
        open_model_files(damaged, read_model_shape(damaged))


def test_no_weights(make_policy_at, damaged):
    (damaged / "model.safetensors").unlink()
    with pytest.raises(ModelFilesError, match="neither model.safetensors nor"):
        make_policy_at(damaged)


def test_truncated_file(make_policy_at, damaged):
    file = damaged / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelFilesError, match=r"model.safetensors is damaged or cut off.*download"):
        make_policy_at(damaged)


def test_missing_tensor(make_policy_at, damaged):
    tensors = load_file(damaged / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, damaged / "model.safetensors")
    with pytest.raises(ModelFilesError, match=r"1 of 21 tensors .*layers.1.mlp.up_proj.weight"):
        make_policy_at(damaged)


def test_tensor_of_another_model(make_policy_at, damaged):
    tensors = load_file(damaged / "model.safetensors")
    tensors["model.layers.0.self_attn.q_proj.bias"] = torch.zeros(32)
    save_file(tensors, damaged / "model.safetensors")
    with pytest.raises(ModelFilesError, match="q_proj.bias is no part of the architecture"):
        make_policy_at(damaged)


def test_tensor_of_another_shape(make_policy_at, damaged):
    tensors = load_file(damaged / "model.safetensors")
    tensors["model.norm.weight"] = torch.zeros(16)
    save_file(tensors, damaged / "model.safetensors")
    with pytest.raises(ModelFilesError, match=r"model.norm.weight .* \(16,\), .* \(32,\)"):
        make_policy_at(damaged)


@pytest.mark.parametrize("name", ["model.embed_tokens.weight", "lm_head.weight"])
@pytest.mark.parametrize("rows", [96, 98])
def test_a_vocabulary_of_another_size(damaged, name, rows):
    tensors = load_file(damaged / "model.safetensors")
    tensors[name] = torch.zeros(rows, 32)
    save_file(tensors, damaged / "model.safetensors")
    shapes = rf"{name} is of shape \({rows}, 32\), config.json asks for \(97, 32\): vocab_size = 97"
    with pytest.raises(ModelFilesError, match=f"model.safetensors: {shapes} .*resize_token"):
        open_model_files(damaged, read_model_shape(damaged))
