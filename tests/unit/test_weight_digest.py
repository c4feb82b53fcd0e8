import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.weight_digest import add_digests, tensor_digest


def by_definition(tensor):
    """Sum of bits * hash(row) * hash(column) with Python's integers."""

    def signed(number):
        return (number + 2**63) % 2**64 - 2**63

    def hashed(index):
        mixed = signed(index * 6364136223846793005 + 1442695040888963407)
        return (mixed ^ (mixed >> 33)) | 1

    width = {2: torch.int16, 4: torch.int32}[tensor.element_size()]
    rows = tensor.view(width).tolist()
    return signed(
        sum(
            bits * hashed(row) * hashed(column)
            for row, line in enumerate(rows)
            for column, bits in enumerate(line)
        )
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_digest_is_what_its_definition_says(dtype):
    tensor = torch.randn(5, 7, generator=torch.Generator().manual_seed(1)).to(dtype)
    assert tensor_digest(tensor) == by_definition(tensor)


def test_long_tensors_are_digested_in_pieces(monkeypatch):
    tensor = torch.randn(50, 3)
    whole = tensor_digest(tensor)
    monkeypatch.setattr("megatron_urpo.weight_digest._CHUNK", 10)
    assert tensor_digest(tensor) == whole


@given(st.integers(0, 6), st.integers(0, 5))
def test_pieces_add_up_wherever_they_are_cut(row, column):
    whole = torch.arange(30, dtype=torch.float32).view(6, 5)
    pieces = [
        tensor_digest(part, first_row=first_row, first_column=first_column)
        for first_row, rows in ((0, whole[:row]), (row, whole[row:]))
        for first_column, part in ((0, rows[:, :column]), (column, rows[:, column:]))
    ]
    assert add_digests(*pieces) == tensor_digest(whole)


def test_zeros_of_either_sign_count_alike_and_order_counts():
    assert tensor_digest(torch.tensor([0.0, 1.0])) == tensor_digest(torch.tensor([-0.0, 1.0]))
    assert tensor_digest(torch.tensor([2.0, 1.0])) != tensor_digest(torch.tensor([1.0, 2.0]))
