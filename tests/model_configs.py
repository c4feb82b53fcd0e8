"""config.json of well-known models, field for field, and small models that keep all their fields.

The values are those the models' authors publish. Further ones lie beside the public data sets.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file

_LLAMA_31_8B: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 128000,
    "eos_token_id": 128001,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "initializer_range": 0.02,
    "intermediate_size": 14336,
    "max_position_embeddings": 131072,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_scaling": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
    "rope_theta": 500000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.43.0.dev0",
    "use_cache": True,
    "vocab_size": 128256,
}
_QWEN25_7B: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151643,
    "hidden_act": "silu",
    "hidden_size": 3584,
    "initializer_range": 0.02,
    "intermediate_size": 18944,
    "max_position_embeddings": 131072,
    "max_window_layers": 28,
    "model_type": "qwen2",
    "num_attention_heads": 28,
    "num_hidden_layers": 28,
    "num_key_value_heads": 4,
    "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0,
    "sliding_window": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.40.1",
    "use_cache": True,
    "use_mrope": False,
    "use_sliding_window": False,
    "vocab_size": 152064,
}
_QWEN3_8B: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "head_dim": 128,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "initializer_range": 0.02,
    "intermediate_size": 12288,
    "max_position_embeddings": 40960,
    "max_window_layers": 36,
    "model_type": "qwen3",
    "num_attention_heads": 32,
    "num_hidden_layers": 36,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.51.0",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 151936,
}
_SMOLLM2_135M: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 576,
    "initializer_range": 0.041666666666666664,
    "intermediate_size": 1536,
    "is_llama_config": True,
    "max_position_embeddings": 8192,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 9,
    "num_hidden_layers": 30,
    "num_key_value_heads": 3,
    "pad_token_id": 2,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_interleaved": False,
    "rope_scaling": None,
    "rope_theta": 100000,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.42.3",
    "use_cache": True,
    "vocab_size": 49152,
}
WRITTEN_OUT: dict[str, dict[str, Any]] = {
    "Llama-3.1-8B": _LLAMA_31_8B,
    # Differs in size only.
    "Llama-3.1-70B": _LLAMA_31_8B
    | {
        "hidden_size": 8192,
        "intermediate_size": 28672,
        "num_attention_heads": 64,
        "num_hidden_layers": 80,
    },
    "Qwen2.5-7B": _QWEN25_7B,
    "Qwen2.5-72B": {key: value for key, value in _QWEN25_7B.items() if key != "use_mrope"}
    | {
        "hidden_size": 8192,
        "intermediate_size": 29568,
        "max_window_layers": 80,
        "num_attention_heads": 64,
        "num_hidden_layers": 80,
        "num_key_value_heads": 8,
        "rms_norm_eps": 1e-05,
        "transformers_version": "4.43.1",
    },
    "Qwen3-8B": _QWEN3_8B,
    "SmolLM2-135M": _SMOLLM2_135M,
}
PUBLISHED_SIZES = {  # parameters, as on the models' pages
    "SmolLM2-135M": 134_515_008,
    "Qwen2.5-0.5B": 494_032_768,
    "Qwen2.5-7B": 7_615_616_512,
    "Qwen2.5-72B": 72_706_203_648,
    "Qwen3-0.6B": 596_049_920,
    "Qwen3-8B": 8_190_735_360,
    "Qwen3-32B": 32_762_123_264,
    "Llama-3.1-8B": 8_030_261_248,
    "Llama-3.1-70B": 70_553_706_496,
    "OctoThinker-8B": 8_030_261_248,
}
# Asked for by name; their files come from a directory of public configs where there is one.
ON_DISK = (
    "Llama-3.1-70B",
    "Llama-3.1-8B",
    "Llama-3.2-1B",
    "OctoThinker-8B-Hybrid-Base",
    "Qwen2.5-0.5B",
    "Qwen2.5-72B",
    "Qwen2.5-7B",
    "Qwen3-0.6B",
    "Qwen3-32B",
    "Qwen3-8B",
    "SmolLM2-135M-Instruct",
)


def config_on_disk(name: str) -> dict[str, Any] | None:
    """A model's own config.json, from `configs` beside URPO_TEST_DATA; None where it is not."""
    data = os.environ.get("URPO_TEST_DATA")
    path = Path(data or "").absolute().parent / "configs" / f"{name}.json"
    if not data or not path.is_file():
        return None
    fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return fields


def shrunk(fields: dict[str, Any]) -> dict[str, Any]:
    """The same fields with fewer layers, heads and words, so that a model takes a moment.

    Two groups of heads stay, each of as many as before and of the same dimension; hidden size and
    heads keep their ratio.
    """
    heads, groups = fields["num_attention_heads"], fields["num_key_value_heads"]
    kept = 2 * (heads // groups)
    small = {
        "num_hidden_layers": 2,
        "num_attention_heads": kept,
        "num_key_value_heads": 2,
        "hidden_size": fields["hidden_size"] * kept // heads,
        "intermediate_size": 192,
        "vocab_size": 211,
    }
    return fields | small


def write_model(fields: dict[str, Any], directory: Path, dtype: torch.dtype) -> Path:
    """A random model of these fields, as they stand; the same weights every time."""
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(fields, indent=2) + "\n")
    generator = torch.Generator().manual_seed(0)
    config = transformers.AutoConfig.from_pretrained(directory)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    tensors = {}
    for name, parameter in model.named_parameters():
        # Norms and biases are born as constants, which would hide errors.
        center, spread = (1.0, 0.2) if "norm" in name else (0.0, fields["initializer_range"])
        tensors[name] = (torch.randn(parameter.shape, generator=generator) * spread + center).to(
            dtype
        )
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    return directory
