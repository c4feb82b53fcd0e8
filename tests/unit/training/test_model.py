import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import transformers
from megatron.core.transformer.module import MegatronModule
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from megatron_urpo.batching import PackingLayout, pack_mini_batch
from megatron_urpo.config import BatchingConfig, ConfigError, TrainingConfig
from megatron_urpo.model_shape import read_model_shape
from megatron_urpo.training import model
from megatron_urpo.training.attention_plan import pack_for_transformer_engine
from megatron_urpo.training.model import inverse_frequencies
from tests.small_models import random_group

FAMILIES = ["llama_tied", "llama_untied", "llama3_rope", "qwen2", "qwen3"]


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_scores_equal_those_of_separate_sequences_in_transformers(
    make_policy, model_directory, family
):
    groups = [random_group(0, 7, (5, 1, 9)), random_group(1, 40, (3, 30)), random_group(2, 1, (6,))]
    reference = transformers.AutoModelForCausalLM.from_pretrained(model_directory(family))
    config = BatchingConfig(micro_batch_tokens=60)
    micro_batches = pack_mini_batch(groups, config, PackingLayout(pad_multiple=8))
    assert len(micro_batches) > 1

    compared = 0
    for batch, scores in zip(
        micro_batches, make_policy(family).logprobs(micro_batches), strict=True
    ):
        for group in groups:
            for branch, response in enumerate(group.response_ids):
                mine = (batch.group_indices == group.index) & (batch.branch_indices == branch)
                if not mine.any():
                    continue
                ids = torch.from_numpy(np.concatenate([group.prompt_ids, response]))
                with torch.no_grad():
                    logits = reference(ids[None]).logits[0, len(group.prompt_ids) - 1 : -1]
                distribution = logits.log_softmax(-1)
                expected = distribution.gather(1, torch.from_numpy(response)[:, None])[:, 0]
                entropy = -(distribution.exp() * distribution).sum(-1)
                selected = torch.from_numpy(mine)
                close = dict(rtol=1e-5, atol=1e-5)
                torch.testing.assert_close(scores.logprobs[selected], expected, **close)
                torch.testing.assert_close(scores.entropy[selected], entropy, **close)
                compared += 1
    assert compared == 6


class PlainThdAttention(MegatronModule):
    """What Transformer Engine's attention takes and gives for thd, one sequence after the other."""

    def __init__(self, config, *args, **kwargs):
        super().__init__(config=config)

    def forward(self, query, key, value, attention_mask, packed_seq_params, **kwargs):
        assert attention_mask is None
        assert query.ndim == 3
        bounds = packed_seq_params.cu_seqlens_q.tolist()
        outputs = []
        for start, end in itertools.pairwise(bounds):
            assert end - start <= packed_seq_params.max_seqlen_q
            parts = [tensor[start:end].transpose(0, 1) for tensor in (query, key, value)]
            attended = F.scaled_dot_product_attention(*parts, is_causal=True, enable_gqa=True)
            outputs.append(attended.transpose(0, 1))
        return torch.cat(outputs)


@pytest.mark.parametrize("family", FAMILIES)
def test_thd_packing_gives_the_scores_of_the_local_packing(make_policy, monkeypatch, family):
    groups = [random_group(0, 7, (5, 1, 9)), random_group(1, 40, (3, 30))]
    layout = PackingLayout(pad_multiple=16, share_prefix=False)
    micro_batches = pack_mini_batch(groups, BatchingConfig(micro_batch_tokens=80), layout)
    expected = make_policy(family).logprobs(micro_batches)

    monkeypatch.setattr(model, "PackedAttention", PlainThdAttention)
    policy = make_policy(family)
    policy._pipeline._pack = pack_for_transformer_engine
    for mine, theirs in zip(policy.logprobs(micro_batches), expected, strict=True):
        torch.testing.assert_close(mine.logprobs, theirs.logprobs, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(mine.entropy, theirs.entropy, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["llama_tied", "llama3_rope"])
def test_rotary_frequencies_are_those_of_transformers(model_directory, family):
    config = transformers.AutoConfig.from_pretrained(model_directory(family))
    mine = inverse_frequencies(read_model_shape(model_directory(family)))
    if family == "llama3_rope":
        expected, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    else:
        exponents = torch.arange(0, config.head_dim, 2).float() / config.head_dim
        expected = config.rope_parameters["rope_theta"] ** -exponents
    torch.testing.assert_close(mine, expected)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"tensor_model_parallel_size": 3}, "= 3 does not divide the model's num_attention_heads"),
        ({"pipeline_model_parallel_size": 3}, "= 3 does not divide the model's num_layers = 2"),
        (
            {"pipeline_model_parallel_size": 2, "virtual_pipeline_model_parallel_size": 2},
            "= 2 \\* virtual_pipeline_model_parallel_size = 2 does not divide the model.s num_lay",
        ),
        ({"transformer_impl": "transformer_engine"}, "needs a CUDA device"),
    ],
)
def test_layouts_that_do_not_fit_name_the_remedy(make_policy, layout, message):
    with pytest.raises(ConfigError, match=message):
        make_policy(training=TrainingConfig(**layout))
