"""Every layout computes what one rank computes: log-probs, losses, gradients, weights, resuming."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from megatron_urpo.batching import PackingLayout, pack_mini_batch
from megatron_urpo.config import BatchingConfig
from megatron_urpo.types import TaskKind
from tests.distributed import training_worker
from tests.distributed.training_worker import LAYOUTS, ORDER, Case
from tests.recorded_rollouts import recorded_groups, recorded_mini_batches, renumbered
from tests.small_models import write_small_model

ROOT = Path(__file__).parents[2]


CASES = (
    Case("llama_tied", "random", (50,)),
    Case("llama_tied", "recorded", (200, 700)),
    Case("qwen3", "recorded", (200,)),
    Case("qwen2", "recorded", (300,)),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The directory of every case. All are trained by the same processes, which start slowly."""
    directories = {case: tmp_path_factory.mktemp("case") for case in CASES}
    for case, directory in directories.items():
        case.write(directory)
        changes = {"num_hidden_layers": 4}
        if case.groups == "recorded":
            _, vocabulary = renumbered(recorded_mini_batches())
            # Odd, so that it needs padding under tensor parallelism.
            changes |= {"vocab_size": vocabulary | 1, "max_position_embeddings": 1024}
        write_small_model(case.family, directory / "model", **changes)
    worker = [training_worker.__file__, *map(str, directories.values())]
    for world in LAYOUTS:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
        subprocess.run(
            [sys.executable, *(launcher if world > 1 else ()), *worker],
            check=True,
            timeout=1000,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
    return directories


@pytest.fixture(scope="module", params=CASES, ids=str)
def results(request, trained):
    """Results by layout, budget and rank."""
    return {
        (name, budget): [
            torch.load(trained[request.param] / f"{name}-{budget}-{rank}.pt", weights_only=False)
            for rank in range(world)
        ]
        for world, name in ORDER
        for budget in request.param.budgets
    }


@pytest.fixture(params=[name for _, name in ORDER])
def layout(request, results):
    """What every rank recorded under a layout, for each budget."""
    return [mine for (name, _), ranks in results.items() if name == request.param for mine in ranks]


@pytest.fixture
def alone(results):
    """What one rank recorded with the smallest budget."""
    return next(ranks[0] for (name, _), ranks in results.items() if name == "alone")


@pytest.mark.parametrize("prefix", ["", "resumed_"])
def test_agrees_with_one_rank(layout, alone, prefix):
    for mine in layout:
        for one, two in zip(alone[f"{prefix}statistics"], mine[f"{prefix}statistics"], strict=True):
            # A sum of terms of either sign that cancel: its terms are about 1 in size.
            assert two.loss == pytest.approx(one.loss, rel=1e-5, abs=2e-7)
            assert two.grad_norm == pytest.approx(one.grad_norm, rel=1e-5)
            assert two.by_kind.keys() == one.by_kind.keys()
            for kind, statistics in one.by_kind.items():
                assert two.by_kind[kind].tokens == statistics.tokens
                for name in ("entropy", "ratio"):
                    value = getattr(statistics, name)
                    assert getattr(two.by_kind[kind], name) == pytest.approx(value, rel=1e-5)
                # Of differences of log-probs, which have fewer digits than these.
                for name in ("approx_kl", "reference_kl"):
                    value = getattr(statistics, name)
                    assert getattr(two.by_kind[kind], name) == pytest.approx(
                        value, rel=1e-4, abs=1e-7
                    )
        weights = mine[f"{prefix}weights"]
        assert weights.keys() == alone[f"{prefix}weights"].keys()
        for name, tensor in alone[f"{prefix}weights"].items():
            torch.testing.assert_close(weights[name], tensor, rtol=0, atol=2e-6)


def test_weight_changes_agree_with_one_rank(layout, alone):
    changes = {
        name: alone["weights"][name] - tensor for name, tensor in alone["pretrained"].items()
    }
    for mine in layout:
        differences = {name: mine["weights"][name] - alone["weights"][name] for name in changes}
        assert joint_norm(differences) < 1e-5 * joint_norm(changes)
        for name, change in changes.items():
            assert change.norm() > 0
            rounding = 2e-7 * alone["weights"][name].norm()  # of a weight, however little it moved
            assert differences[name].norm() < 3e-5 * change.norm() + rounding, name


def joint_norm(tensors):
    return torch.stack([tensor.norm() for tensor in tensors.values()]).norm()


def test_pretrained_weights_come_back_bitwise(layout, alone):
    for mine in layout:
        for name, tensor in alone["pretrained"].items():
            assert torch.equal(mine["pretrained"][name], tensor), name


def test_scores_agree_with_one_rank(layout, alone):
    found = set()
    for mine in layout:
        for key, (logprobs, entropy) in mine["scores"].items():
            np.testing.assert_allclose(logprobs, alone["scores"][key][0], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(entropy, alone["scores"][key][1], rtol=1e-5)
            found.add(key)
    assert found == alone["scores"].keys()


def test_the_reference_stays_when_the_weights_have_moved(layout):
    for mine in layout:
        for batches, again in zip(mine["references"], mine["references_again"], strict=True):
            for one, two in zip(batches, again, strict=True):
                assert torch.equal(one, two)
        for name, tensor in mine["weights"].items():
            assert torch.equal(mine["weights_after_references"][name], tensor), name


def test_resuming_on_the_same_layout_is_bitwise(layout):
    for mine in layout:
        assert mine["repeated_statistics"] == mine["statistics"][2:]
        for name, tensor in mine["weights"].items():
            assert torch.equal(mine["repeated_weights"][name], tensor), name


@pytest.mark.parametrize(
    ("name", "first"), [("data", [0]), ("context", [0]), ("tensor_data", [0, 1])]
)
def test_only_the_first_copy_of_a_weight_gathers_its_state(results, name, first):
    for (found, _), ranks in results.items():
        if found == name:
            held = [mine["gathered_bytes"] for mine in ranks]
            assert [rank for rank, size in enumerate(held) if size > max(held) / 50] == first


def test_the_layout_of_data_parallelism_is_the_hard_one():
    layout = PackingLayout(data_parallel_size=2)
    ranks = [
        [pack_mini_batch(groups, BatchingConfig(micro_batch_tokens=50), layout, rank)
         for groups in training_worker.MINI_BATCHES]
        for rank in range(2)
    ]  # fmt: skip
    counts = [[[b.num_loss_tokens for b in batches] for batches in mine] for mine in ranks]
    assert sorted(sum(first) for first, _ in counts) == [0, 15]  # one rank has a filler only
    (_, one), (_, other) = counts
    assert len(one) == len(other)
    assert sum(one) != sum(other)


def test_the_recorded_groups_have_what_a_step_has():
    groups = recorded_groups()
    assert {group.kind for group in groups} == set(TaskKind)
    lengths = {len(r.token_ids) for group in groups for r in group.rollout.responses}
    assert len(lengths) > 5
    mini_batches = recorded_mini_batches()
    assert len(mini_batches) == 2
    varied = {g.kind for mini_batch in mini_batches for g in mini_batch if g.advantages.any()}
    assert varied == set(TaskKind)
    for budget in (200, 300):
        packed = [
            pack_mini_batch(mini_batch, BatchingConfig(micro_batch_tokens=budget), PackingLayout())
            for mini_batch in mini_batches
        ]
        assert all(len(micro_batches) > 1 for micro_batches in packed)
