"""Files that the disk does not hold: a limit on the size of files stands for a full disk."""

import resource
from contextlib import contextmanager

import numpy as np
import pytest

from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.preparation.disk import mapped_array, writing
from megatron_urpo.data.preparation.parts import Parts
from megatron_urpo.types import ChatMessage, InstructionTask, TaskKind


@contextmanager
def largest_file(size):
    """No file of this process grows beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_array_takes_its_room_at_once(tmp_path):
    array = mapped_array(tmp_path / "a", (1000, 120))
    assert (tmp_path / "a").stat().st_blocks * 512 >= array.nbytes == 480_000
    array[:] = 7
    assert np.array_equal(np.fromfile(tmp_path / "a", np.uint32), np.full(120_000, 7))


def test_an_array_without_room_is_an_error_that_names_the_place(tmp_path):
    problem = r"/a: cannot be written \(File too large\): free space in .*, or set `directory`"
    with largest_file(100_000), pytest.raises(DataError, match=problem):
        mapped_array(tmp_path / "a", (1000, 120))


def test_a_part_without_room_is_named(tmp_path):
    parts = Parts(tmp_path / "x", TaskKind.INSTRUCTION, answered=False)
    parts.open({})
    task = InstructionTask("s", "k", (ChatMessage("user", "word " * 20_000),))
    with (
        largest_file(50_000),
        pytest.raises(DataError, match=r"part-00000\.arrow: cannot be written .*free space"),
    ):
        parts.add([(task, "f:1")], [], end=1, rows=1, unselected=0)
    assert parts.states == []


def test_errors_of_other_kinds_pass(tmp_path):
    with pytest.raises(ValueError, match="other"), writing(tmp_path / "a"):
        raise ValueError("other")
