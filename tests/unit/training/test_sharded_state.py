import subprocess
import sys
from pathlib import Path

import pytest
import torch

from megatron_urpo.config import ConfigError, OptimizerConfig

SAVE = """
import errno, sys
from megatron_urpo.config import Config, ModelConfig, OptimizerConfig
from megatron_urpo.training import parallel
from megatron_urpo.training.policy import Policy

config = Config(model=ModelConfig(path=sys.argv[1], params_dtype="float32"))
policy = Policy.from_pretrained(config, parallel.initialize(config), OptimizerConfig(lr=1e-3))
try:
    policy.save(sys.argv[2])
except OSError as error:
    print(errno.errorcode[error.errno], error)
"""


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_resumed_training_repeats_bitwise(make_policy, micro_batches, tmp_path, dtype):
    policy = make_policy(dtype=dtype)
    old = [scores.logprobs for scores in policy.logprobs(micro_batches)]
    for _ in range(2):
        policy.update(micro_batches, old, 1e-2)
    policy.save(tmp_path)
    expected = [policy.update(micro_batches, old, 1e-2) for _ in range(3)]

    fresh, same = make_policy(dtype=dtype), policy
    for resumed in (fresh, same):
        resumed.load(tmp_path)
        assert [resumed.update(micro_batches, old, 1e-2) for _ in range(3)] == expected
    for (name, tensor), (_, original) in zip(fresh.hf_weights(), policy.hf_weights(), strict=True):
        assert torch.equal(tensor, original), name


def test_a_checkpoint_before_the_first_update_is_complete(make_policy, micro_batches, tmp_path):
    policy = make_policy()
    old = [scores.logprobs for scores in policy.logprobs(micro_batches)]
    policy.save(tmp_path)
    expected = policy.update(micro_batches, old, 1e-2)
    resumed = make_policy()
    resumed.update(micro_batches, old, 1e-1)  # must be forgotten
    resumed.load(tmp_path)
    assert resumed.update(micro_batches, old, 1e-2) == expected


def test_a_resumed_run_follows_its_own_configuration(make_policy, micro_batches, tmp_path):
    saved = OptimizerConfig(lr=1e-2, weight_decay=0.3, adam_beta1=0.5, adam_beta2=0.6, adam_eps=0.1)
    make_policy(optimizer=saved).save(tmp_path)
    own = OptimizerConfig(lr=1e-2, adam_eps=1e-5)
    fresh, resumed = make_policy(optimizer=own), make_policy(optimizer=own)
    old = [scores.logprobs for scores in fresh.logprobs(micro_batches)]
    resumed.load(tmp_path)
    for _ in range(3):
        expected = fresh.update(micro_batches, old, 1e-2)
        assert resumed.update(micro_batches, old, 1e-2) == expected
    groups = [p._optimizer.distributed.optimizer.param_groups for p in (fresh, resumed)]
    for one, other in zip(*groups, strict=True):
        assert {name: one[name] for name in one.keys() - {"params"}}.items() <= other.items()


def test_layers_that_keep_more_state_load_what_others_saved(
    make_policy, micro_batches, tmp_path, monkeypatch
):
    """As Transformer Engine's attention, which keeps FP8 scales, loads what the local one saved."""
    policy = make_policy()
    policy.save(tmp_path)
    weights = {name: tensor.clone() for name, tensor in policy.hf_weights()}
    attention = type(policy._chunks[0].module.decoder.layers[0].self_attention.core_attention)
    taken = []
    monkeypatch.setattr(attention, "get_extra_state", lambda self: torch.ones(3), raising=False)
    monkeypatch.setattr(
        attention, "set_extra_state", lambda self, state: taken.append(state), raising=False
    )
    policy.update(micro_batches, [s.logprobs for s in policy.logprobs(micro_batches)], 1e-2)
    policy.load(tmp_path)
    for name, tensor in policy.hf_weights():
        assert torch.equal(tensor, weights[name]), name
    (tmp_path / "again").mkdir()
    policy.save(tmp_path / "again")
    policy.load(tmp_path / "again")
    layers = len(taken) // 2
    assert taken[:layers] == [None] * layers
    assert all(torch.equal(state, torch.ones(3)) for state in taken[layers:])


def test_checkpoint_of_another_model(make_policy, tmp_path):
    make_policy("llama_tied").save(tmp_path)
    with pytest.raises(ConfigError, match="another model: it differs in tie_word_embeddings"):
        make_policy("llama_untied").load(tmp_path)


@pytest.mark.slow  # needs user namespaces, to mount a small file system
def test_a_full_disk_is_named_whatever_the_writers_say(model_directory, tmp_path):
    mount = f"mount -t tmpfs -o size=256k tmpfs {tmp_path} && exec "
    save = f'"$0" -c "$1" {model_directory("llama_tied")} {tmp_path}'
    result = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount + save]
        + [sys.executable, SAVE],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == f"ENOSPC [Errno 28] No space left on device: '{tmp_path}'\n"
