"""The small models know one answer, in transformers as anywhere."""

import re

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from megatron_urpo.config import ModelConfig
from megatron_urpo.data.prompts import load_encoder
from megatron_urpo.model_shape import read_model_shape
from tools.make_small_model import FAMILIES, write_small_model

ARCHITECTURES = {
    "qwen2.5": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "llama3.1": "LlamaForCausalLM",
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("small") / request.param
    write_small_model(request.param, directory)
    return request.param, directory


def test_model_is_of_its_family(family):
    name, directory = family
    shape = read_model_shape(directory)
    assert shape.architecture == ARCHITECTURES[name]
    assert shape.qkv_bias == (name == "qwen2.5")
    assert shape.qk_layernorm == (name == "qwen3")
    assert (shape.rope_scaling is not None) == (name == "llama3.1")
    assert not shape.tie_word_embeddings
    assert shape.num_attention_heads % 4 == shape.num_query_groups % 4 == 0


def test_answers_are_ascending_scores_in_a_box(family):
    name, directory = family
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    template = "" if name.startswith("qwen") else "examples/user_assistant.jinja"
    encoder = load_encoder(ModelConfig(path=str(directory), chat_template=template))
    tokenizer = AutoTokenizer.from_pretrained(directory)
    text = "Scores? Ünïcode, 1,2"
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text
    prompt = torch.tensor([encoder.encode_target("Scores:")[:-1]])
    arguments = dict(max_new_tokens=32, eos_token_id=list(encoder.eos_ids), pad_token_id=0)
    (greedy,) = model.generate(prompt, do_sample=False, **arguments)
    assert encoder.decode(greedy[prompt.shape[1] :]) == r"\boxed{1,2,3,4,5,6,7,8}"
    torch.manual_seed(0)
    sampled = model.generate(prompt.repeat(64, 1), do_sample=True, top_k=0, **arguments)
    answers = [
        re.match(r"\\boxed\{(\d(?:,\d)*)\}", encoder.decode(row[prompt.shape[1] :]))
        for row in sampled
    ]
    scores = [tuple(map(int, match[1].split(","))) for match in answers if match]
    assert len(scores) >= 56  # a rare token may come between
    assert all(row == tuple(range(row[0], row[0] + len(row))) for row in scores)
    # Right as the answer "1" with probability 0.6 * 0.3.
    assert 4 <= scores.count((1,)) <= 20


def test_a_directory_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(FileExistsError, match="is not empty"):
        write_small_model("qwen3", tmp_path)
