"""The rollout engine's memory: weights, KV cache, and how many sequences the cache holds at once.

vLLM on a GPU takes rollout.gpu_memory_utilization of the device: the KV cache gets what weights,
activations and CUDA graphs leave of it. On the CPU the cache has its own key, rollout.kv_cache_gib.
"""

from __future__ import annotations

from dataclasses import dataclass

from megatron_urpo.config import Config
from megatron_urpo.layout import vocab_rows
from megatron_urpo.model_shape import ModelShape
from megatron_urpo.planning.engine_step import step_bytes
from megatron_urpo.planning.hardware import Hardware
from megatron_urpo.planning.parameters import count_parameters, key_size, layer_linear_parameters
from megatron_urpo.planning.tokens import Lengths, judge_prompt_tokens

# vLLM's own default for tokens of one block of the cache.
_BLOCK_TOKENS_GPU, _BLOCK_TOKENS_CPU = 16, 128
_GIB = 1 << 30
_FLOAT32 = 4
# What vLLM finds gone from its share when it has loaded and tried a model, beside all that is
# computed here; what is left is the cache. It has not been measured.
_KERNELS = 1 << 30  # their modules and workspaces
_CUDA_GRAPHS = 1 << 30  # unless rollout.enforce_eager


@dataclass(frozen=True, slots=True)
class EngineMemory:
    """Bytes of one rank's part of an engine, and what its cache holds."""

    weights: int
    working: int
    overhead: int  # CUDA graphs and kernels; 0 on the CPU
    kv_cache: int  # not positive: the others leave nothing
    kv_bytes_per_token: int
    block_tokens: int
    player_sequences: int  # answers written at once at full length
    judge_sequences: int  # judgements of G answers written at once at full length
    player_tokens: int  # of one answer with its prompt
    judge_tokens: int  # of one judgement with its prompt

    @property
    def kv_tokens(self) -> int:
        """Tokens the cache holds, in whole blocks."""
        blocks = max(self.kv_cache, 0) // (self.kv_bytes_per_token * self.block_tokens)
        return blocks * self.block_tokens

    @property
    def total(self) -> int:
        return sum(self.components().values())

    def components(self) -> dict[str, int]:
        return {
            "engine weights": self.weights,
            "engine activations": self.working,
            "engine graphs and kernels": self.overhead,
            "KV cache": max(self.kv_cache, 0),
        }


def kv_bytes_per_token(shape: ModelShape, tensor_parallel_size: int, element_bytes: int) -> int:
    """Keys and values of all layers on one rank."""
    return 2 * shape.num_layers * key_size(shape, tensor_parallel_size) * element_bytes


def engine_weight_bytes(
    shape: ModelShape, tensor_parallel_size: int, element_bytes: int, quantization: str
) -> int:
    """Weights of one rank of an engine.

    Args:
        quantization: rollout.quantization; "fp8" keeps the matrices of the layers in one byte.
    """
    linear = shape.num_layers * layer_linear_parameters(shape, tensor_parallel_size)
    whole = count_parameters(shape) - shape.num_layers * layer_linear_parameters(shape)
    table = (2 - shape.tie_word_embeddings) * shape.hidden_size
    vectors = whole - table * shape.vocab_size
    rest = table * vocab_rows(shape.vocab_size, tensor_parallel_size) + vectors
    return (1 if quantization == "fp8" else element_bytes) * linear + element_bytes * rest


def batched_tokens(config: Config, hardware: Hardware, tensor_parallel_size: int) -> int:
    """The most tokens of one engine step: vLLM's own choice, which a run leaves alone.

    It goes by the GPU's name too, which a plan does not know: an A100 of 80 GB has 8192.
    """
    if hardware.is_cpu:
        tokens = 4096 * tensor_parallel_size
    else:
        tokens = 16384 if hardware.memory >= 70 * _GIB else 8192
    return min(tokens, config.rollout.max_num_seqs * config.rollout.max_model_len)


def engine_memory(
    shape: ModelShape,
    config: Config,
    lengths: Lengths,
    hardware: Hardware,
    *,
    tensor_parallel_size: int,
    share: float,
) -> EngineMemory:
    """Memory and concurrency of an engine.

    Args:
        lengths: the longest texts: the cache is planned for them.
        share: of a GPU's memory that is the engine's; on the CPU the cache has its own key.
    """
    rollout = config.rollout
    element = 2 if config.engine_dtype == "bfloat16" else _FLOAT32
    weights = engine_weight_bytes(shape, tensor_parallel_size, element, rollout.quantization)
    tokens = batched_tokens(config, hardware, tensor_parallel_size)
    working = step_bytes(
        shape,
        tokens=tokens,
        sequences=rollout.max_num_seqs,
        tensor_parallel_size=tensor_parallel_size,
        element_bytes=element,
        on_cpu=hardware.is_cpu,
    )
    if hardware.is_cpu:
        overhead, cache = 0, int(rollout.kv_cache_gib * _GIB)
    else:
        overhead = _KERNELS + (0 if rollout.enforce_eager else _CUDA_GRAPHS)
        cache = int(share * hardware.memory) - weights - working - overhead
    per_token = kv_bytes_per_token(shape, tensor_parallel_size, element)
    capacity = max(cache, 0) // per_token
    answer, group = round(lengths.response), rollout.group_size
    judge = round(judge_prompt_tokens(config, lengths) + lengths.judgement)
    # The G samples of a prompt share its blocks.
    player_group = round(lengths.prompt) + group * answer
    return EngineMemory(
        weights=weights,
        working=working,
        overhead=overhead,
        kv_cache=cache,
        kv_bytes_per_token=per_token,
        block_tokens=_BLOCK_TOKENS_CPU if hardware.is_cpu else _BLOCK_TOKENS_GPU,
        player_sequences=min(capacity * group // player_group, rollout.max_num_seqs),
        judge_sequences=min(capacity // judge, rollout.max_num_seqs),
        player_tokens=round(lengths.prompt) + answer,
        judge_tokens=judge,
    )
