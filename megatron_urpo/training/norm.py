"""Megatron's norm slot where Transformer Engine is not: torch's RMSNorm."""

from __future__ import annotations

from typing import Any

import torch
from megatron.core.transformer.transformer_config import TransformerConfig


class LocalNorm(torch.nn.RMSNorm):
    """RMSNorm over the last dimension, of hidden states (T, 1, hidden_size) or heads."""

    def __init__(
        self, config: TransformerConfig, hidden_size: int, eps: float = 1e-5, **unused: Any
    ) -> None:
        super().__init__(hidden_size, eps=eps)
        # Each tensor-parallel rank then sees some of the tokens: Megatron sums gradients so marked.
        self.weight.sequence_parallel = config.sequence_parallel  # type: ignore[attr-defined]
