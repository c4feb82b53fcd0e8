"""Small random models, one process-wide Parallel, and groups to pack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from megatron_urpo.config import Config, ModelConfig, OptimizerConfig, TrainingConfig
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.policy import Policy
from megatron_urpo.types import TaskKind, TrainingGroup

VOCAB_SIZE = 97  # odd, so that it needs padding under tensor parallelism
SMALL = dict(
    vocab_size=VOCAB_SIZE,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
)
FAMILIES: dict[str, tuple[type, dict]] = {
    "llama_tied": (transformers.LlamaConfig, {"tie_word_embeddings": True}),
    "llama_untied": (transformers.LlamaConfig, {"tie_word_embeddings": False}),
    "llama3_rope": (
        transformers.LlamaConfig,
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 10000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
            }
        },
    ),
    "qwen2": (transformers.Qwen2Config, {}),
    "qwen3": (transformers.Qwen3Config, {"head_dim": 16}),
}


@pytest.fixture(scope="session")
def parallel() -> Iterator[Parallel]:
    torch.set_num_threads(2)
    yield parallelism.initialize(Config())
    parallelism.shutdown()


@pytest.fixture(scope="session")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Directory of a small random model of a family; made once a session."""
    made: dict[str, Path] = {}

    def directory(family: str) -> Path:
        if family not in made:
            torch.manual_seed(0)
            config_class, fields = FAMILIES[family]
            model = transformers.AutoModelForCausalLM.from_config(
                config_class(**(SMALL | fields)), dtype=torch.float32
            )
            with torch.no_grad():  # norms and biases are born as constants, which would hide errors
                for parameter in model.parameters():
                    if parameter.ndim == 1:
                        parameter.add_(torch.randn_like(parameter) * 0.2)
                    else:
                        parameter.mul_(4)
            made[family] = tmp_path_factory.mktemp(family)
            model.save_pretrained(made[family])
        return made[family]

    return directory


@pytest.fixture
def make_policy_at(parallel: Parallel) -> Callable[..., Policy]:
    """Builds a Policy from a model directory."""

    def make(
        directory: Path,
        dtype: str = "float32",
        optimizer: OptimizerConfig | None = None,
        training: TrainingConfig | None = None,
    ) -> Policy:
        config = Config(
            model=ModelConfig(path=str(directory), params_dtype=dtype),
            training=training or TrainingConfig(logprob_chunk_tokens=7),
        )
        return Policy.from_pretrained(config, parallel, optimizer or OptimizerConfig(lr=1e-3))

    return make


@pytest.fixture
def make_policy(
    make_policy_at: Callable[..., Policy], model_directory: Callable[[str], Path]
) -> Callable[..., Policy]:
    """Builds a Policy from the small random model of a family."""

    def make(family: str = "llama_tied", *args: Any, **kwargs: Any) -> Policy:
        return make_policy_at(model_directory(family), *args, **kwargs)

    return make


@pytest.fixture(scope="session")
def random_group() -> Callable[..., TrainingGroup]:
    """Builds a group of random tokens whose advantages differ."""

    def make(
        index: int,
        prompt_length: int,
        response_lengths: tuple[int, ...],
        kind: TaskKind = TaskKind.REASONING,
    ) -> TrainingGroup:
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

    return make
