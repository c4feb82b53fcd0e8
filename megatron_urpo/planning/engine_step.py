"""The widest moment of a step of the rollout engine: what vLLM holds beside weights and KV cache.

Sizes of queries, keys and the MLP are those of a rank, divided by the engine's tensor parallelism.
"""

from __future__ import annotations

from megatron_urpo.model_shape import ModelShape
from megatron_urpo.planning.parameters import key_size, query_size

_FLOAT32 = 4


def step_bytes(
    shape: ModelShape,
    *,
    tokens: int,
    sequences: int,
    tensor_parallel_size: int,
    element_bytes: int,
    on_cpu: bool,
) -> int:
    """Bytes of one rank at the widest moment of a step.

    Either inside a layer, over all tokens of the step, or in the sampler, over the last position of
    each sequence.

    Args:
        tokens: the most that a step computes.
        sequences: the most that a step samples for.
    """
    layer = _cpu_layer_elements if on_cpu else _gpu_layer_elements
    layer_bytes = element_bytes * tokens * layer(shape, tensor_parallel_size, element_bytes)
    logits = sequences * shape.vocab_size
    return max(layer_bytes, logits * (element_bytes + _sampler_bytes(element_bytes, on_cpu)))


def _gpu_layer_elements(shape: ModelShape, tensor_parallel_size: int, element_bytes: int) -> int:
    """Of a token: the MLP, whose kernels add in place and activate without a copy. Not measured."""
    return 2 * shape.hidden_size + 3 * shape.ffn_hidden_size // tensor_parallel_size


def _cpu_layer_elements(shape: ModelShape, tensor_parallel_size: int, element_bytes: int) -> int:
    """Of a token, with torch's own operations: both states that enter the layer are kept meanwhile.

    Norms are computed in float32, which takes copies of anything else.
    """
    hidden = shape.hidden_size
    queries = query_size(shape, tensor_parallel_size)
    keys = key_size(shape, tensor_parallel_size)
    copies = element_bytes < _FLOAT32
    projected = (3 if shape.qk_layernorm else 2) * (queries + keys)
    moments = [
        4 * hidden + 4 * shape.ffn_hidden_size // tensor_parallel_size,
        5 * hidden + projected,
        (11 if copies else 7) * hidden,
    ]
    if shape.qk_layernorm:
        moments.append(4 * hidden + (7 if copies else 3) * queries + 2 * keys)
    return max(moments)


def _sampler_bytes(element_bytes: int, on_cpu: bool) -> int:
    """Beside an element of the model's logits: their log-probs, and themselves in float32 where
    they are not; on a GPU the probabilities and the noise that samples from them too."""
    copies = 1 + (element_bytes < _FLOAT32) + (0 if on_cpu else 2)
    return _FLOAT32 * copies
