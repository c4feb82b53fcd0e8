"""Measured and predicted memory of the widest step of a real engine.

measured_engine.py DIRECTORY CASE     under torchrun, all ranks one engine
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.distributed as dist
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from megatron_urpo.config import Config, DataConfig, ModelConfig, RolloutConfig
from megatron_urpo.launch_environment import read_torch_rank
from megatron_urpo.model_shape import read_model_shape
from megatron_urpo.planning.engine_step import step_bytes
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

    def write_model(self, directory: Path) -> None:
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

    def config(self, directory: Path, tensor_parallel_size: int) -> Config:
        return Config(
            model=ModelConfig(path=str(directory), params_dtype=self.dtype),
            data=DataConfig(max_prompt_tokens=400),
            rollout=RolloutConfig(
                group_size=2, max_response_tokens=8, max_judgement_tokens=8, max_model_len=512,
                kv_cache_gib=0.05, max_num_seqs=self.sequences,
                tensor_model_parallel_size=tensor_parallel_size,
            ),
        )  # fmt: skip


_VOCABULARY = {"vocab_size": 38400}
CASES = {
    "mlp": Case(LlamaConfig, "bfloat16", {"intermediate_size": 1100}),
    "mlp, float32": Case(Qwen2Config, "float32", {"intermediate_size": 1500}),
    "norms of queries": Case(Qwen3Config, "bfloat16", {"num_attention_heads": 6, "head_dim": 128}),
    "attention, norms of queries, float32": Case(
        Qwen3Config, "float32", {"num_attention_heads": 8, "head_dim": 64}
    ),
    "attention": Case(LlamaConfig, "bfloat16", {"head_dim": 192, "num_key_value_heads": 4}),
    "attention, float32": Case(Qwen2Config, "float32", {"num_key_value_heads": 4}),
    "norms": Case(Qwen2Config, "bfloat16", {"hidden_size": 384}),
    "norms, float32": Case(LlamaConfig, "float32", {"hidden_size": 640, "head_dim": 32}),
    "logits": Case(Qwen2Config, "bfloat16", _VOCABULARY, sequences=24, prompt=8),
    "logits, float32": Case(LlamaConfig, "float32", _VOCABULARY, sequences=24, prompt=8),
}


def compare(case: Case, directory: Path, tensor_parallel_size: int = 1) -> tuple[int, int]:
    """(measured, predicted) bytes of the widest step, on this rank."""
    shape = read_model_shape(directory)
    engine = VLLMEngine(case.config(directory, tensor_parallel_size), end_token_ids=[2])
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
        tensor_parallel_size=tensor_parallel_size,
        element_bytes=2 if case.dtype == "bfloat16" else 4,
        on_cpu=True,
    )
    return max(peaks), predicted


def main(directory: Path, name: str) -> None:
    dist.init_process_group("gloo")
    found = compare(CASES[name], directory / "model", dist.get_world_size())
    rank = read_torch_rank(os.environ).rank
    (directory / f"{rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
