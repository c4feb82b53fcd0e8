import math

import pytest
import torch

from megatron_urpo.config import OptimizerConfig
from megatron_urpo.training.optimizer import learning_rate
from tests.small_models import write_small_model


def test_cosine_from_lr_to_min_lr():
    config = OptimizerConfig(lr=1.0, min_lr=0.1)
    rates = [learning_rate(config, step, 8) for step in (0, 2, 4, 8, 20)]
    quarter = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi / 4))
    assert rates == pytest.approx([1.0, quarter, 0.55, 0.1, 0.1])


def test_linear_warm_up_comes_first():
    config = OptimizerConfig(lr=1.0, lr_warmup_steps=4)
    rates = [learning_rate(config, step, 12) for step in range(6)]
    assert rates[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert rates[5] < 1.0


def weights_of(policy):
    return {name: tensor.clone() for name, tensor in policy.hf_weights()}


def fill_gradients(policy, value):
    policy._optimizer.zero_grad()
    for parameter in policy._chunks[0].parameters():
        parameter.main_grad.fill_(value)


def test_non_finite_gradients_change_nothing(make_policy):
    policy = make_policy()
    before = weights_of(policy)
    fill_gradients(policy, 1.0)
    next(policy._chunks[0].parameters()).main_grad.view(-1)[0] = math.inf

    outcome = policy._optimizer.step(0.1)

    assert outcome.skipped and outcome.grad_norm == math.inf
    assert all(torch.equal(tensor, before[name]) for name, tensor in policy.hf_weights())
    fill_gradients(policy, 1.0)
    assert not policy._optimizer.step(0.1).skipped
    assert all(torch.isfinite(tensor).all() for _, tensor in policy.hf_weights())


def test_first_adam_step_is_the_learning_rate_and_decay_spares_norms(make_policy):
    policy = make_policy(optimizer=OptimizerConfig(lr=1.0, weight_decay=0.5, adam_eps=1e-12))
    before = weights_of(policy)
    fill_gradients(policy, 1.0)

    outcome = policy._optimizer.step(0.01)

    size = sum(tensor.numel() for tensor in before.values())
    assert outcome.grad_norm == pytest.approx(math.sqrt(size))
    for name, tensor in policy.hf_weights():
        decayed = before[name] * (1 - 0.01 * 0.5) if tensor.ndim > 1 else before[name]
        torch.testing.assert_close(tensor, decayed - 0.01, rtol=0, atol=1e-5)


def test_the_norm_of_many_gradients_keeps_its_digits(make_policy_at, tmp_path):
    """Added up in float32 at one go, six million values lose them."""
    policy = make_policy_at(write_small_model("llama_tied", tmp_path, vocab_size=200_000))
    policy._optimizer.zero_grad()
    generator = torch.Generator().manual_seed(0)
    squares = 0.0
    for parameter in policy._chunks[0].parameters():
        parameter.main_grad.normal_(generator=generator)
        squares += float(parameter.main_grad.double().square().sum())
    outcome = policy._optimizer.step(0.0)
    assert outcome.grad_norm == pytest.approx(math.sqrt(squares), rel=5e-7)
