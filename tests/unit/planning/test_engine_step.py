"""The widest moment of an engine's step against what torch's allocator counts."""

from dataclasses import dataclass, field

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
)
from vllm.v1.sample.logits_processor import LogitsProcessors
from vllm.v1.sample.metadata import SamplingMetadata
from vllm.v1.sample.sampler import Sampler

from megatron_urpo.config import Config, DataConfig, ModelConfig, RolloutConfig
from megatron_urpo.model_shape import read_model_shape
from megatron_urpo.planning.engine_step import step_bytes
from megatron_urpo.planning.models import MODELS
from megatron_urpo.rollout.engine import VLLMEngine
from megatron_urpo.rollout.interface import GenerationRequest
from tests.allocations import measure


@dataclass(frozen=True)
class Case:
    """A model of which one part is the widest, and prompts that are computed in one step."""

    family: type[PretrainedConfig]
    dtype: str
    fields: dict[str, int] = field(default_factory=dict)
    sequences: int = 6
    prompt: int = 300

    def write_model(self, directory):
        sizes = {
            "hidden_size": 256,
            "intermediate_size": 256,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": 1024,
            "max_position_embeddings": 512,
            "tie_word_embeddings": False,
            "bos_token_id": 1,
            "eos_token_id": 2,
        }
        model = AutoModelForCausalLM.from_config(self.family(**sizes | self.fields))
        model.save_pretrained(directory)

    def config(self, directory):
        return Config(
            model=ModelConfig(path=str(directory), params_dtype=self.dtype),
            data=DataConfig(max_prompt_tokens=400),
            rollout=RolloutConfig(
                group_size=2, max_response_tokens=8, max_judgement_tokens=8, max_model_len=512,
                kv_cache_gib=0.05, max_num_seqs=self.sequences,
            ),
        )  # fmt: skip


def case(name, *arguments, slow=False, **keywords):
    marks = [pytest.mark.slow] if slow else []
    return pytest.param(Case(*arguments, **keywords), id=name, marks=marks)


VOCABULARY = {"vocab_size": 38400}
CASES = [
    case("mlp", LlamaConfig, "bfloat16", {"intermediate_size": 1100}),
    case("mlp, float32", Qwen2Config, "float32", {"intermediate_size": 1500}, slow=True),
    case(
        "norms of queries", Qwen3Config, "bfloat16", {"num_attention_heads": 6, "head_dim": 128},
    ),
    case(
        "attention, norms of queries, float32", Qwen3Config, "float32",
        {"num_attention_heads": 8, "head_dim": 64}, slow=True,
    ),
    case(
        "attention", LlamaConfig, "bfloat16", {"head_dim": 192, "num_key_value_heads": 4}, slow=True
    ),
    case("attention, float32", Qwen2Config, "float32", {"num_key_value_heads": 4}, slow=True),
    case("norms", Qwen2Config, "bfloat16", {"hidden_size": 384}, slow=True),
    case(
        "norms, float32", LlamaConfig, "float32", {"hidden_size": 640, "head_dim": 32}, slow=True
    ),
    case("logits", Qwen2Config, "bfloat16", VOCABULARY, sequences=24, prompt=8),
    case("logits, float32", LlamaConfig, "float32", VOCABULARY, 24, 8, slow=True),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_widest_step_of_a_real_engine(case, tmp_path):
    case.write_model(tmp_path)
    shape = read_model_shape(tmp_path)
    engine = VLLMEngine(case.config(tmp_path), end_token_ids=[2])
    generator = torch.Generator().manual_seed(0)
    try:
        for _ in range(2):  # the first builds what later ones reuse
            for number in range(case.sequences):
                ids = torch.randint(3, shape.vocab_size, (case.prompt,), generator=generator)
                engine.add_request(
                    GenerationRequest(f"{number}", ids.tolist(), 1, max_tokens=2, temperature=1.0)
                )
            peaks = []
            while engine.num_unfinished:
                peaks.append(measure(engine.step).peak)
    finally:
        engine.close()
    predicted = step_bytes(
        shape,
        tokens=case.sequences * case.prompt,
        sequences=case.sequences,
        tensor_parallel_size=1,
        element_bytes=2 if case.dtype == "bfloat16" else 4,
        on_cpu=True,
    )
    assert predicted == pytest.approx(max(peaks), rel=0.1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_sampler_of_a_gpu(dtype):
    """vLLM's own code for CUDA without top-k and top-p is torch's operations, which run here."""
    rows, vocabulary, element = 16, MODELS["Qwen2.5-7B"].vocab_size, dtype.itemsize
    sampler = Sampler()
    sampler.topk_topp_sampler.forward = sampler.topk_topp_sampler.forward_native
    penalties = torch.zeros(rows)
    metadata = SamplingMetadata(
        temperature=torch.ones(rows),
        all_greedy=False,
        all_random=True,
        top_p=None,
        top_k=None,
        generators={},
        max_num_logprobs=0,
        no_penalties=True,
        prompt_token_ids=None,
        frequency_penalties=penalties,
        presence_penalties=penalties,
        repetition_penalties=penalties,
        output_token_ids=[[] for _ in range(rows)],
        allowed_token_ids_mask=None,
        bad_words_token_ids={},
        logitsprocs=LogitsProcessors(),
    )
    logits = torch.randn(rows, vocabulary).to(dtype)
    measured = measure(lambda: sampler(logits, metadata)).peak + logits.nbytes
    predicted = step_bytes(
        MODELS["Qwen2.5-7B"],
        tokens=1,
        sequences=rows,
        tensor_parallel_size=1,
        element_bytes=element,
        on_cpu=False,
    )
    assert predicted == pytest.approx(measured, rel=0.1)
