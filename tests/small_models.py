"""Small random models of every supported family, and groups of random tokens to train them on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from megatron_urpo.types import TaskKind, TrainingGroup

VOCAB_SIZE = 97  # odd, so that it needs padding under tensor parallelism
SIZES: dict[str, Any] = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
FAMILIES: dict[str, tuple[type, dict[str, Any]]] = {
    "llama_tied": (transformers.LlamaConfig, {"tie_word_embeddings": True}),
    "llama_untied": (transformers.LlamaConfig, {"tie_word_embeddings": False}),
    "llama3_rope": (transformers.LlamaConfig, {"rope_parameters": LLAMA3_ROPE}),
    "qwen2": (transformers.Qwen2Config, {}),
    "qwen3": (transformers.Qwen3Config, {"head_dim": 16}),
}


def write_small_model(family: str, directory: Path, **changes: Any) -> Path:
    """Saves a random fp32 model of the family; the same weights every time.

    Args:
        changes: fields of config.json other than those above.
    """
    config_class, fields = FAMILIES[family]
    generator = torch.Generator().manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(
        config_class(**(SIZES | fields | changes)), dtype=torch.float32
    )
    with torch.no_grad():
        for parameter in model.parameters():
            # Norms and biases are born as constants, which would hide errors.
            center, spread = (1.0, 0.2) if parameter.ndim == 1 else (0.0, 0.1)
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread + center)
    model.save_pretrained(directory)
    return directory


def random_group(
    index: int,
    prompt_length: int,
    response_lengths: tuple[int, ...],
    kind: TaskKind = TaskKind.REASONING,
) -> TrainingGroup:
    """A group of random tokens whose advantages differ."""
    rng = np.random.default_rng(index)
    return TrainingGroup(
        index=index,
        kind=kind,
        prompt_ids=rng.integers(0, VOCAB_SIZE, prompt_length),
        response_ids=tuple(rng.integers(0, VOCAB_SIZE, length) for length in response_lengths),
        rollout_logprobs=tuple(
            rng.normal(-4, 0.1, length).astype(np.float32) for length in response_lengths
        ),
        advantages=rng.normal(size=len(response_lengths)),
    )
