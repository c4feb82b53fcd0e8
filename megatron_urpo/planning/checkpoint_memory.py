"""Memory of saving and resuming: what is gathered and copied before the files are written, and what
is read before every rank takes its share of it.

Of the ranks that hold the same parameters the first alone writes (training/sharded_state.py). What
it writes lies in the host's memory, which on the CPU is the memory that is planned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from megatron_urpo.block_sizes import GATHERED_PIECE_BYTES
from megatron_urpo.layout import Layout
from megatron_urpo.model_shape import ModelShape
from megatron_urpo.planning.activations import TrainingLoad
from megatron_urpo.planning.parameters import rank_parameters

_STATE_BYTES = 12  # of a parameter: its value and two moments in float32
_VALUE_BYTES = 4  # of the first of them


def gather_buffer_bytes(shape: ModelShape, layout: Layout, load: TrainingLoad, stage: int) -> int:
    """On the device, while the optimizer's state is gathered; nothing where a rank has all of it.

    At most a piece of this rank's share and the same of every rank.
    """
    shards = layout.optimizer_shards
    if shards == 1:
        return 0
    share = -(-_VALUE_BYTES * rank_parameters(shape, layout, stage).total // shards)
    return min(GATHERED_PIECE_BYTES, (shards + 1) * share)


def copied_components(
    shape: ModelShape, layout: Layout, load: TrainingLoad, stage: int, *, background: bool
) -> dict[str, int]:
    """Host memory of a rank that writes, besides what it holds anyway.

    Weights are copied out of their buffer. The optimizer's state is copied where it is gathered,
    where it is on a GPU, and where training goes on meanwhile. Else it is written from where it
    lies, but for what Megatron cuts out of a larger tensor: weights that are their own masters, and
    the halves of every gate and up projection.

    Args:
        background: checkpoint.async_save.
    """
    total = rank_parameters(shape, layout, stage).total
    halves = _halves(shape, layout)
    is_gathered = layout.optimizer_shards > 1 or not load.is_local
    if is_gathered:
        state = _STATE_BYTES * (total + halves)
    elif background:
        state = _STATE_BYTES * total
    elif load.element_bytes == _VALUE_BYTES:
        state = _VALUE_BYTES * total + (_STATE_BYTES - _VALUE_BYTES) * halves
    else:
        state = _STATE_BYTES * halves
    return {"copy of weights": load.element_bytes * total, "copy of optimizer": state}


def loaded_components(
    shape: ModelShape, layout: Layout, load: TrainingLoad, stage: int
) -> dict[str, int]:
    """Host memory of any rank that resumes: the optimizer's state of all its parameters, however
    many ranks share it afterwards.

    Besides, a tensor is in memory twice while it is read; when all are, the halves of gate and up
    projections are joined, weights and state alike.
    """
    parameters = rank_parameters(shape, layout, stage)
    matrix = shape.hidden_size * shape.ffn_hidden_size // layout.tensor_model_parallel_size
    read = 2 * _VALUE_BYTES * max(parameters.embedding, parameters.output, matrix)
    joined = (_STATE_BYTES + load.element_bytes) * _halves(shape, layout)
    return {
        "loaded optimizer": _STATE_BYTES * parameters.total,
        "read or joined": max(read, joined),
    }


def _halves(shape: ModelShape, layout: Layout) -> int:
    """Parameters of a rank's gate and up projections, which a checkpoint has apart."""
    ffn = shape.ffn_hidden_size // layout.tensor_model_parallel_size
    layers = shape.num_layers // layout.pipeline_model_parallel_size
    return 2 * layers * shape.hidden_size * ffn


def background_copies(
    shape: ModelShape, layout: Layout, load: TrainingLoad, *, background: bool
) -> dict[str, int]:
    """What a rank of the CPU holds in every phase while a save is written in the background."""
    if not (background and load.is_local):
        return {}
    return max(
        (
            copied_components(shape, layout, load, stage, background=True)
            for stage in range(layout.pipeline_model_parallel_size)
        ),
        key=lambda copies: sum(copies.values()),
    )


def host_bytes_of_node(
    shape: ModelShape, layout: Layout, load: TrainingLoad, ranks_per_node: int, *, background: bool
) -> int:
    """What a save takes of the host's memory on the node where that is most."""

    def copied(stage: int) -> int:
        copies = copied_components(shape, layout, load, stage, background=background)
        return sum(copies.values())

    return _most_of_a_node(layout, ranks_per_node, layout.tensor_model_parallel_size, copied)


def resuming_bytes_of_node(
    shape: ModelShape, layout: Layout, load: TrainingLoad, ranks_per_node: int
) -> int:
    """What resuming takes of the host's memory on the node where that is most."""

    def loaded(stage: int) -> int:
        return sum(loaded_components(shape, layout, load, stage).values())

    every = layout.world_size // layout.pipeline_model_parallel_size
    return _most_of_a_node(layout, ranks_per_node, every, loaded)


def _most_of_a_node(
    layout: Layout, ranks_per_node: int, ranks: int, bytes_of: Callable[[int], int]
) -> int:
    """Bytes of the node where the first `ranks` of every pipeline stage hold most.

    Ranks are counted as Megatron does: tensor, context, data, pipeline, the first the fastest.
    """
    nodes: dict[int, int] = defaultdict(int)
    per_stage = layout.world_size // layout.pipeline_model_parallel_size
    for stage in range(layout.pipeline_model_parallel_size):
        for rank in range(ranks):
            nodes[(stage * per_stage + rank) // ranks_per_node] += bytes_of(stage)
    return max(nodes.values())
