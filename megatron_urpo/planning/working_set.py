"""Short-lived tensors of training: what exists for a moment besides what autograd keeps.

Each function follows the code it predicts, statement by statement, and returns the bytes at its
worst moment. Names as in `activations`; r rows are the loss positions whose logits are handled at
one time, v this rank's rows of the output layer.
"""

from __future__ import annotations

from dataclasses import dataclass

from megatron_urpo.block_sizes import (
    MAX_TILE_SCORES,
    SOFTMAX_BLOCK_FLOATS,
    stretch_tokens,
)
from megatron_urpo.layout import Layout, vocab_rows
from megatron_urpo.model_shape import ModelShape
from megatron_urpo.planning.activations import (
    TrainingLoad,
    layer_bytes_per_token,
    mlp_bytes,
    residual_bytes_per_token,
    tokens_of_rank,
)
from megatron_urpo.planning.parameters import key_size, query_size

_FLOAT32 = 4


def head_forward_bytes(shape: ModelShape, layout: Layout, load: TrainingLoad) -> int:
    """Chunked log-probs, forward: logits of a chunk, and float32 copies of a block of them.

    While the next chunk or block is computed, the names of the loop still hold the last one's.
    """
    part = _logits(shape, layout, load)
    copies = 1 if load.element_bytes == _FLOAT32 else 2  # scaled logits, exponentials
    next_block = part.chunk_bytes + copies * part.block_bytes + part.next_block_bytes
    if part.chunks <= 1:
        return next_block
    held = copies * part.last_block_bytes
    next_chunk = held + part.chunk_bytes + max(part.chunk_bytes, part.block_bytes)
    return max(next_block, next_chunk)


def head_backward_bytes(shape: ModelShape, layout: Layout, load: TrainingLoad) -> int:
    """Chunked log-probs, backward: logits again, the gradients of hidden states and weight."""
    part = _logits(shape, layout, load)
    element = load.element_bytes
    weight = vocab_rows(shape.vocab_size, layout.tensor_model_parallel_size) * shape.hidden_size
    hidden = element * tokens_of_rank(load.loss_tokens, layout) * shape.hidden_size
    # Of earlier chunks, while the logits of the last turn into their gradient: the sum, and the
    # share added last. Then the moment that this chunk's share is added.
    if part.chunks <= 1:
        held, adding = 0, element * weight
    elif element == _FLOAT32:
        held = min(part.chunks - 1, 2) * _FLOAT32 * weight
        adding = held + _FLOAT32 * weight
    else:
        held = (element if part.chunks == 2 else _FLOAT32 + element) * weight
        # The first share and the second, the sum in float32, the cast of a share to add it.
        adding = (2 * element + _FLOAT32 + _cast_bytes(load)) * weight
    blocks, last = part.block_bytes + part.next_block_bytes, part.last_block_bytes
    if element == _FLOAT32:
        blocks = last = 0  # the logits themselves turn into their gradient
    return hidden + max(
        part.chunk_bytes + blocks + held,
        part.chunk_bytes + last + adding,
        weight_gradient_bytes(weight, load),
    )


def weight_gradient_bytes(parameters: int, load: TrainingLoad) -> int:
    """A parameter's gradient until it is added to the float32 buffer."""
    return (load.element_bytes + _cast_bytes(load)) * parameters


def layer_backward_bytes(shape: ModelShape, layout: Layout, load: TrainingLoad) -> int:
    """The last layer's backward pass, above what is kept when it begins.

    With full recomputation that layer's own activations come on top.
    """
    tensor = layout.tensor_model_parallel_size
    tokens = tokens_of_rank(load.tokens, layout)
    element, hidden = load.element_bytes, shape.hidden_size
    ffn = shape.ffn_hidden_size // tensor
    gradient = residual_bytes_per_token(shape, layout, load) * tokens
    # With sequence parallelism a matrix gathers its input, or the gradient of its output, again.
    gathered = element * hidden * tokens if layout.sequence_parallel else 0
    kept_by_mlp = mlp_bytes(shape, tensor, load) * tokens
    moments = (
        # Down projection: gradients of its input and weight.
        gradient + gathered + element * ffn * tokens + weight_gradient_bytes(hidden * ffn, load),
        # Gate times up: the product is gone, its gradient and those of both factors are here.
        gradient + 2 * element * ffn * tokens,
        # Gate and up projection: all of the MLP's tensors are gone.
        gradient
        + (2 * element * ffn + element * hidden) * tokens
        + gathered
        + weight_gradient_bytes(2 * hidden * ffn, load)
        - kept_by_mlp,
        gradient + _attention_backward_bytes(shape, layout, load) - kept_by_mlp,
    )
    recomputed = 0
    if load.recompute_granularity == "full":
        recomputed = layer_bytes_per_token(shape, layout, load) * tokens
    return recomputed + max(moments)


