"""A checkpoint that is written while training goes on is that of the moment it was begun."""

import gc
import weakref

import pytest
import torch

from megatron_urpo.training.checkpoint_writing import CheckpointWriting, _detach, storages
from megatron_urpo.training.sharded_state import plan_sharded_save


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_updates_made_meanwhile_are_not_in_it(make_policy, micro_batches, tmp_path, dtype):
    policy = make_policy(dtype=dtype)
    old = [scores.logprobs for scores in policy.logprobs(micro_batches)]
    policy.update(micro_batches, old, 1e-2)
    started = policy.begin_save(tmp_path)
    expected = [policy.update(micro_batches, old, 1e-2) for _ in range(3)]
    started.wait()
    assert [path.name for path in started.paths] == ["__0_0.distcp", "__0_1.distcp"]
    sizes = [path.stat().st_size for path in started.paths]
    started.finish()
    assert [path.stat().st_size for path in started.paths] == sizes
    resumed = make_policy(dtype=dtype)
    resumed.load(tmp_path)
    assert [resumed.update(micro_batches, old, 1e-2) for _ in range(3)] == expected
    for (name, tensor), (_, trained) in zip(resumed.hf_weights(), policy.hf_weights(), strict=True):
        assert torch.equal(tensor, trained), name


def planned(policy, directory):
    return plan_sharded_save(directory, policy._chunks, policy._optimizer, policy.shape)


def test_nothing_that_training_changes_is_left_to_the_writer(make_policy, micro_batches, tmp_path):
    policy = make_policy()
    old = [scores.logprobs for scores in policy.logprobs(micro_batches)]
    policy.update(micro_batches, old, 1e-2)
    changing = [*policy._parameters(), *policy._optimizer.tensors()]
    assert len(changing) >= 5 * len(policy._parameters())  # a master weight, two moments, a step
    staged = planned(policy, tmp_path).preload_fn()
    for _, _, (_, tensors) in _detach(staged, storages(changing)):
        assert tensors
        assert not storages(changing) & storages(tensor for _, tensor in tensors)


def test_a_tensor_that_training_changes_is_copied():
    buffer, other = torch.arange(4.0), torch.ones(2)
    buckets = [("path", "key", (["bytes"], [("a", buffer[:2]), ("b", other)]))]
    ((_, _, (data, [(_, copied), (_, same)])),) = _detach(buckets, storages([buffer]))
    assert storages([torch.empty(3, device="meta")]) == set()  # as a GPU's, not of the host
    buffer.zero_()
    assert (data, copied.tolist()) == (["bytes"], [0.0, 1.0])
    assert same is other


def test_copies_are_freed_with_the_save(make_policy, tmp_path):
    """By counting references: a collection of garbage may come after many steps."""
    policy = make_policy()
    request = planned(policy, tmp_path)
    kept = storages([*policy._parameters(), *policy._optimizer.tensors()])
    copies = [
        weakref.ref(tensor)
        for _, _, (_, tensors) in request.async_fn_args[1]
        for _, tensor in tensors
        if not storages([tensor]) & kept
    ]
    gc.disable()
    try:
        CheckpointWriting(tmp_path, request, []).finish()
        del request
        assert copies
        assert not [copy for copy in copies if copy() is not None]
    finally:
        gc.enable()


def test_a_file_that_cannot_be_written_is_an_os_error(make_policy, tmp_path):
    request = planned(make_policy(), tmp_path)
    (tmp_path / "__0_0.distcp").mkdir()  # where a writer's file belongs
    started = CheckpointWriting(tmp_path, request, [])
    with pytest.raises(OSError, match="writing failed: .*Is a directory"):
        started.finish()
