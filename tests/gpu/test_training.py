"""Transformer Engine in bf16 against transformers, and in FP8 against bf16."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

from benchmarks.fp8 import make_batches, open_policy
from megatron_urpo.config import ConfigError, TrainingConfig
from megatron_urpo.fp8 import RECIPES, check_device
from megatron_urpo.types import TaskKind

pytestmark = pytest.mark.gpu

TOKENS = 4096
LEARNING_RATE = 1e-5


@pytest.fixture(params=RECIPES)
def recipe(request):
    return request.param


def fp8_or_skip(policy_parallel, training):
    """Leaves out a recipe that this GPU does not have."""
    try:
        check_device(training, policy_parallel.platform.facts)
    except ConfigError as error:
        pytest.skip(str(error))


def scores_and_losses(directory, training, steps=3):
    """Log-probs (L,) before the first step, and what the steps report."""
    with open_policy(directory, training) as (policy, parallel):
        batches = make_batches(TOKENS, policy.shape.vocab_size, parallel.pad_multiple)
        scores = [score.logprobs for score in policy.logprobs(batches)]
        updates = [policy.update(batches, scores, LEARNING_RATE) for _ in range(steps)]
        return torch.cat(scores).cpu().numpy(), updates


@pytest.fixture(scope="module")
def in_bf16(stack):
    return scores_and_losses(stack, TrainingConfig())


def test_bf16_scores_are_as_close_to_fp32_as_those_of_transformers(stack):
    with open_policy(stack, TrainingConfig()) as (policy, parallel):
        batches = make_batches(TOKENS, policy.shape.vocab_size, parallel.pad_multiple)
        mine = torch.cat([score.logprobs for score in policy.logprobs(batches)]).cpu().numpy()

    def of_transformers(dtype):
        model = transformers.AutoModelForCausalLM.from_pretrained(stack, dtype=dtype).cuda()
        return np.concatenate([s for batch in batches for s in scores_of_segments(model, batch)])

    exact, rounded = of_transformers(torch.float32), of_transformers(torch.bfloat16)
    assert 0 < np.abs(mine - exact).mean() < 1.5 * np.abs(rounded - exact).mean()


def scores_of_segments(model, batch):
    """Plain log-probs of the predicted tokens, one segment (a whole sequence) after the other."""
    start = 0
    for segment in batch.segments:
        end = start + segment.length
        mine = (batch.loss_positions >= start) & (batch.loss_positions < end)
        ids = torch.from_numpy(batch.token_ids[start:end])[None].cuda()
        with torch.no_grad():
            logits = model(ids).logits[0].float()
        rows = torch.from_numpy(batch.loss_positions[mine] - start).cuda()
        targets = torch.from_numpy(batch.target_ids[mine]).cuda()
        yield logits[rows].log_softmax(-1).gather(1, targets[:, None])[:, 0].cpu().numpy()
        start = end


def test_fp8_stays_near_bf16(stack, in_bf16, recipe):
    training = TrainingConfig(fp8="hybrid", fp8_recipe=recipe)
    with open_policy(stack, TrainingConfig()) as (_, parallel):
        fp8_or_skip(parallel, training)
    expected, expected_updates = in_bf16
    scores, updates = scores_and_losses(stack, training)

    difference = np.abs(scores - expected)
    assert difference.mean() > 1e-3, "FP8 has not been at work"
    assert difference.mean() < 0.1
    for update, expected_update in zip(updates, expected_updates, strict=True):
        assert np.isfinite(update.loss)
        assert update.grad_norm == pytest.approx(expected_update.grad_norm, rel=0.1)
        assert update.loss == pytest.approx(expected_update.loss, abs=0.02)
    if recipe != "delayed":  # the others are functions of their input
        assert updates[0].by_kind[TaskKind.REASONING].ratio == 1.0


def fp32_weights(policy):
    """The optimizer's fp32 copies by parameter name; one rank holds all of each."""
    return {name: p.main_param.clone() for name, p in policy._chunks[0].named_parameters()}


def test_weights_kept_in_fp8_start_from_the_exact_ones(stack):
    """Scores equal those of weights that are rounded at every step, and no precision is lost."""
    found = {}
    for gather in (False, True):
        training = TrainingConfig(fp8="hybrid", fp8_param_gather=gather)
        with open_policy(stack, training) as (policy, parallel):
            fp8_or_skip(parallel, training)
            batches = make_batches(TOKENS, policy.shape.vocab_size, parallel.pad_multiple)
            masters = fp32_weights(policy)
            scores = torch.cat([score.logprobs for score in policy.logprobs(batches)])
            streamed = {name: tensor.float() for name, tensor in policy.hf_weights()}
            found[gather] = masters, scores, streamed
    for name, master in found[False][0].items():
        assert torch.equal(found[True][0][name].view(-1), master.view(-1)), name
    torch.testing.assert_close(found[True][1], found[False][1], rtol=0, atol=1e-4)
    weight = "model.layers.1.mlp.down_proj.weight"
    exact, kept = found[False][2][weight], found[True][2][weight]
    assert 0 < (kept - exact).norm() / exact.norm() < 0.05  # e4m3 has 3 bits of mantissa


def test_the_first_and_last_layer_can_stay_in_bf16(stack, in_bf16):
    """One layer of three in FP8 is nearer to bf16 than all of them."""
    distances = []
    for first_last in (False, True):
        training = TrainingConfig(fp8="hybrid", first_last_layers_bf16=first_last)
        with open_policy(stack, TrainingConfig()) as (_, parallel):
            fp8_or_skip(parallel, training)
        scores, _ = scores_and_losses(stack, training, steps=1)
        distances.append(np.abs(scores - in_bf16[0]).mean())
    assert 0 < distances[1] < distances[0]
