"""What the tools write is what transformers and the rollout engine load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from megatron_urpo.config import Config, DataConfig, ModelConfig, RolloutConfig
from megatron_urpo.data.prompts import load_encoder
from megatron_urpo.rollout.engine import VLLMEngine
from megatron_urpo.rollout.interface import GenerationRequest
from megatron_urpo.types import ChatMessage
from tests.end_to_end.conftest import run_urpo
from tests.model_configs import WRITTEN_OUT, shrunk, write_model
from tests.sentencepiece_models import INST_TEMPLATE, write_tokenizer_model

SHARD_BYTES = 1 << 20


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama 3.1 in small with a SentencePiece tokenizer, to Megatron and back by the tools."""
    directory = tmp_path_factory.mktemp("conversion")
    fields = shrunk(WRITTEN_OUT["Llama-3.1-8B"])
    # Weights this large keep greedy decoding from repeating one token, where any model would agree.
    fields |= {"vocab_size": 600, "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.1}
    model = write_model(fields, directory / "model", torch.float32)
    write_tokenizer_model(model, INST_TEMPLATE, legacy=False)
    (model / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 5]}))
    megatron, back = directory / "megatron", directory / "back"
    run_urpo(model, megatron, module="tools.convert_hf_to_megatron")
    gib = SHARD_BYTES / (1 << 30)
    run_urpo(megatron, back, "--shard-gib", gib, module="tools.convert_megatron_to_hf")
    return back


def test_transformers_and_the_engine_load_it(converted: Path) -> None:
    assert len(list(converted.glob("model-*-of-*.safetensors"))) > 5
    assert GenerationConfig.from_pretrained(converted).eos_token_id == [2, 5]
    original = converted.parent / "model"
    models = [
        AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
        for path in (original, converted)
    ]
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, other)

    encoder = load_encoder(ModelConfig(path=str(converted)))
    prompt = encoder.encode_chat([ChatMessage("user", "Is this the same model?")])
    assert list(prompt) == AutoTokenizer.from_pretrained(original).apply_chat_template(
        [{"role": "user", "content": "Is this the same model?"}], return_dict=False
    )
    config = Config(
        model=ModelConfig(path=str(converted), params_dtype="float32"),
        data=DataConfig(max_prompt_tokens=64),
        rollout=RolloutConfig(
            max_model_len=128, max_response_tokens=16, max_judgement_tokens=16, kv_cache_gib=0.125
        ),
    )
    engine = VLLMEngine(config, encoder.eos_ids)
    try:
        engine.add_request(GenerationRequest("greedy", prompt, 1, 16, 0.0))
        finished = []
        while engine.num_unfinished:
            finished += engine.step()
    finally:
        engine.close()
    expected = models[0].generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=16,
        do_sample=False,
        eos_token_id=[2, 5],
    )
    (generation,) = finished
    assert len(set(generation.completions[0].token_ids)) > 8
    assert list(generation.completions[0].token_ids) == expected[0, len(prompt) :].tolist()
