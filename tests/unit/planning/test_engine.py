from dataclasses import replace

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from vllm.engine import arg_utils
from vllm.engine.arg_utils import EngineArgs
from vllm.usage.usage_lib import UsageContext

from megatron_urpo.config import Config, DataConfig, ModelConfig, RolloutConfig
from megatron_urpo.model_shape import read_model_shape
from megatron_urpo.planning.engine import (
    batched_tokens,
    engine_memory,
    engine_weight_bytes,
    kv_bytes_per_token,
)
from megatron_urpo.planning.hardware import cpu, gpu
from megatron_urpo.planning.models import MODELS
from megatron_urpo.planning.tokens import Lengths
from megatron_urpo.rollout.engine import VLLMEngine
from tests.allocations import measure

QWEN = MODELS["Qwen2.5-7B"]  # 28 layers, 4 groups of 128
GIB = 1 << 30


def test_weights_and_cache_by_hand():
    assert kv_bytes_per_token(QWEN, 1, 2) == 2 * 28 * 4 * 128 * 2 == 57344
    assert kv_bytes_per_token(QWEN, 2, 2) == 57344 // 2
    assert kv_bytes_per_token(MODELS["Qwen3-8B"], 16, 2) == 2 * 36 * 128 * 2  # a copy of one group
    assert engine_weight_bytes(QWEN, 1, 2, "none") == 2 * 7_615_616_512
    linear = 28 * 3584 * (2 * 3584 + 2 * 512 + 3 * 18944)
    assert engine_weight_bytes(QWEN, 1, 2, "fp8") == 2 * 7_615_616_512 - linear
    vectors = 28 * (2 * 3584 + 3584 + 2 * 512) + 3584
    sharded = 7_615_616_512 - vectors
    assert engine_weight_bytes(QWEN, 4, 2, "none") == 2 * (sharded // 4 + vectors)


def test_concurrency_by_hand():
    config = Config(
        data=DataConfig(max_prompt_tokens=1000),
        rollout=RolloutConfig(
            group_size=8, max_response_tokens=3000, max_judgement_tokens=500, max_model_len=30000,
            max_num_seqs=1000,
        ),
    )  # fmt: skip
    longest, h100 = Lengths.longest(config), gpu(80 * GIB)
    engine = engine_memory(QWEN, config, longest, h100, tensor_parallel_size=1, share=0.75)
    # bfloat16 logits, and in float32 themselves, log-probs, probabilities and noise
    assert engine.working == 1000 * 152064 * (2 + 4 * 4)
    # Of the share vLLM takes CUDA graphs as well, and what its kernels hold.
    assert engine.kv_cache == 58 * GIB - engine.weights - engine.working
    assert engine.total == 60 * GIB
    capacity = engine.kv_cache // 57344
    assert engine.kv_tokens == capacity // 16 * 16
    # A group's 8 answers share the prompt; a judgement reads it, 8 answers and the template.
    assert engine.player_sequences == capacity * 8 // 25000
    assert engine.judge_tokens == 1000 + 8 * 3000 + 120 + 8 * 19 + 500
    assert engine.judge_sequences == capacity // engine.judge_tokens
    eager = replace(config, rollout=replace(config.rollout, enforce_eager=True))
    without = engine_memory(QWEN, eager, longest, h100, tensor_parallel_size=1, share=0.75)
    assert without.kv_cache == engine.kv_cache + GIB
    few = replace(config, rollout=replace(config.rollout, max_num_seqs=100))
    without = engine_memory(QWEN, few, longest, h100, tensor_parallel_size=1, share=0.75)
    assert without.working == 2 * 16384 * (2 * 3584 + 3 * 18944)
    small = engine_memory(QWEN, config, longest, h100, tensor_parallel_size=1, share=0.125)
    assert small.kv_cache < 0
    assert small.kv_tokens == small.player_sequences == 0


class Device:
    """The platform of a GPU as vLLM asks it for its defaults."""

    def __init__(self, name, memory):
        self.get_device_name = lambda: name
        self.get_device_total_memory = lambda: memory
        self.is_cpu = self.is_tpu = lambda: False


@pytest.mark.parametrize("tensor_parallel_size", [1, 4])
@pytest.mark.parametrize(
    ("name", "gib", "tokens"),
    [
        ("NVIDIA B200", 178, 16384),
        ("NVIDIA H100 80GB HBM3", 79, 16384),
        ("NVIDIA L40S", 44, 8192),
        (None, 64, 4096),  # for every rank of the engine
    ],
)
def test_batched_tokens_are_those_of_the_installed_vllm(
    name, gib, tokens, tensor_parallel_size, monkeypatch
):
    machine = cpu(gib * GIB, ranks=1) if name is None else gpu(gib * GIB)
    if name is None:
        tokens *= tensor_parallel_size
    else:
        monkeypatch.setattr(arg_utils, "current_platform", Device(name, gib * GIB))
    defaults, _ = EngineArgs.get_batch_defaults(tensor_parallel_size)
    assert defaults[UsageContext.LLM_CLASS] == tokens
    assert batched_tokens(Config(), machine, tensor_parallel_size) == tokens


def test_a_step_has_no_more_tokens_than_all_sequences():
    rollout = RolloutConfig(
        max_num_seqs=2, max_model_len=3000, max_response_tokens=1000, max_judgement_tokens=500
    )
    config = Config(data=DataConfig(max_prompt_tokens=1000), rollout=rollout)
    assert batched_tokens(config, gpu(80 * GIB), 1) == 6000


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            hidden_size=256, intermediate_size=640, num_hidden_layers=4, num_attention_heads=4,
            num_key_value_heads=2, vocab_size=12800, max_position_embeddings=512,
            tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
        )
    ).save_pretrained(directory)  # fmt: skip
    return directory


def test_against_a_real_engine(directory):
    config = Config(
        model=ModelConfig(path=str(directory), params_dtype="float32"),
        data=DataConfig(max_prompt_tokens=128),
        rollout=RolloutConfig(
            group_size=4, max_response_tokens=256, max_judgement_tokens=64, max_model_len=512,
            kv_cache_gib=0.05, max_num_seqs=16,
        ),
    )  # fmt: skip
    shape = read_model_shape(directory)
    machine = cpu(8 * GIB, ranks=1)
    planned = engine_memory(
        shape, config, Lengths.longest(config), machine, tensor_parallel_size=1, share=0.0
    )
    measured = measure(lambda: VLLMEngine(config, end_token_ids=[2]))
    vllm_config = measured.result._llm.llm_engine.vllm_config
    cache = vllm_config.cache_config
    try:
        assert vllm_config.scheduler_config.max_num_batched_tokens == batched_tokens(
            config, machine, 1
        )
        assert planned.block_tokens == cache.block_size
        assert planned.kv_tokens == cache.num_gpu_blocks * cache.block_size
        expected = planned.weights + planned.kv_tokens * planned.kv_bytes_per_token
        assert measured.net == pytest.approx(expected, rel=0.1)
    finally:
        measured.result.close()
