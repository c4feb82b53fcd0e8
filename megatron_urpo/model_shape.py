"""The shape of a model, read strictly from its Hugging Face config.json.

Every field is known to this file: it is used, it must hold the one supported value, or it does not
change the computation. Anything else is an error, because an ignored field is how a model gets
trained as another one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from megatron_urpo.config import ConfigError


@dataclass(frozen=True, slots=True)
class RopeScaling:
    """Llama 3's change of the rotary frequencies. It acts at every length."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int


@dataclass(frozen=True, slots=True)
class ModelShape:
    """All of a config.json that training depends on. Names follow Megatron."""

    architecture: str  # a key of ARCHITECTURES
    num_layers: int
    hidden_size: int
    ffn_hidden_size: int
    num_attention_heads: int
    num_query_groups: int
    kv_channels: int  # dimension of a head
    vocab_size: int
    max_position_embeddings: int
    layernorm_epsilon: float
    tie_word_embeddings: bool
    qkv_bias: bool
    qk_layernorm: bool
    rotary_base: float
    rope_scaling: RopeScaling | None


@dataclass(frozen=True, slots=True)
class Architecture:
    """What sets one Hugging Face class apart from the others of the Llama family."""

    qkv_bias: bool = False
    qk_layernorm: bool = False
    # Further fields this class has, with the only values supported.
    required: Mapping[str, tuple[Any, ...]] | None = None


ARCHITECTURES: dict[str, Architecture] = {
    "LlamaForCausalLM": Architecture(
        required={"attention_bias": (False,), "mlp_bias": (False,), "rope_interleaved": (False,)}
    ),
    "Qwen2ForCausalLM": Architecture(
        qkv_bias=True, required={"use_sliding_window": (False,), "use_mrope": (False,)}
    ),
    "Qwen3ForCausalLM": Architecture(
        qk_layernorm=True, required={"attention_bias": (False,), "use_sliding_window": (False,)}
    ),
}

_USED = frozenset(
    "architectures num_hidden_layers hidden_size intermediate_size num_attention_heads "
    "num_key_value_heads head_dim vocab_size max_position_embeddings rms_norm_eps "
    "tie_word_embeddings rope_theta rope_scaling rope_parameters layer_types".split()
)
_REQUIRED: dict[str, tuple[Any, ...]] = {"hidden_act": ("silu",), "attention_dropout": (0.0, None)}
# Of generation, of other programs, of initialisation, or without effect given the fields above.
_WITHOUT_EFFECT = frozenset(
    "_name_or_path bos_token_id eos_token_id pad_token_id dtype torch_dtype model_type use_cache "
    "initializer_range transformers_version transformers.js_config pretraining_tp is_llama_config "
    "sliding_window max_window_layers return_dict output_attentions output_hidden_states "
    "chunk_size_feed_forward id2label label2id problem_type is_encoder_decoder".split()
)


def read_model_shape(directory: str | Path) -> ModelShape:
    """Reads and checks config.json of a model directory.

    Raises:
        ConfigError: no such directory or file, not JSON, an unknown architecture, or a field whose
            value is not supported; the message names the field and the value.
    """
    path = Path(directory) / "config.json"
    if not Path(directory).is_dir():
        raise ConfigError(f"model.path = {str(directory)!r} is not a directory: download the model")
    if not path.is_file():
        raise ConfigError(f"{path} is missing: model.path must be a Hugging Face model directory")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}: not valid JSON ({error.msg})") from error
    return _shape(fields, path)


def _shape(fields: dict[str, Any], path: Path) -> ModelShape:
    names = fields.get("architectures") or ["(none)"]
    architecture = ARCHITECTURES.get(names[0])
    if architecture is None:
        raise ConfigError(
            f"{path}: architectures = {names} is not supported; supported are "
            + ", ".join(ARCHITECTURES)
        )
    _check_fields(fields, architecture, path)
    for name in ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads"):
        _need(fields, name, path)
    heads, hidden_size = fields["num_attention_heads"], fields["hidden_size"]
    rotary_base, scaling = _rope(fields, path)
    return ModelShape(
        architecture=names[0],
        num_layers=fields["num_hidden_layers"],
        hidden_size=hidden_size,
        ffn_hidden_size=fields["intermediate_size"],
        num_attention_heads=heads,
        num_query_groups=fields.get("num_key_value_heads") or heads,
        kv_channels=fields.get("head_dim") or hidden_size // heads,
        vocab_size=_need(fields, "vocab_size", path),
        max_position_embeddings=_need(fields, "max_position_embeddings", path),
        layernorm_epsilon=_need(fields, "rms_norm_eps", path),
        tie_word_embeddings=fields.get("tie_word_embeddings", False),
        qkv_bias=architecture.qkv_bias,
        qk_layernorm=architecture.qk_layernorm,
        rotary_base=rotary_base,
        rope_scaling=scaling,
    )


def _need(fields: dict[str, Any], name: str, path: Path) -> Any:
    if name not in fields:
        raise ConfigError(f"{path}: the field {name} is missing")
    return fields[name]


def _check_fields(fields: dict[str, Any], architecture: Architecture, path: Path) -> None:
    required = {**_REQUIRED, **(architecture.required or {})}
    for name, value in fields.items():
        if name in required:
            if value not in required[name]:
                raise ConfigError(
                    f"{path}: {name} = {value!r} is not supported for "
                    f"{fields['architectures'][0]}, only {required[name][0]!r} is"
                )
        elif name not in _USED and name not in _WITHOUT_EFFECT:
            raise ConfigError(
                f"{path}: unknown field {name} = {value!r}; it could change the computation. If it "
                "does not, remove it from the file"
            )
    for layer_type in fields.get("layer_types") or ():
        if layer_type != "full_attention":
            raise ConfigError(
                f"{path}: layer_types contains {layer_type!r}, only 'full_attention' is supported"
            )


def _rope(fields: dict[str, Any], path: Path) -> tuple[float, RopeScaling | None]:
    """Base and scaling; newer files keep both under rope_parameters."""
    newer, older = fields.get("rope_parameters"), fields.get("rope_scaling")
    if newer and older and newer != older | {"rope_theta": newer.get("rope_theta")}:
        raise ConfigError(
            f"{path}: rope_parameters = {newer} and rope_scaling = {older} say different things; "
            "remove the one that the model was not trained with"
        )
    parameters = dict(newer or older or {})
    base = parameters.pop("rope_theta", fields.get("rope_theta", 10000.0))
    kind = parameters.pop("rope_type", parameters.pop("type", "default"))
    if kind == "default" and not parameters:
        return float(base), None
    names = set(RopeScaling.__dataclass_fields__)
    if kind != "llama3" or set(parameters) != names:
        raise ConfigError(
            f"{path}: rope scaling {kind!r} with {parameters} is not supported; supported are "
            f"'default' without parameters and 'llama3' with {', '.join(sorted(names))}"
        )
    return float(base), RopeScaling(**parameters)
