"""Models with all the fields of the real config.json compute what transformers computes."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch
import transformers

from megatron_urpo.batching import PackingLayout, pack_mini_batch
from megatron_urpo.config import BatchingConfig, ConfigError, TrainingConfig
from megatron_urpo.model_shape import read_model_shape
from megatron_urpo.training import model as model_module
from megatron_urpo.types import TaskKind, TrainingGroup
from tests.model_configs import WRITTEN_OUT, shrunk, write_model

LENGTH = 48


@pytest.fixture
def directory(fields, tmp_path):
    return write_model(shrunk(fields), tmp_path / "model", torch.float32)


def positions_of(fields):
    """Where a sequence may stand: at the start, at the end of the context, and all over it."""
    end = fields["max_position_embeddings"]
    rng = np.random.default_rng(0)
    return {
        "short": np.arange(LENGTH),
        "long": np.arange(end - LENGTH, end),
        "spread": np.sort(rng.choice(end, LENGTH, replace=False)),
    }


def micro_batch(token_ids, position_ids):
    """One sequence, every token but the first predicted; the last one is no input."""
    group = TrainingGroup(
        index=0,
        kind=TaskKind.REASONING,
        prompt_ids=token_ids[:1],
        response_ids=(token_ids[1:],),
        rollout_logprobs=(np.zeros(LENGTH, np.float32),),
        advantages=np.ones(1),
    )
    (batch,) = pack_mini_batch([group], BatchingConfig(), PackingLayout())
    return dataclasses.replace(batch, position_ids=position_ids)


def test_logits_equal_those_of_transformers(make_policy_at, directory, fields, monkeypatch):
    logits = []
    token_logprobs = model_module.token_logprobs

    def keeping(hidden, weight, targets, vocab, *options):
        logits.append(hidden @ weight[: vocab.size].T)
        return token_logprobs(hidden, weight, targets, vocab, *options)

    monkeypatch.setattr(model_module, "token_logprobs", keeping)
    policy = make_policy_at(directory, training=TrainingConfig(logprob_chunk_tokens=7))
    # Eager: the plainest of transformers' ways to compute attention.
    reference = transformers.AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager"
    )
    token_ids = np.random.default_rng(1).integers(0, 211, LENGTH + 1)
    for name, positions in positions_of(fields).items():
        (scores,) = policy.logprobs([micro_batch(token_ids, positions)])
        ids = torch.from_numpy(token_ids)
        with torch.no_grad():
            expected = reference(
                ids[None, :-1],
                position_ids=torch.from_numpy(positions)[None],
                attention_mask=torch.ones(1, LENGTH, dtype=torch.int64),
            ).logits[0]
        assert expected.std() > 0.1
        torch.testing.assert_close(
            logits.pop(), expected, rtol=0, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )
        chosen = expected.log_softmax(-1).gather(1, ids[1:, None])[:, 0]
        torch.testing.assert_close(scores.logprobs, chosen, rtol=0, atol=1e-5)


def test_positions_matter(make_policy_at, tmp_path):
    """The long positions above are no repetition of the short ones."""
    fields = WRITTEN_OUT["Llama-3.1-8B"]
    directory = write_model(shrunk(fields), tmp_path / "model", torch.float32)
    policy = make_policy_at(directory)
    token_ids = np.random.default_rng(1).integers(0, 211, LENGTH + 1)
    short, _, spread = (
        policy.logprobs([micro_batch(token_ids, positions)])[0].logprobs
        for positions in positions_of(fields).values()
    )
    assert (short - spread).abs().max() > 1e-2


def test_a_field_that_is_not_known_is_refused_by_name(fields, tmp_path):
    """Each of the model's own fields, under another name: a field's name is never guessed."""
    path = tmp_path / "config.json"
    for name, value in fields.items():
        renamed = {f"{key}_v2" if key == name else key: fields[key] for key in fields}
        if name == "architectures":
            continue
        path.write_text(json.dumps(renamed))
        with pytest.raises(ConfigError, match=re.escape(f"unknown field {name}_v2 = {value!r}")):
            read_model_shape(tmp_path)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Llama-3.1-8B", {"attention_bias": True, "mlp_bias": True, "hidden_act": "gelu"}),
        ("Qwen2.5-7B", {"use_sliding_window": True, "use_mrope": True, "attention_dropout": 0.1}),
        ("Qwen3-8B", {"attention_bias": True, "use_sliding_window": True}),
        ("SmolLM2-135M", {"rope_interleaved": True, "mlp_bias": True}),
    ],
)
def test_a_value_that_means_another_computation_is_refused_by_name(name, changes, tmp_path):
    for field, value in changes.items():
        (tmp_path / "config.json").write_text(json.dumps(WRITTEN_OUT[name] | {field: value}))
        with pytest.raises(ConfigError, match=f"{field} = {value!r} is not supported"):
            read_model_shape(tmp_path)
