"""Weights that Transformer Engine keeps in FP8 (training.fp8_param_gather): in and out."""

from __future__ import annotations

import torch
from megatron.core.fp8_utils import dequantize_fp8_tensor, is_float8tensor
from torch import Tensor


def keep_exact(parameter: torch.nn.Parameter, values: Tensor) -> None:
    """Lets the optimizer's fp32 weights start from `values`, not from their rounding to FP8.

    Megatron's optimizer starts from what the module was born with, which Transformer Engine keeps
    beside the rounded weight until then. Here that is uninitialised memory: weights are loaded
    later. Does nothing to a parameter that is not kept in FP8.

    Args:
        values: what was copied into `parameter`, same shape.
    """
    if hasattr(parameter, "get_high_precision_init_val"):
        exact = values.detach().to("cpu", parameter.dtype, copy=True).contiguous()
        parameter._high_precision_init_val = exact  # type: ignore[attr-defined]


def plain(parameter: Tensor) -> Tensor:
    """A weight as an ordinary tensor: what the next forward pass multiplies with."""
    return dequantize_fp8_tensor(parameter) if is_float8tensor(parameter) else parameter
