import json

import pytest

from megatron_urpo.config import ConfigError
from megatron_urpo.model_shape import RopeScaling, read_model_shape

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "hidden_act": "silu",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "is_llama_config": True,
    "max_position_embeddings": 8192,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 9,
    "num_hidden_layers": 30,
    "num_key_value_heads": 3,
    "rms_norm_eps": 1e-05,
    "rope_interleaved": False,
    "rope_scaling": None,
    "rope_theta": 100000,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "vocab_size": 49152,
}
QWEN3 = {
    "architectures": ["Qwen3ForCausalLM"],
    "head_dim": 128,
    "hidden_act": "silu",
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "layer_types": ["full_attention"] * 2,
    "max_position_embeddings": 32768,
    "max_window_layers": 2,
    "num_attention_heads": 16,
    "num_hidden_layers": 2,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06,
    "rope_parameters": {"rope_theta": 1000000, "rope_type": "default"},
    "sliding_window": None,
    "use_sliding_window": False,
    "vocab_size": 151936,
}
LLAMA3_SCALING = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
    "rope_type": "llama3",
}


def read(tmp_path, fields):
    (tmp_path / "config.json").write_text(json.dumps(fields))
    return read_model_shape(tmp_path)


def test_llama(tmp_path):
    shape = read(tmp_path, LLAMA)
    assert (shape.num_layers, shape.hidden_size, shape.ffn_hidden_size) == (30, 576, 1536)
    assert (shape.num_attention_heads, shape.num_query_groups, shape.kv_channels) == (9, 3, 64)
    assert (shape.rotary_base, shape.rope_scaling) == (100000.0, None)
    assert shape.tie_word_embeddings
    assert not shape.qkv_bias and not shape.qk_layernorm


def test_qwen3_and_the_newer_place_of_rope(tmp_path):
    shape = read(tmp_path, QWEN3)
    assert shape.kv_channels == 128  # not hidden_size / heads
    assert shape.qk_layernorm and not shape.qkv_bias
    assert shape.rotary_base == 1000000.0
    assert not shape.tie_word_embeddings


@pytest.mark.parametrize("key", ["rope_scaling", "rope_parameters"])
def test_llama3_scaling(tmp_path, key):
    shape = read(tmp_path, LLAMA | {"rope_scaling": None, key: LLAMA3_SCALING})
    assert shape.rope_scaling == RopeScaling(8.0, 1.0, 4.0, 8192)
    assert shape.rotary_base == 100000.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_act": "gelu"}, "hidden_act = 'gelu' is not supported"),
        ({"attention_bias": True}, "attention_bias = True is not supported"),
        ({"mlp_bias": True}, "mlp_bias = True is not supported"),
        ({"logit_scale": 0.5}, "unknown field logit_scale = 0.5"),
        ({"architectures": ["MixtralForCausalLM"]}, "MixtralForCausalLM.* supported are Llama"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "rope scaling 'yarn'"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 4.0}}, "rope scaling 'llama3'"),
        ({"layer_types": ["sliding_attention"]}, "layer_types contains 'sliding_attention'"),
    ],
)
def test_what_would_change_the_computation_is_refused(tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, LLAMA | change)


def test_missing_field(tmp_path):
    with pytest.raises(ConfigError, match="config.json: the field vocab_size is missing"):
        read(tmp_path, {key: value for key, value in LLAMA.items() if key != "vocab_size"})


def test_missing_directory_file_and_broken_json(tmp_path):
    with pytest.raises(ConfigError, match="is not a directory"):
        read_model_shape(tmp_path / "absent")
    with pytest.raises(ConfigError, match="config.json is missing"):
        read_model_shape(tmp_path)
    (tmp_path / "config.json").write_text('{\n"a": \n}')
    with pytest.raises(ConfigError, match="config.json:3: not valid JSON"):
        read_model_shape(tmp_path)


def test_two_rope_fields_have_to_agree(tmp_path):
    both = LLAMA | {
        "rope_scaling": LLAMA3_SCALING,
        "rope_parameters": LLAMA3_SCALING | {"rope_theta": 100000},
    }
    assert read(tmp_path, both).rope_scaling.factor == 8.0
    with pytest.raises(ConfigError, match="say different things"):
        read(tmp_path, both | {"rope_parameters": {"rope_type": "default"}})
