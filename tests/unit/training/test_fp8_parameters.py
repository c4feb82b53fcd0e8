"""The FP8 tensors themselves need a GPU (tests/gpu); here what surrounds them."""

from types import MethodType

import torch

from megatron_urpo.model_shape import read_model_shape
from megatron_urpo.training import fp8_parameters
from megatron_urpo.training.fp8_parameters import plain
from megatron_urpo.training.hf_weights import load_hf_weights


def keep_birth_values(parameter):
    """What Transformer Engine 2.11 attaches to a weight it keeps in FP8 (module/base.py)."""
    parameter._high_precision_init_val = torch.full_like(parameter, torch.nan, device="cpu")
    parameter.get_high_precision_init_val = MethodType(
        lambda self: self._high_precision_init_val, parameter
    )


def test_the_optimizer_starts_from_the_loaded_weights(make_policy, model_directory, parallel):
    policy = make_policy("llama_untied", dtype="bfloat16")
    mlp = policy._chunks[0].module.module.decoder.layers[1].mlp
    for linear in (mlp.linear_fc1, mlp.linear_fc2):
        keep_birth_values(linear.weight)

    directory = model_directory("llama_untied")
    load_hf_weights(policy._chunks, directory, read_model_shape(directory), parallel)

    for linear in (mlp.linear_fc1, mlp.linear_fc2):
        exact = linear.weight.get_high_precision_init_val()
        # As Megatron's optimizer reads it: flat, a slice, in fp32.
        assert torch.equal(
            exact.view(-1)[5:9].float(), linear.weight.detach().view(-1)[5:9].float()
        )
        assert exact.data_ptr() != linear.weight.data_ptr()
    assert not hasattr(
        policy._chunks[0].module.module.output_layer.weight, "_high_precision_init_val"
    )


def test_weights_leave_as_what_the_next_forward_multiplies_with(make_policy, monkeypatch):
    """Exports and the engine get them dequantized: FP8 tensors cannot be reshaped or gathered."""
    policy = make_policy()
    before = {name: tensor.clone() for name, tensor in policy.hf_weights()}
    monkeypatch.setattr(fp8_parameters, "is_float8tensor", lambda tensor: tensor.ndim == 2)
    monkeypatch.setattr(fp8_parameters, "dequantize_fp8_tensor", lambda tensor: tensor + 1)
    for name, tensor in policy.hf_weights():
        assert torch.equal(tensor, before[name] + (tensor.ndim == 2)), name


def test_an_ordinary_weight_is_taken_as_it_is():
    weight = torch.ones(2, 3)
    assert plain(weight) is weight
