"""Small random models as Hugging Face directories, and engines on them."""

import gc

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from megatron_urpo.config import Config, DataConfig, ModelConfig, RolloutConfig, WeightSyncConfig
from megatron_urpo.rollout.engine import VLLMEngine
from tools.unpack_smollm2 import unpack

END_TOKEN = 2
VOCABULARY = 320


def write_random_llama(directory, *, tied, seed=0, tokenizer_from=None):
    """A 2-layer Llama whose weights are large enough for sharp, varied distributions.

    With the directory of another model in `tokenizer_from` it takes over its vocabulary.
    """
    torch.manual_seed(seed)
    tokenizer = tokenizer_from and AutoTokenizer.from_pretrained(tokenizer_from)
    config = LlamaConfig(
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=len(tokenizer) if tokenizer else VOCABULARY,
        max_position_embeddings=1024,
        initializer_range=0.15,
        tie_word_embeddings=tied,
        bos_token_id=1,
        eos_token_id=END_TOKEN,
        pad_token_id=END_TOKEN,
    )
    LlamaForCausalLM(config).save_pretrained(directory)
    if tokenizer:
        tokenizer.save_pretrained(directory)


def load_reference(directory):
    """The model of a directory in plain transformers, fp32."""
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()


def weights_of(model):
    """(name, tensor) as a checkpoint names them: a tied output layer is not listed."""
    return [
        (name, tensor)
        for name, tensor in model.state_dict().items()
        if not (name == "lm_head.weight" and model.config.tie_word_embeddings)
    ]


def reference_logprobs(model, prompt_ids, response_ids, temperature=1.0):
    """(T,) log-softmax of the logits / temperature at the response's tokens."""
    ids = torch.tensor([[*prompt_ids, *response_ids]])
    with torch.no_grad():
        logits = model(ids).logits[0, len(prompt_ids) - 1 : -1]
    logprobs = torch.log_softmax(logits / temperature, dim=-1)
    return logprobs.gather(1, torch.tensor([response_ids]).T)[:, 0].numpy()


def reference_greedy(model, prompt_ids, num_tokens):
    """Greedy continuation, end token included."""
    output = model.generate(
        torch.tensor([list(prompt_ids)]),
        attention_mask=torch.ones(1, len(prompt_ids), dtype=torch.long),
        max_new_tokens=num_tokens,
        do_sample=False,
    )
    return tuple(output[0, len(prompt_ids) :].tolist())


def finish_all(engine):
    """Step until nothing is left; generations by request key."""
    finished = {}
    while engine.num_unfinished:
        for generation in engine.step():
            finished[generation.request.key] = generation
    return finished


def small_config(directory, verify="first", **rollout):
    return Config(
        weight_sync=WeightSyncConfig(verify=verify),
        model=ModelConfig(path=str(directory), params_dtype="float32"),
        data=DataConfig(max_prompt_tokens=300),
        rollout=RolloutConfig(
            **{
                "max_model_len": 512,
                "max_response_tokens": 32,
                "max_judgement_tokens": 16,
                "max_num_seqs": 16,
                "kv_cache_gib": 0.125,
                "group_size": 4,
            }
            | rollout
        ),
    )


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def model_directory(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("llama")
    write_random_llama(directory, tied=request.param)
    return directory


@pytest.fixture(scope="module")
def module_engine(model_directory):
    engine = VLLMEngine(small_config(model_directory), [END_TOKEN])
    yield engine
    engine.close()
    gc.collect()


@pytest.fixture(scope="session")
def smollm2_directory():
    return unpack()
