import pytest
import torch
from megatron.core import dist_checkpointing
from megatron.core.dist_checkpointing.mapping import ShardedTensor, ShardedTensorFactory
from torch.distributed.checkpoint import CheckpointException

from megatron_urpo.training.streamed_checkpoint import CheckpointReader, StreamedSave
from megatron_urpo.types import RunError

SHAPES = {"stack.0": (4, 3), "stack.1": (4, 3), "halves": (6, 2), "vector": (5,), "copy": (5,)}


def halves(key, tensor, replica_id, flattened_range):
    """A factory as Megatron's for gate and up: two pieces of one parameter."""
    return [
        ShardedTensor.from_rank_offsets(key, part, (0, number, 2))
        for number, part in enumerate(tensor.chunk(2))
    ]


@pytest.fixture
def saved(parallel, tmp_path):
    """The directory, the real tensors, and which of them were made in what order."""
    sources = {name: torch.empty(shape, device="meta") for name, shape in SHAPES.items()}
    real = {name: torch.randn(shape) for name, shape in SHAPES.items()}
    stack = [
        ShardedTensor.from_rank_offsets(
            "stack", sources[f"stack.{layer}"], (0, layer, 2), prepend_axis_num=1
        )
        for layer in range(2)
    ]
    state = {
        "first": stack[0],
        "second": stack[1],
        "halves": ShardedTensorFactory("halves", sources["halves"], halves, torch.cat),
        "vector": ShardedTensor.from_rank_offsets("vector", sources["vector"]),
        "copy": ShardedTensor.from_rank_offsets("vector", sources["copy"], replica_id=1),
        "common": {"step": 3},
    }
    names = list(sources)
    made = []

    def make(number):
        made.append(names[number])
        return real[names[number]]

    strategy = StreamedSave(list(sources.values()), make)
    dist_checkpointing.save(state, str(tmp_path), sharded_strategy=strategy)
    return tmp_path, real, made


def test_every_tensor_is_made_once_when_it_is_written_and_copies_never(saved):
    _, _, made = saved
    assert sorted(made) == ["halves", "stack.0", "stack.1", "vector"]


def test_megatron_loads_what_was_streamed(saved):
    directory, real, _ = saved
    state = {
        "stack": ShardedTensor.from_rank_offsets("stack", torch.empty(2, 4, 3)),
        "halves": ShardedTensor.from_rank_offsets("halves", torch.empty(6, 2)),
        "vector": ShardedTensor.from_rank_offsets("vector", torch.empty(5)),
    }
    loaded = dist_checkpointing.load(state, str(directory))
    assert torch.equal(loaded["stack"], torch.stack([real["stack.0"], real["stack.1"]]))
    assert torch.equal(loaded["halves"], real["halves"])
    assert torch.equal(loaded["vector"], real["vector"])
    assert loaded["common"] == {"step": 3}


def test_the_reader_gives_one_layer_of_a_stack(saved):
    directory, real, _ = saved
    reader = CheckpointReader(directory)
    assert torch.equal(reader.read("stack", 1), real["stack.1"])
    assert torch.equal(reader.read("halves"), real["halves"])
    assert "vector" in reader
    assert "absent" not in reader


def test_a_checkpoint_that_is_deleted_while_it_is_read(saved):
    """As a run does that goes on; anything else that is wrong keeps its own reason."""
    directory, real, _ = saved
    reader = CheckpointReader(directory)
    assert torch.equal(reader.read("vector"), real["vector"])
    (directory / "__0_0.distcp").rename(directory / "elsewhere")
    with pytest.raises(CheckpointException, match="distcp"):
        reader.read("vector")
    directory.rename(directory.with_name(f".deleting-{directory.name}"))
    with pytest.raises(RunError, match=r"was deleted while it was read: .*keep_last; start again"):
        reader.read("vector")