def embedding_backward_bytes(shape: ModelShape, layout: Layout, load: TrainingLoad) -> int:
    """The end of the backward pass: the embedding's gradient, as large as the embedding."""
    weight = vocab_rows(shape.vocab_size, layout.tensor_model_parallel_size) * shape.hidden_size
    tokens = tokens_of_rank(load.tokens, layout)
    hidden = load.element_bytes * shape.hidden_size * tokens
    return hidden + held_output_gradient(shape, layout, load) + weight_gradient_bytes(weight, load)


def held_output_gradient(shape: ModelShape, layout: Layout, load: TrainingLoad) -> int:
    """A tied weight's gradient from the output waits for that from the input on the same rank."""
    if not shape.tie_word_embeddings or layout.pipeline_model_parallel_size > 1:
        return 0
    weight = vocab_rows(shape.vocab_size, layout.tensor_model_parallel_size) * shape.hidden_size
    return load.element_bytes * weight


def stream_bytes_per_token(shape: ModelShape, layout: Layout, load: TrainingLoad) -> int:
    """Hidden states alive in a forward pass that keeps nothing: of the embedding, of the residual
    stream, and normalised."""
    size = 3 * residual_bytes_per_token(shape, layout, load)
    if layout.tensor_model_parallel_size > 1:
        # What was summed over the ranks is let go a little later. Of what is gathered gloo has a
        # copy.
        whole = load.element_bytes * shape.hidden_size
        size += (2 if layout.sequence_parallel and load.is_local else 1) * whole
    if layout.pipeline_model_parallel_size > 1:
        # What came from the stage before, and what went to the next.
        size += 2 * residual_bytes_per_token(shape, layout, load)
    return size


def layer_forward_bytes(shape: ModelShape, layout: Layout, load: TrainingLoad) -> int:
    """One layer's forward pass when nothing is kept for a backward pass, hidden states included."""
    tensor = layout.tensor_model_parallel_size
    tokens = tokens_of_rank(load.tokens, layout)
    element, hidden = load.element_bytes, shape.hidden_size
    queries, keys = query_size(shape, tensor), key_size(shape, tensor)
    stream = stream_bytes_per_token(shape, layout, load)
    rotary = _FLOAT32 * shape.kv_channels
    # As projected, the queries of all groups side by side, queries and keys rotated.
    projections = element * ((queries + 2 * keys) + queries + (queries + keys))
    attention = tokens * (stream + rotary + projections) + _attention_forward_bytes(
        shape, layout, load
    )
    mlp = tokens * (stream + rotary + mlp_bytes(shape, tensor, load))
    norm = tokens * (stream + rotary + (3 * _FLOAT32 * hidden if load.is_local else 0))
    return max(attention, mlp, norm)


def _attention_forward_bytes(shape: ModelShape, layout: Layout, load: TrainingLoad) -> int:
    tensor, tokens = layout.tensor_model_parallel_size, tokens_of_rank(load.tokens, layout)
    queries, keys = query_size(shape, tensor), key_size(shape, tensor)
    if not load.is_local:
        return load.element_bytes * queries * tokens
    # Copies by query group, and the result. Of the largest tile the scores in two parts and
    # joined, in float32, and copies of its rows, one in float32; of the tile before it, which the
    # names of the loop still hold, the weights, whole and split.
    all_tokens = tokens * layout.context_parallel_size  # that keys and values are of
    copies = load.element_bytes * (2 * queries * tokens + 2 * keys * all_tokens)
    if layout.context_parallel_size > 1:
        copies += load.element_bytes * 2 * keys * (tokens + all_tokens)  # sent, and received
    largest, following = _largest_tiles(load)
    heads = queries // shape.kv_channels
    whole, split = 2 * _FLOAT32, _FLOAT32 + load.element_bytes
    scores = max(whole * largest.scores, split * largest.scores + whole * following.scores)
    rows = (3 * load.element_bytes + _FLOAT32) * queries * largest.rows
    return copies + heads * scores + rows


