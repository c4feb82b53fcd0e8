import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from megatron_urpo.config import Config, DataConfig, ModelConfig, RolloutConfig
from megatron_urpo.model_shape import read_model_shape
from megatron_urpo.planning.engine import engine_memory, engine_weight_bytes, kv_bytes_per_token
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
    engine = engine_memory(
        QWEN, config, Lengths.longest(config), tensor_parallel_size=1, budget=60 * GIB
    )
    assert engine.kv_cache == 60 * GIB - engine.weights - engine.working
    capacity = engine.kv_cache // 57344
    assert engine.kv_tokens == capacity // 16 * 16
    # A group's 8 answers share the prompt; a judgement reads it, 8 answers and the template.
    assert engine.player_sequences == capacity * 8 // 25000
    assert engine.judge_tokens == 1000 + 8 * 3000 + 120 + 8 * 19 + 500
    assert engine.judge_sequences == capacity // engine.judge_tokens
    small = engine_memory(
        QWEN, config, Lengths.longest(config), tensor_parallel_size=1, budget=10 * GIB
    )
    assert small.kv_cache < 0
    assert small.kv_tokens == small.player_sequences == 0


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
    planned = engine_memory(
        shape, config, Lengths.longest(config), tensor_parallel_size=1, budget=None
    )
    measured = measure(lambda: VLLMEngine(config, end_token_ids=[2]))
    cache = measured.result._llm.llm_engine.vllm_config.cache_config
    try:
        assert planned.block_tokens == cache.block_size
        assert planned.kv_tokens == cache.num_gpu_blocks * cache.block_size
        expected = planned.weights + planned.kv_tokens * planned.kv_bytes_per_token
        assert measured.net == pytest.approx(expected, rel=0.1)
    finally:
        measured.result.close()
