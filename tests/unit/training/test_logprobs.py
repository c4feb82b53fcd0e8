import pytest
import torch

from megatron_urpo.training.logprobs import VocabSlice, token_logprobs

TOKENS, HIDDEN, VOCAB = 11, 8, 37


def inputs(dtype=torch.float32):
    generator = torch.Generator().manual_seed(5)
    hidden = torch.randn(TOKENS, HIDDEN, generator=generator).to(dtype)
    weight = torch.randn(VOCAB + 3, HIDDEN, generator=generator).to(dtype)  # 3 rows of padding
    targets = torch.randint(0, VOCAB, (TOKENS,), generator=generator)
    return hidden.requires_grad_(), weight.requires_grad_(), targets


def plain(hidden, weight, targets, temperature):
    distribution = (hidden @ weight[:VOCAB].T / temperature).log_softmax(-1)
    entropy = -(distribution.exp() * distribution).sum(-1)
    return distribution.gather(1, targets[:, None])[:, 0], entropy


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("chunk_tokens", [1, 4, 100])
def test_equals_log_softmax_with_gradients(temperature, chunk_tokens):
    hidden, weight, targets = inputs()
    logprobs, entropy = token_logprobs(
        hidden, weight, targets, VocabSlice(0, VOCAB, None), temperature, chunk_tokens
    )
    expected, expected_entropy = plain(hidden, weight, targets, temperature)
    slopes = torch.randn(TOKENS)
    gradients = torch.autograd.grad((slopes * logprobs).sum(), (hidden, weight))
    expected_gradients = torch.autograd.grad((slopes * expected).sum(), (hidden, weight))

    torch.testing.assert_close(logprobs, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(entropy, expected_entropy, rtol=1e-5, atol=1e-5)
    assert not entropy.requires_grad
    for mine, reference in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-5)
    assert not gradients[1][VOCAB:].any()  # padding rows are no part of the distribution


def test_logits_too_large_for_exp_are_no_problem():
    hidden, weight, targets = inputs()
    scaled = hidden.detach() * 1000
    logprobs, entropy = token_logprobs(scaled, weight, targets, VocabSlice(0, VOCAB, None))
    expected, expected_entropy = plain(scaled, weight, targets, 1.0)
    assert torch.isfinite(logprobs).all()
    torch.testing.assert_close(logprobs, expected)
    torch.testing.assert_close(entropy, expected_entropy)


def test_bfloat16_inputs_give_float32_results_and_bfloat16_gradients():
    hidden, weight, targets = inputs(torch.bfloat16)
    logprobs, entropy = token_logprobs(hidden, weight, targets, VocabSlice(0, VOCAB, None))
    logprobs.sum().backward()
    expected, _ = plain(hidden.detach().float(), weight.detach().float(), targets, 1.0)
    assert logprobs.dtype == entropy.dtype == torch.float32
    assert hidden.grad.dtype == weight.grad.dtype == torch.bfloat16
    assert (logprobs - expected).abs().max() < 0.05


def test_no_tokens():
    hidden, weight, _ = inputs()
    none = torch.zeros(0, dtype=torch.int64)
    logprobs, entropy = token_logprobs(hidden[:0], weight, none, VocabSlice(0, VOCAB, None))
    logprobs.sum().backward()
    assert logprobs.shape == entropy.shape == (0,)
    assert not weight.grad.any()
