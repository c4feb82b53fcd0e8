import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers

from megatron_urpo.batching import PackingLayout, branch_loss_weights, pack_mini_batch
from megatron_urpo.config import BatchingConfig, OptimizerConfig, TrainingConfig
from megatron_urpo.training.loss import clipped_surrogate
from megatron_urpo.types import TaskKind
from tests.small_models import random_group

BATCHING = BatchingConfig(micro_batch_tokens=50)
CLIP = dict(clip_low=0.2, clip_high=0.28)


@pytest.fixture
def groups():
    return [
        random_group(0, 7, (5, 1, 9), TaskKind.REASONING),
        random_group(1, 20, (3, 18), TaskKind.PREFERENCE),
        random_group(2, 4, (6, 6, 2, 11), TaskKind.INSTRUCTION),
        random_group(3, 12, (8, 8), TaskKind.REASONING),
    ]


def pack(groups, kl_beta=0.0, **layout):
    return pack_mini_batch(groups, BATCHING, PackingLayout(**layout), kl_beta=kl_beta)


class PlainTrainer:
    """The same update in plain PyTorch on a transformers model, one sequence at a time.

    With kl_beta > 0 it is held on to the weights it began with by the estimator k3 of
    KL(policy, reference), exp(d) - d - 1 with d = log-prob of the reference less the policy's.
    """

    def __init__(self, directory, config, kl_beta=0.0):
        self.model = transformers.AutoModelForCausalLM.from_pretrained(directory)
        self.reference = transformers.AutoModelForCausalLM.from_pretrained(directory)
        self.kl_beta = kl_beta
        self.clip_grad = config.clip_grad
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim == 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": config.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=config.lr,
            betas=(config.adam_beta1, config.adam_beta2),
            eps=config.adam_eps,
        )

    def logprobs(self, group, branch, model=None):
        prompt, response = group.prompt_ids, group.response_ids[branch]
        ids = torch.from_numpy(np.concatenate([prompt, response]))
        distribution = (
            (model or self.model)(ids[None]).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        )
        return distribution.gather(1, torch.from_numpy(response)[:, None])[:, 0]

    def update(self, groups, old):
        """Returns the loss and the clipped gradients by name."""
        self.optimizer.zero_grad()
        loss = torch.zeros(())
        for group, weights in zip(groups, branch_loss_weights(groups, BATCHING), strict=True):
            for branch, weight in enumerate(weights):
                logprobs = self.logprobs(group, branch)
                advantages = torch.full_like(logprobs, group.advantages[branch])
                surrogate = clipped_surrogate(
                    logprobs, old[group.index, branch], advantages, **CLIP
                )
                loss = loss + weight * surrogate.loss.sum()
                if self.kl_beta:
                    with torch.no_grad():
                        reference = self.logprobs(group, branch, self.reference)
                    difference = reference - logprobs
                    penalty = difference.exp() - difference - 1
                    loss = loss + weight * self.kl_beta * penalty.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_grad)
        gradients = {name: p.grad.clone() for name, p in self.model.named_parameters()}
        self.optimizer.step()
        return float(loss.detach()), gradients


def joint_norm(tensors):
    return math.sqrt(sum(float(tensor.norm()) ** 2 for tensor in tensors))


def gradients_of(policy):
    """The (clipped) gradients under their Hugging Face names, by way of the weights' stream."""
    weights = [p.data.clone() for p in policy._chunks[0].parameters()]
    for parameter in policy._chunks[0].parameters():
        parameter.data.copy_(parameter.main_grad)
    gradients = {name: tensor.clone() for name, tensor in policy.hf_weights()}
    for parameter, weight in zip(policy._chunks[0].parameters(), weights, strict=True):
        parameter.data.copy_(weight)
    return gradients


