import math

import pytest
import torch

from megatron_urpo.training.loss import (
    approximate_kl,
    clipped_surrogate,
    importance_weights,
    kl_penalty,
)


def log_ratios(*ratios):
    return torch.tensor([math.log(ratio) for ratio in ratios])


def test_surrogate_clips_asymmetrically():
    #             inside  above, A > 0   above, A < 0   below, A < 0   below, A > 0
    ratios = (1.1, 1.5, 1.5, 0.5, 0.5)
    advantages = torch.tensor([2.0, 2.0, -2.0, -2.0, 2.0])
    logprobs = log_ratios(*ratios).requires_grad_()

    surrogate = clipped_surrogate(logprobs, torch.zeros(5), advantages, 0.2, 0.28)
    (gradient,) = torch.autograd.grad(surrogate.loss.sum(), logprobs)

    # -min(ratio * A, clip(ratio, 0.8, 1.28) * A), by hand
    expected = torch.tensor([-2.2, -2.56, 3.0, 1.6, -1.0])
    torch.testing.assert_close(surrogate.loss, expected)
    # d/dlogp of -ratio * A is -ratio * A where the bound does not hold it back, else 0
    torch.testing.assert_close(gradient, torch.tensor([-2.2, 0.0, 3.0, 0.0, -1.0]))
    assert surrogate.clipped_high.tolist() == [False, True, False, False, False]
    assert surrogate.clipped_low.tolist() == [False, False, False, True, False]
    torch.testing.assert_close(surrogate.ratio, torch.tensor(ratios))
    assert not surrogate.ratio.requires_grad


def test_surrogate_at_the_old_policy_is_minus_the_advantage():
    logprobs = torch.tensor([-0.3, -7.0], requires_grad=True)
    advantages = torch.tensor([0.5, -1.5])
    surrogate = clipped_surrogate(logprobs, logprobs.detach(), advantages, 0.2, 0.28)
    assert torch.equal(surrogate.loss, -advantages)
    assert torch.equal(surrogate.ratio, torch.ones(2))


def test_kl_penalty_by_hand_and_its_gradient():
    logprobs = torch.tensor([-1.0, -1.0, -2.0], requires_grad=True)
    reference = torch.tensor([-1.0, -1.0 + math.log(2.0), -2.0 + math.log(0.5)])
    penalty = kl_penalty(logprobs, reference)
    expected = torch.tensor([0.0, 2 - math.log(2) - 1, 0.5 + math.log(2) - 1])
    torch.testing.assert_close(penalty, expected)
    (gradient,) = torch.autograd.grad(penalty.sum(), logprobs)
    torch.testing.assert_close(gradient, torch.tensor([0.0, -1.0, 0.5]))  # 1 - pi_ref / pi


def test_approximate_kl_estimates_the_kl_of_the_old_policy_to_the_new():
    old = torch.tensor([0.5, 0.3, 0.2])
    new = torch.tensor([0.4, 0.4, 0.2])
    estimate = (old * approximate_kl(new.log(), old.log())).sum()
    assert float(estimate) == pytest.approx(float((old * (old / new).log()).sum()), abs=1e-6)


def test_importance_weights_are_capped_and_constant():
    old = torch.tensor([-1.0, -1.0, -1.0], requires_grad=True)
    rollout = -1.0 - log_ratios(1.0, 0.5, 8.0)
    weights = importance_weights(old, rollout, cap=2.0)
    torch.testing.assert_close(weights, torch.tensor([1.0, 0.5, 2.0]))
    assert not weights.requires_grad
