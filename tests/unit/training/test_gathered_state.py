import torch
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.training.gathered_state import _copy_overlap, empty_state, gathered_state


def states(gathered, distributed):
    """The tensors of every parameter by kind, in the order of the buffers."""
    for number, buffer in enumerate(distributed.buffers):
        (kinds,) = gathered[number].values()
        for parameter, (start, end, _) in buffer.param_index_map.items():
            yield parameter, {kind: found[start:end] for kind, found in kinds.items()}


def trained(make_policy, micro_batches):
    policy = make_policy()
    policy.update(micro_batches, [scores.logprobs for scores in policy.logprobs(micro_batches)], 1)
    return policy._optimizer.distributed


def test_one_rank_holds_all_and_copies_no_moment(make_policy, micro_batches):
    distributed = trained(make_policy, micro_batches)
    adam = distributed.optimizer.state
    by_size = {}
    for state in adam.values():
        by_size.setdefault(state["exp_avg"].data_ptr(), state)
    found = list(states(gathered_state(distributed), distributed))
    assert len(found) == len(adam)
    for parameter, kinds in found:
        state = by_size[kinds["exp_avg"].data_ptr()]
        assert torch.equal(kinds["exp_avg_sq"], state["exp_avg_sq"].flatten())
        assert torch.equal(kinds["param"].bfloat16(), parameter.detach().flatten().bfloat16())
        assert kinds["exp_avg"].abs().sum() > 0


def test_what_is_loaded_into_has_the_same_shapes_and_nothing_in_it(make_policy, micro_batches):
    distributed = trained(make_policy, micro_batches)
    pairs = zip(
        states(empty_state(distributed), distributed),
        states(gathered_state(distributed), distributed),
        strict=True,
    )
    for (_, empty), (_, full) in pairs:
        for kind, tensor in empty.items():
            assert tensor.shape == full[kind].shape
            assert tensor.untyped_storage().nbytes() == 4 * tensor.numel()
            assert not tensor.any()


@given(st.integers(0, 12), st.integers(1, 8), st.integers(0, 12), st.integers(1, 8))
def test_two_stretches_of_an_axis_share_what_lies_in_both(start, length, begin, size):
    axis = torch.arange(1.0, 30.0)
    target = torch.zeros(size)
    _copy_overlap(start, axis[start : start + length], begin, target)
    expected = [
        axis[place] if start <= place < start + length else 0.0
        for place in range(begin, begin + size)
    ]
    assert target.tolist() == expected
