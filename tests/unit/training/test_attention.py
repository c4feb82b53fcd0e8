import numpy as np
import pytest
import torch

from megatron_urpo.training.attention import packed_attention
from megatron_urpo.training.attention_plan import plan_attention
from megatron_urpo.training.context_parallel import context_tokens
from megatron_urpo.types import Segment

HEADS, GROUPS, DIM = 6, 2, 16
SEGMENTS = {
    "one sequence": [Segment(5, (4,))],
    "prompt alone": [Segment(6, ())],
    "shared": [Segment(7, (3, 5, 1, 5))],
    "mixed lengths": [Segment(3, (2, 9)), Segment(11, (1,)), Segment(1, (4, 4, 4)), Segment(2, ())],
    "long": [Segment(290, (270, 31)), Segment(300, (20,))],
}


def visible(segments, num_tokens):
    """(T, T) bool: what each token attends to, written down from the definition."""
    mask = torch.zeros(num_tokens, num_tokens, dtype=torch.bool)
    start = 0
    for segment in segments:
        prompt = slice(start, start + segment.prompt_length)
        mask[prompt, prompt] = True
        branch_start = prompt.stop
        for length in segment.branch_lengths:
            branch = slice(branch_start, branch_start + length)
            mask[branch, prompt] = True
            mask[branch, branch] = True
            branch_start += length
        start = branch_start
    return mask & torch.ones_like(mask).tril()


def dense_attention(query, key, value, mask):
    key, value = (x.repeat_interleave(HEADS // GROUPS, dim=1) for x in (key, value))
    scores = torch.einsum("qhd,khd->hqk", query, key) * DIM**-0.5
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    return torch.einsum("hqk,khd->qhd", weights, value)


def random_inputs(num_tokens, dtype=torch.float32):
    generator = torch.Generator().manual_seed(3)
    return [
        torch.randn(num_tokens, heads, DIM, generator=generator).to(dtype).requires_grad_()
        for heads in (HEADS, GROUPS, GROUPS)
    ]


@pytest.mark.parametrize("name", SEGMENTS)
def test_output_and_gradients_equal_dense_attention(name):
    segments = SEGMENTS[name]
    num_tokens = sum(segment.length for segment in segments)
    inputs = random_inputs(num_tokens)
    references = [x.detach().clone().requires_grad_() for x in inputs]
    grad = torch.randn(num_tokens, HEADS, DIM)

    out = packed_attention(*inputs, plan_attention(segments, num_tokens), DIM**-0.5)
    expected = dense_attention(*references, visible(segments, num_tokens))
    out.backward(grad)
    expected.backward(grad)

    torch.testing.assert_close(out, expected, rtol=0, atol=2e-6)
    for mine, reference in zip(inputs, references, strict=True):
        torch.testing.assert_close(mine.grad, reference.grad, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("name", SEGMENTS)
def test_context_parallel_ranks_compute_the_rows_and_gradients_of_one(name, size):
    segments = SEGMENTS[name]
    used = sum(segment.length for segment in segments)
    num_tokens = -(-used // (2 * size)) * 2 * size
    inputs = random_inputs(num_tokens)
    references = [x.detach().clone().requires_grad_() for x in inputs]
    grad = torch.randn(num_tokens, HEADS, DIM)
    tokens = [context_tokens((0, num_tokens), rank, size) for rank in range(size)]
    gathered = [x[np.concatenate(tokens)] for x in inputs[1:]]

    expected = packed_attention(*references, plan_attention(segments, num_tokens), 0.25)
    expected.backward(grad)
    for rank, mine in enumerate(tokens):
        plan = plan_attention(segments, num_tokens, rank, size)
        out = packed_attention(inputs[0][mine], *gathered, plan, 0.25)
        out.backward(grad[mine], retain_graph=True)
        torch.testing.assert_close(out, expected[mine], rtol=0, atol=2e-6)

    for mine, reference in zip(inputs, references, strict=True):
        torch.testing.assert_close(mine.grad, reference.grad, rtol=1e-5, atol=1e-5)


def test_bfloat16_is_as_close_to_float32_as_bfloat16_can_be():
    segments = SEGMENTS["long"] + SEGMENTS["mixed lengths"]
    num_tokens = sum(segment.length for segment in segments)
    inputs = random_inputs(num_tokens, torch.bfloat16)
    exact = [x.detach().float().requires_grad_() for x in inputs]
    grad = torch.randn(num_tokens, HEADS, DIM).bfloat16()

    out = packed_attention(*inputs, plan_attention(segments, num_tokens), DIM**-0.5)
    expected = dense_attention(*exact, visible(segments, num_tokens))
    out.backward(grad)
    expected.backward(grad.float())

    pairs = [(out, expected)] + [(x.grad, y.grad) for x, y in zip(inputs, exact, strict=True)]
    for mine, reference in pairs:
        error = (mine.float() - reference).norm() / reference.norm()
        assert mine.dtype == torch.bfloat16
        assert error < 6e-3  # bfloat16 rounds to 2 ** -9 of the value, a few times over


def test_padding_takes_no_part():
    segments = SEGMENTS["shared"]
    num_tokens = segments[0].length
    padded = random_inputs(num_tokens + 5)
    plain = [x.detach()[:num_tokens].clone().requires_grad_() for x in padded]

    out = packed_attention(*padded, plan_attention(segments, num_tokens + 5), 0.25)
    expected = packed_attention(*plain, plan_attention(segments, num_tokens), 0.25)
    out.sum().backward()
    expected.sum().backward()

    assert torch.equal(out[:num_tokens], expected)
    assert not out[num_tokens:].any()
    for mine, reference in zip(padded, plain, strict=True):
        assert torch.equal(mine.grad[:num_tokens], reference.grad)
        assert not mine.grad[num_tokens:].any()
