"""SmolLM2 on the real engine as a referee whose only fault is known: it scores places.

Its judge prompts end in a conversation whose next turn it copies, so that the first place gets 1
point, the second 2 and the third 3, whatever is shown there.
"""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest
from vllm.distributed.parallel_state import (
    destroy_distributed_environment,
    destroy_model_parallel,
)

from megatron_urpo.config import MonitoringConfig, SourceConfig
from megatron_urpo.data.prompts import PromptEncoder, load_encoder
from megatron_urpo.rollout.engine import VLLMEngine
from megatron_urpo.types import ChatMessage, TaskKind
from tests.unit.rollout.conftest import small_config
from tools.unpack_smollm2 import unpack


class PlaceEncoder(PromptEncoder):
    def encode_judge(self, messages, responses, order, max_tokens):
        example = [ChatMessage("user", "Score."), ChatMessage("assistant", r"\boxed{1, 2, 3}")]
        return self.encode_chat([*example * 4, ChatMessage("user", "Score.")]), False


@pytest.fixture(scope="session")
def config():
    config = small_config(unpack(), max_judgement_tokens=16, max_model_len=1024, kv_cache_gib=0.25)
    return replace(
        config,
        model=replace(config.model, params_dtype="bfloat16"),
        monitoring=MonitoringConfig(
            every=1,
            sources=(SourceConfig("pairs", TaskKind.PREFERENCE, "held_out.jsonl"),),
            patience=1,
            reasoning_groups=1,
        ),
    )


@pytest.fixture(scope="session")
def encoder(config):
    # PlaceEncoder adds no state of its own.
    encoder = load_encoder(config.model)
    encoder.__class__ = PlaceEncoder
    return encoder


@pytest.fixture(scope="module")
def engine(config, encoder):
    engine = VLLMEngine(config, encoder.eos_ids)
    yield engine
    engine.close()
    gc.collect()
    # Tests of training begin and end a process group of their own: vLLM must not go on holding it.
    destroy_model_parallel()
    destroy_distributed_environment()
