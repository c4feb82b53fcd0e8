"""Recorded groups read back exactly."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_urpo.code_tests.records import (
    AssertTests,
    CallCase,
    CallTests,
    CheckTests,
    CodeFailure,
    CodeResult,
    StdioCase,
    StdioTests,
)
from megatron_urpo.rollout_log import RolloutLog, group_from_record, group_to_record
from megatron_urpo.types import (
    ChatMessage,
    Check,
    FinishReason,
    Group,
    InstructionTask,
    Judgement,
    MaskReason,
    PreferenceTask,
    Prompt,
    ReasoningTask,
    Response,
    Rollout,
    VerifierStatus,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TOKEN_IDS = st.lists(st.integers(0, 200_000), max_size=5).map(tuple)
MESSAGES = st.lists(st.builds(ChatMessage, st.just("user"), TEXT), min_size=1, max_size=2).map(
    tuple
)
REAL = st.floats(allow_nan=False)
TEXTS = st.lists(TEXT, min_size=1, max_size=2).map(tuple)
TESTS = st.one_of(
    st.builds(StdioTests, st.tuples(st.builds(StdioCase, TEXT, TEXT))),
    st.builds(CallTests, TEXT, st.tuples(st.builds(CallCase, TEXT, TEXTS))),
    st.builds(AssertTests, TEXT, TEXTS, TEXTS),
    st.builds(CheckTests, TEXT, TEXT, TEXT, TEXTS),
)
CODE_RESULTS = st.builds(
    CodeResult, st.integers(0), st.integers(1), st.none() | st.sampled_from(CodeFailure)
)
CHECKS = st.lists(st.builds(Check, TEXT, TEXT), max_size=2).map(tuple)
TASKS = st.one_of(
    st.builds(ReasoningTask, TEXT, TEXT, MESSAGES, st.lists(TEXT, min_size=1).map(tuple)),
    st.builds(ReasoningTask, TEXT, TEXT, MESSAGES, tests=TESTS),
    st.builds(
        PreferenceTask,
        TEXT,
        TEXT,
        MESSAGES,
        st.lists(TEXT, max_size=3).map(tuple),
        st.lists(REAL, max_size=3).map(tuple),
        CHECKS,
    ),
    st.builds(InstructionTask, TEXT, TEXT, MESSAGES, CHECKS),
)
RESPONSES = st.builds(
    Response,
    TOKEN_IDS,
    st.lists(st.floats(width=32), max_size=5).map(lambda x: np.array(x, dtype=np.float32)),
    TEXT,
    st.sampled_from(FinishReason),
    st.integers(0),
)
JUDGEMENTS = st.builds(
    Judgement,
    TEXT,
    st.none() | st.lists(REAL).map(tuple),
    TOKEN_IDS,
    st.integers(1, 4),
    st.integers(0),
    st.integers(0),
    st.sampled_from(FinishReason),
    st.integers(0),
    st.booleans(),
)


@st.composite
def groups(draw):
    responses = tuple(draw(st.lists(RESPONSES, min_size=1, max_size=3)))
    size = len(responses)
    prompt = draw(st.builds(Prompt, st.integers(0), TASKS, TOKEN_IDS, TOKEN_IDS, st.booleans()))
    return Group(
        Rollout(prompt, responses, draw(st.none() | JUDGEMENTS)),
        np.array(draw(st.lists(st.floats(), min_size=size, max_size=size)), dtype=np.float64),
        np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=np.bool_),
        tuple(draw(st.lists(st.sampled_from(VerifierStatus), max_size=2))),
        draw(st.none() | st.sampled_from(MaskReason)),
        tuple(draw(st.lists(CODE_RESULTS, max_size=2))),
    )


def assert_same(left, right):
    """Equality of records field by field; arrays by dtype, shape and bits of every value."""
    assert type(left) is type(right)
    if dataclasses.is_dataclass(left):
        for item in dataclasses.fields(left):
            assert_same(getattr(left, item.name), getattr(right, item.name))
    elif isinstance(left, tuple):
        assert len(left) == len(right)
        for first, second in zip(left, right, strict=True):
            assert_same(first, second)
    elif isinstance(left, np.ndarray):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right, strict=True)
    else:
        assert left == right


@given(groups())
@settings(max_examples=150, deadline=None)
def test_round_trip(group):
    line = json.dumps(group_to_record(group), allow_nan=False)
    assert_same(group_from_record(json.loads(line)), group)


def make_group(index, text="It is \\boxed{2}.\n\u2028"):
    task = ReasoningTask("sums", f"k{index}", (ChatMessage("user", "1 + 1?"),), ("2",))
    response = Response((7, 8), np.float32([-0.1, -1e-30]), text, FinishReason.STOP, 3)
    return Group(
        Rollout(Prompt(index, task, (1, 2, 3)), (response, response), None),
        np.array([1.0, math.nan]),
        np.array([True, False]),
        (VerifierStatus.CORRECT, VerifierStatus.TIMEOUT),
        MaskReason.VERIFIER_FAILURE,
    )


def test_file_a_step_with_readable_prompts(tmp_path):
    log = RolloutLog(tmp_path, decode=lambda ids: "-".join(map(str, ids)))
    written = [make_group(0), make_group(1)]
    log.write(12, written)
    path = tmp_path / "rollouts" / "step_000012.jsonl"
    assert log.path(12) == path
    assert json.loads(path.read_text(encoding="utf-8").split("\n")[1])["prompt"]["text"] == "1-2-3"
    for read, group in zip(log.read(12), written, strict=True):
        assert_same(read, group)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]  # no temporary left


def test_cut_off_on_resume(tmp_path):
    log = RolloutLog(tmp_path)
    for step in (1, 4, 5, 1_000_000):
        log.write(step, [make_group(0)])
    log.cut_off(4)
    assert log.steps() == [1, 4]
    RolloutLog(tmp_path / "empty").cut_off(0)


@pytest.mark.parametrize("damage", ["{", "[]", '{"index": 0}', "null"])
def test_damage_names_file_and_line(tmp_path, damage):
    log = RolloutLog(tmp_path)
    log.write(0, [make_group(0)])
    with log.path(0).open("a") as file:
        file.write(damage + "\n")
    with pytest.raises(ValueError, match=rf"{log.path(0)}:2: not a recorded group"):
        log.read(0)