def _attention_backward_bytes(shape: ModelShape, layout: Layout, load: TrainingLoad) -> int:
    tensor, tokens = layout.tensor_model_parallel_size, tokens_of_rank(load.tokens, layout)
    queries, keys = query_size(shape, tensor), key_size(shape, tensor)
    element = load.element_bytes
    if not load.is_local:
        # Flash attention sums the gradient of the queries in float32.
        return (_FLOAT32 * queries + element * (2 * queries + 2 * keys)) * tokens
    all_tokens = tokens * layout.context_parallel_size  # that keys and values are of
    copies = 3 * element * queries * tokens + 2 * (element + _FLOAT32) * keys * all_tokens
    # Weights, their gradient and that of the scores in float32; both split into parts.
    largest, _ = _largest_tiles(load)
    heads = queries // shape.kv_channels
    return copies + (3 * _FLOAT32 + 2 * element) * heads * largest.scores


@dataclass(frozen=True, slots=True, order=True)
class _Tile:
    """A tile of the local attention, per head."""

    scores: int
    rows: int


def _largest_tiles(load: TrainingLoad) -> tuple[_Tile, _Tile]:
    """The two largest tiles of the local attention (training/attention_plan.py).

    A tile is some stretches behind one prefix: the beginnings of prompts, the beginnings of a
    group's branches, or one later stretch of a sequence, of which its last sees most.
    """
    prompt = min(load.prompt_tokens, load.tokens)
    response = min(load.response_tokens - 1, load.tokens)  # the last token is no input
    segments = max(1, load.tokens // max(1, prompt + load.branches * response))
    start, branch = stretch_tokens(prompt), stretch_tokens(response)
    tiles = _tiles(segments, start, start)
    for _ in range(min(segments, 2)):
        tiles += _tiles(load.branches, branch, prompt + branch)
        if prompt > start:
            tiles += [_Tile(start * prompt, start)]
        if response > branch:
            tiles += [_Tile(branch * (prompt + response), branch)]
    largest, following, *_ = sorted([*tiles, _Tile(0, 0)], reverse=True)
    return largest, following


def _tiles(count: int, length: int, columns: int) -> list[_Tile]:
    """The first tiles of `count` stretches that may stand side by side."""
    width = max(1, min(count, MAX_TILE_SCORES // max(length * columns, 1)))
    widths = [width] * min(count // width, 2) + [count % width]
    return [_Tile(width * length * columns, width * length) for width in widths]


@dataclass(frozen=True, slots=True)
class _Logits:
    """How the log-probs of a micro-batch are cut."""

    chunks: int
    chunk_bytes: int  # a chunk's logits
    block_bytes: int  # the first block's logits in float32
    next_block_bytes: int  # those of the second block of a chunk
    last_block_bytes: int  # those of its last block


def _logits(shape: ModelShape, layout: Layout, load: TrainingLoad) -> _Logits:
    positions = tokens_of_rank(load.loss_tokens, layout)
    if positions == 0:
        return _Logits(0, 0, 0, 0, 0)
    vocab = vocab_rows(shape.vocab_size, layout.tensor_model_parallel_size)
    chunks = -(-positions // load.logprob_chunk_tokens)
    rows = -(-positions // chunks)
    block = min(rows, max(1, SOFTMAX_BLOCK_FLOATS // vocab)) if load.is_local else rows
    return _Logits(
        chunks=chunks,
        chunk_bytes=load.element_bytes * rows * vocab,
        block_bytes=_FLOAT32 * block * vocab,
        next_block_bytes=_FLOAT32 * min(block, rows - block) * vocab,
        last_block_bytes=_FLOAT32 * (rows % block or block) * vocab,
    )


def _cast_bytes(load: TrainingLoad) -> int:
    """Adding bfloat16 to float32 on the CPU makes a float32 copy first; a GPU's kernels do not."""
    return _FLOAT32 if load.is_local and load.element_bytes != _FLOAT32 else 0
