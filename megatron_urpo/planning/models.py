"""Shapes of published models, so that a run can be planned before anything is downloaded."""

from __future__ import annotations

from pathlib import Path

from megatron_urpo.config import ConfigError
from megatron_urpo.model_shape import (
    ARCHITECTURES,
    ModelShape,
    RopeScaling,
    read_model_shape,
)

_LLAMA31_ROPE = RopeScaling(
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=8192,
)


def _shape(
    architecture: str,
    layers: int,
    hidden: int,
    ffn: int,
    heads: int,
    groups: int,
    vocab: int,
    positions: int,
    *,
    head_dim: int = 0,
    epsilon: float = 1e-6,
    tied: bool = False,
    base: float = 1e6,
    scaling: RopeScaling | None = None,
) -> ModelShape:
    family = ARCHITECTURES[architecture]
    return ModelShape(
        architecture=architecture,
        num_layers=layers,
        hidden_size=hidden,
        ffn_hidden_size=ffn,
        num_attention_heads=heads,
        num_query_groups=groups,
        kv_channels=head_dim or hidden // heads,
        vocab_size=vocab,
        max_position_embeddings=positions,
        layernorm_epsilon=epsilon,
        tie_word_embeddings=tied,
        qkv_bias=family.qkv_bias,
        qk_layernorm=family.qk_layernorm,
        rotary_base=base,
        rope_scaling=scaling,
    )


_LLAMA, _QWEN2, _QWEN3 = "LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"
_LLAMA31_8B = _shape(
    _LLAMA, 32, 4096, 14336, 32, 8, 128256, 131072, epsilon=1e-5, base=5e5, scaling=_LLAMA31_ROPE
)

# From the config.json of each model on the Hugging Face hub.
MODELS: dict[str, ModelShape] = {
    "SmolLM2-135M": _shape(
        _LLAMA, 30, 576, 1536, 9, 3, 49152, 8192, epsilon=1e-5, tied=True, base=1e5
    ),
    "Qwen2.5-0.5B": _shape(_QWEN2, 24, 896, 4864, 14, 2, 151936, 32768, tied=True),
    "Qwen2.5-7B": _shape(_QWEN2, 28, 3584, 18944, 28, 4, 152064, 131072),
    "Qwen2.5-72B": _shape(_QWEN2, 80, 8192, 29568, 64, 8, 152064, 131072, epsilon=1e-5),
    "Qwen3-0.6B": _shape(_QWEN3, 28, 1024, 3072, 16, 8, 151936, 40960, head_dim=128, tied=True),
    "Qwen3-8B": _shape(_QWEN3, 36, 4096, 12288, 32, 8, 151936, 40960, head_dim=128),
    "Qwen3-32B": _shape(_QWEN3, 64, 5120, 25600, 64, 8, 151936, 40960, head_dim=128),
    "Llama-3.1-8B": _LLAMA31_8B,
    "Llama-3.1-70B": _shape(
        _LLAMA,
        80,
        8192,
        28672,
        64,
        8,
        128256,
        131072,
        epsilon=1e-5,
        base=5e5,
        scaling=_LLAMA31_ROPE,
    ),
    "OctoThinker-8B": _LLAMA31_8B,
}


def find_model(name: str | Path) -> ModelShape:
    """The shape of a model of the table, or of a Hugging Face directory.

    Raises:
        ConfigError: neither; or the directory's config.json is not supported.
    """
    if str(name) in MODELS:
        return MODELS[str(name)]
    if Path(name).is_dir():
        return read_model_shape(name)
    raise ConfigError(
        f"{str(name)!r} is neither a directory nor a known model: give a Hugging Face directory or "
        f"one of {', '.join(MODELS)}"
    )
