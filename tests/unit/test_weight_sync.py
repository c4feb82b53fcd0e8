"""The order of a sync's calls (with stand-ins that record them) and the mismatch statistics."""

import numpy as np
import pytest
import torch

from megatron_urpo.config import WeightSyncConfig
from megatron_urpo.types import (
    ChatMessage,
    FinishReason,
    InstructionTask,
    Judgement,
    Prompt,
    Response,
    Rollout,
)
from megatron_urpo.weight_digest import tensor_digest
from megatron_urpo.weight_sync import (
    StaleWeightsError,
    WeightCopyError,
    WeightMismatchError,
    WeightSync,
    check_mismatch,
    check_versions,
    merge,
    mismatch,
)

WEIGHTS = [("a", torch.full((2, 3), 0.1)), ("b", torch.zeros(4, dtype=torch.bfloat16))]


def weight_sync(calls, sink, **config):
    return WeightSync(Source(calls), sink, WeightSyncConfig(**config), torch.bfloat16)


class Source:
    def __init__(self, calls):
        self.calls = calls

    def hf_weights(self):
        for name, tensor in WEIGHTS:
            self.calls.append(f"give {name}")
            yield name, tensor


class Sink:
    def __init__(self, calls, deaf=False, differing=()):
        self.calls = calls
        self.policy_version = 0
        self.deaf = deaf
        self.differing = list(differing)
        self.digests = {}

    def load_weights(self, weights, version):
        self.calls.append("load")
        for name, _ in weights:
            self.calls.append(f"take {name}")
        if not self.deaf:
            self.policy_version = version

    def reset_prefix_cache(self):
        self.calls.append("reset")

    def differing_weights(self, digests):
        self.calls.append("verify " + " ".join(digests))
        self.digests = dict(digests)
        return self.differing


def rollout(versions, judged_by=None):
    task = InstructionTask("s", "k", (ChatMessage("user", "q"),))
    responses = tuple(
        Response((1,), np.zeros(1, np.float32), "a", FinishReason.STOP, version)
        for version in versions
    )
    judgement = None
    if judged_by is not None:
        judgement = Judgement("", None, (0, 1), 1, 1, 1, FinishReason.STOP, judged_by)
    return Rollout(Prompt(8, task, (1,)), responses, judgement)


def test_weights_stream_through_and_the_cache_is_reset_last():
    calls = []
    statistics = weight_sync(calls, Sink(calls), verify="never").sync(5)
    assert calls == ["load", "give a", "take a", "give b", "take b", "reset"]
    assert statistics.num_tensors == 2
    assert statistics.num_bytes == 6 * 4 + 4 * 2
    assert statistics.seconds > 0


def test_a_sink_that_keeps_its_version_is_noticed():
    calls = []
    with pytest.raises(StaleWeightsError, match="reports policy version 0 after a sync of version"):
        weight_sync(calls, Sink(calls, deaf=True)).sync(5)


@pytest.mark.parametrize(("verify", "count"), [("never", 0), ("first", 1), ("always", 2)])
def test_copies_are_verified_when_asked_for(verify, count):
    calls = []
    sink = Sink(calls)
    sync = weight_sync(calls, sink, verify=verify)
    sync.sync(1)
    sync.sync(2)
    assert calls.count("verify a b") == count
    # Of the bits that the sink holds, in its own precision.
    rounded = {name: tensor_digest(tensor.bfloat16()) for name, tensor in WEIGHTS}
    assert sink.digests == (rounded if count else {})


def test_a_copy_that_differs_is_named():
    sync = weight_sync([], Sink([], differing=["b"]))
    with pytest.raises(WeightCopyError, match="version 4 1 of 2 tensors of the engine .* first b"):
        sync.sync(4)


def test_stale_responses_and_judgements_are_noticed():
    check_versions([rollout([3, 3]), rollout([3], judged_by=3)], 3)
    with pytest.raises(StaleWeightsError, match=r"prompt 8: .* versions \[2, 3\], expected 3"):
        check_versions([rollout([3, 3]), rollout([3, 2])], 3)
    with pytest.raises(StaleWeightsError, match=r"versions \[1, 3\]"):
        check_versions([rollout([3], judged_by=1)], 3)


def test_mismatch_by_hand():
    engine = [np.array([-1.0, -2.0]), np.array([-0.5]), np.array([])]
    trainer = [np.array([-1.5, -1.9]), np.array([-0.5]), np.array([])]
    measured = mismatch(engine, trainer)
    assert measured.num_tokens == 3
    assert measured.mean_abs == pytest.approx(0.6 / 3)
    assert measured.max_abs == pytest.approx(0.5)
    # k3 of log ratios -0.5, 0.1, 0: exp(x) - 1 - x.
    expected = ((np.exp(-0.5) - 0.5) + (np.exp(0.1) - 1.1)) / 3
    assert measured.kl == pytest.approx(expected)
    np.testing.assert_allclose(measured.sequence_means, [0.3, 0.0, np.nan])
    assert measured.worst_sequence == pytest.approx(0.3)


def test_k3_estimates_the_divergence_of_two_distributions():
    random = np.random.default_rng(0)
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.4, 0.2])
    drawn = random.choice(3, size=200_000, p=p)
    measured = mismatch([np.log(p)[drawn]], [np.log(q)[drawn]])
    assert measured.kl == pytest.approx(float(np.sum(p * np.log(p / q))), rel=0.05)


def test_merging_parts_equals_measuring_the_whole():
    random = np.random.default_rng(1)
    engine = [random.normal(size=n).astype(np.float32) for n in (3, 8, 1, 5)]
    trainer = [row + random.normal(size=len(row), scale=0.1).astype(np.float32) for row in engine]
    whole = mismatch(engine, trainer)
    parts = merge(
        [mismatch(engine[:1], trainer[:1]), mismatch(engine[1:], trainer[1:]), mismatch([], [])]
    )
    assert parts.num_tokens == whole.num_tokens == 17
    for name in ("mean_abs", "max_abs", "kl", "worst_sequence"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name))
    np.testing.assert_array_equal(parts.sequence_means, whole.sequence_means)
    assert merge([]).num_tokens == 0


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="equal shapes"):
        mismatch([np.zeros(3)], [np.zeros(2)])
    with pytest.raises(ValueError, match="1 and 2 sequences"):
        mismatch([np.zeros(3)], [np.zeros(3), np.zeros(1)])


@pytest.mark.parametrize("difference", [0.3, np.nan, np.inf])
def test_the_gate_closes_above_the_limit_and_on_non_finite_values(difference):
    measured = mismatch([np.zeros(4)], [np.full(4, difference)])
    with pytest.raises(WeightMismatchError, match="max_mismatch = 0.2. Likely causes"):
        check_mismatch(measured, WeightSyncConfig(max_mismatch=0.2))


def test_the_gate_is_open_below_the_limit_or_without_one():
    measured = mismatch([np.zeros(4)], [np.full(4, 0.19)])
    assert check_mismatch(measured, WeightSyncConfig(max_mismatch=0.2)) is None
    far = mismatch([np.zeros(4)], [np.full(4, 9.0)])
    assert check_mismatch(far, WeightSyncConfig(max_mismatch=0.0)) is None
