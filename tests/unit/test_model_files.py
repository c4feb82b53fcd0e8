"""Which tensors a model directory says it has; damage is in training/test_hf_weights.py."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from megatron_urpo.model_files import ModelFilesError, SafetensorsDirectory

NAMES = ("model.norm.weight", "model.layers.0.self_attn.rotary_emb.inv_freq")


def test_weights_are_what_the_index_names_without_constants(tmp_path):
    save_file({name: np.zeros(2) for name in NAMES}, tmp_path / "a.safetensors")
    save_file({"adapter": np.zeros(2)}, tmp_path / "adapter_model.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": dict.fromkeys(NAMES, "a.safetensors")}))
    files = SafetensorsDirectory(tmp_path)
    assert files.weight_names == {"model.norm.weight"}
    fingerprint = files.fingerprint
    (tmp_path / "adapter_model.safetensors").unlink()
    assert SafetensorsDirectory(tmp_path).fingerprint == fingerprint
    save_file({name: np.ones(2) for name in NAMES}, tmp_path / "a.safetensors")
    assert SafetensorsDirectory(tmp_path).fingerprint != fingerprint
    index.unlink()
    with pytest.raises(ModelFilesError, match="neither model.safetensors nor"):
        SafetensorsDirectory(tmp_path)


def test_without_an_index_they_are_those_of_the_one_file(tmp_path):
    save_file({name: np.zeros(2) for name in NAMES}, tmp_path / "model.safetensors")
    files = SafetensorsDirectory(tmp_path)
    assert files.weight_names == {"model.norm.weight"}
    assert files.shape_of("model.norm.weight") == (2,)