@pytest.mark.parametrize("family", ["llama_tied", "qwen3"])
@pytest.mark.parametrize(("clip_grad", "kl_beta"), [(0.3, 0.0), (1e6, 0.0), (1e6, 20.0)])
def test_two_epochs_of_two_mini_batches_equal_plain_pytorch(
    make_policy, model_directory, groups, family, clip_grad, kl_beta
):
    # The rate moves every weight by about 1 %, and eps keeps Adam from dividing noise by noise.
    config = OptimizerConfig(lr=2e-3, adam_eps=1e-4, clip_grad=clip_grad, weight_decay=0.1)
    training = TrainingConfig(logprob_chunk_tokens=7, kl_beta=kl_beta)
    policy = make_policy(family, optimizer=config, training=training)
    plain = PlainTrainer(model_directory(family), config, kl_beta)
    start = {name: tensor.clone() for name, tensor in policy.hf_weights()}
    # Without variance: its tokens count in the mean, and the KL term holds them too.
    flat = replace(random_group(4, 6, (4, 7), TaskKind.PREFERENCE), advantages=np.zeros(2))
    groups = [*groups, flat]
    mini_batches = [groups[:2], groups[2:]]
    packed = [pack(mini_batch, kl_beta) for mini_batch in mini_batches]
    assert all(len(micro_batches) > 1 for micro_batches in packed)
    old = [[s.logprobs for s in policy.logprobs(micro_batches)] for micro_batches in packed]
    with torch.no_grad():
        plain_old = {
            (group.index, branch): plain.logprobs(group, branch)
            for group in groups
            for branch in range(len(group.response_ids))
        }

    references = [policy.reference_logprobs(batches) if kl_beta else None for batches in packed]

    moved_ratio = 0.0
    for _ in range(2):
        for mini_batch, micro_batches, old_logprobs, reference in zip(
            mini_batches, packed, old, references, strict=True
        ):
            statistics = policy.update(micro_batches, old_logprobs, config.lr, reference)
            gradients = gradients_of(policy)
            loss, expected = plain.update(mini_batch, plain_old)
            assert statistics.loss == pytest.approx(loss, abs=1e-5)
            norm = joint_norm(expected.values())
            differences = [gradients[name] - gradient for name, gradient in expected.items()]
            assert joint_norm(differences) < 1e-5 * norm
            moved_ratio = max(abs(k.ratio - 1) for k in statistics.by_kind.values())
    assert moved_ratio > 1e-3  # the second epoch was not on the policy any more

    final = {name: tensor.clone() for name, tensor in policy.hf_weights()}
    expected = dict(plain.model.named_parameters())
    change = joint_norm(final[name] - start[name] for name in final)
    difference = joint_norm((final[name] - expected[name]).detach() for name in final)
    assert difference < 1e-4 * change


def test_the_first_ratio_is_exactly_one_in_bfloat16(make_policy, groups):
    policy = make_policy(dtype="bfloat16")
    micro_batches = pack(groups)
    old = [scores.logprobs for scores in policy.logprobs(micro_batches)]

    statistics = policy.update(micro_batches, old, 1e-3)

    assert set(statistics.by_kind) == set(TaskKind)
    for kind in statistics.by_kind.values():
        assert kind.ratio == 1.0
        assert kind.approx_kl == kind.clip_fraction_low == kind.clip_fraction_high == 0.0
    later = policy.update(micro_batches, old, 1e-3)
    assert any(kind.ratio != 1.0 for kind in later.by_kind.values())


def test_shared_prefixes_change_nothing_but_the_work(make_policy, groups):
    shared, separate = pack(groups), pack(groups, share_prefix=False)
    assert sum(len(b.token_ids) for b in shared) < sum(len(b.token_ids) for b in separate)
    results = []
    for micro_batches in (shared, separate):
        policy = make_policy()
        old = [scores.logprobs for scores in policy.logprobs(micro_batches)]
        statistics = policy.update(micro_batches, old, 1e-3)
        results.append((statistics, gradients_of(policy)))
    (one, gradients), (other, expected) = results
    assert one.loss == pytest.approx(other.loss, abs=1e-6)
    assert one.grad_norm == pytest.approx(other.grad_norm, rel=1e-5)
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("granularity", ["selective", "full"])
def test_recomputed_activations_give_the_same_gradients(make_policy, groups, granularity):
    micro_batches = pack(groups)
    gradients = []
    for choice in ("none", granularity):
        policy = make_policy(training=TrainingConfig(recompute_granularity=choice))
        old = [scores.logprobs for scores in policy.logprobs(micro_batches)]
        policy.update(micro_batches, old, 1e-3)
        gradients.append(gradients_of(policy))
    for name, gradient in gradients[0].items():
        assert torch.equal(gradients[1][name], gradient), name


def test_statistics_are_means_over_the_tokens_of_a_kind(make_policy, groups):
    policy = make_policy()
    micro_batches = pack(groups)
    scores = policy.logprobs(micro_batches)
    statistics = policy.update(micro_batches, [s.logprobs - 0.5 for s in scores], 1e-3)

    codes = np.concatenate([batch.kind_codes for batch in micro_batches])
    entropies = torch.cat([s.entropy for s in scores]).numpy()
    advantages = np.concatenate([batch.advantages for batch in micro_batches])
    for code, kind in enumerate(TaskKind):
        mine = statistics.by_kind[kind]
        assert mine.tokens == (codes == code).sum()
        assert mine.entropy == pytest.approx(entropies[codes == code].mean(), rel=1e-5)
        assert mine.ratio == pytest.approx(math.exp(0.5), rel=1e-5)
        assert mine.approx_kl == pytest.approx(math.exp(0.5) - 1.5, rel=1e-4)
        assert mine.clip_fraction_high == pytest.approx((advantages[codes == code] > 0).mean())
        assert mine.clip_fraction_low == 0.0


def test_importance_weights_scale_the_loss(make_policy):
    group = random_group(0, 7, (5, 4))
    micro_batches = pack([group])
    training = TrainingConfig(logprob_chunk_tokens=7, importance_cap=2.0)
    policy = make_policy(training=training)
    old = [scores.logprobs for scores in policy.logprobs(micro_batches)]
    statistics = policy.update(micro_batches, old, 1e-3)

    (batch,) = micro_batches
    weights = np.minimum(np.exp(old[0].numpy() - batch.rollout_logprobs), 2.0)
    expected = -(batch.loss_weights * weights * batch.advantages).sum()
    assert statistics.loss == pytest.approx(expected, rel=1e-5)


def test_kl_term_holds_on_to_the_first_weights(make_policy, groups):
    policy = make_policy(training=TrainingConfig(logprob_chunk_tokens=7, kl_beta=0.1))
    micro_batches = pack(groups)
    old = [scores.logprobs for scores in policy.logprobs(micro_batches)]
    reference = policy.reference_logprobs(micro_batches)
    assert all(torch.equal(r, o) for r, o in zip(reference, old, strict=True))
    first = policy.update(micro_batches, old, 1e-2, reference)

    new = [scores.logprobs for scores in policy.logprobs(micro_batches)]
    assert not torch.equal(new[0], old[0])
    again = policy.reference_logprobs(micro_batches)
    assert all(torch.equal(a, r) for a, r in zip(again, reference, strict=True))
    assert torch.equal(policy.logprobs(micro_batches)[0].logprobs, new[0])  # weights are back
    second = policy.update(micro_batches, new, 1e-2, reference)
    assert all(kind.reference_kl == 0.0 for kind in first.by_kind.values())
    log_ratio = torch.cat(reference) - torch.cat(new)
    penalty = (log_ratio.exp() - log_ratio - 1).double()
    tokens = sum(kind.tokens for kind in second.by_kind.values())
    mean = sum(k.tokens * k.reference_kl for k in second.by_kind.values()) / tokens
    assert mean == pytest.approx(float(penalty.mean()), rel=1e-4)
    with pytest.raises(ValueError, match="kl_beta"):
        policy.update(micro_batches, new, 1e-2)


def test_supervised_loss_is_the_weighted_negative_log_likelihood(make_policy, groups):
    policy = make_policy()
    micro_batches = pack(groups)
    scores = policy.logprobs(micro_batches)
    expected = -sum(
        float((torch.from_numpy(batch.loss_weights) * s.logprobs).sum())
        for batch, s in zip(micro_batches, scores, strict=True)
    )
    statistics = policy.update_supervised(micro_batches, 1e-2)
    assert statistics.loss == pytest.approx(expected, rel=1e-5)
    assert policy.update_supervised(micro_batches, 1e-2).loss < statistics.loss


def test_fillers_add_nothing(make_policy, groups):
    filler = pack_mini_batch(groups[:1], BATCHING, PackingLayout(data_parallel_size=2), 1)
    assert [batch.num_loss_tokens for batch in filler] == [0]
    micro_batches = pack(groups)
    losses, norms = [], []
    for batches in (micro_batches, [*micro_batches, *filler]):
        policy = make_policy()
        old = [scores.logprobs for scores in policy.logprobs(batches)]
        statistics = policy.update(batches, old, 1e-3)
        losses.append(statistics.loss)
        norms.append(statistics.grad_norm)
    assert losses[0] == losses[1]
    assert norms[0] == norms[1]
