"""The mixture: exact shares, seeded order, a position that can be saved."""

import json
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_urpo.config import ConfigError, DataConfig, SourceConfig
from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.mixture import Mixture
from megatron_urpo.data.sources import Source
from megatron_urpo.types import (
    ChatMessage,
    InstructionTask,
    PreferenceTask,
    ReasoningTask,
    TaskKind,
)

USER = (ChatMessage("user", "?"),)
P, R, I = TaskKind.PREFERENCE, TaskKind.REASONING, TaskKind.INSTRUCTION  # noqa: E741


def source(name, kind, items, weight=0.0):
    def task(index):
        key = f"{name}-{index}"
        if kind is P:
            return PreferenceTask(name, key, USER, ("a", "b"), (0.0, 1.0))
        if kind is R:
            return ReasoningTask(name, key, USER, ("1",))
        return InstructionTask(name, key, USER)

    tasks = tuple(task(index) for index in range(items))
    return Source(SourceConfig(name, kind, "file.jsonl", weight), tasks)


def sources(items=11):
    return [source("p", P, items), source("r", R, items + 2), source("i", I, items + 3)]


def kinds(batch):
    return Counter(task.kind for task in batch)


def test_256_by_thirds():
    mixture = Mixture(DataConfig(prompts_per_step=256, phase1_steps=0), sources(), 1)
    counts = [kinds(mixture.next_batch(step)) for step in range(6)]
    assert all(sum(count.values()) == 256 for count in counts)
    # Over three batches every kind gets its 256 prompts.
    for kind in TaskKind:
        assert sum(count[kind] for count in counts[:3]) == 256
        assert {count[kind] for count in counts} == {85, 86}


def test_phases():
    config = DataConfig(
        prompts_per_step=8, preference_ratio=3, reasoning_ratio=1, instruction_ratio=4,
        phase1_steps=2,
    )  # fmt: skip
    mixture = Mixture(config, sources(), 1)
    assert [kinds(mixture.next_batch(step)) for step in range(4)] == [
        {P: 6, R: 2},
        {P: 6, R: 2},
        {P: 3, R: 1, I: 4},
        {P: 3, R: 1, I: 4},
    ]


def test_sources_of_a_kind_share_it_by_weight():
    several = [
        source("a", R, 50, 3),
        source("b", R, 50, 1),
        source("c", R, 50, 0.5),
        source("p", P, 9),
    ]
    config = DataConfig(prompts_per_step=4, instruction_ratio=0)
    mixture = Mixture(config, several, 1)
    drawn = Counter()
    for step in range(9):
        drawn.update(task.source for task in mixture.next_batch(step))
    assert drawn == {"p": 18, "a": 12, "b": 4, "c": 2}


def test_without_weights_sources_share_by_size():
    several = [source("a", R, 300), source("b", R, 100), source("c", R, 50), source("p", P, 9)]
    config = DataConfig(prompts_per_step=6, instruction_ratio=0)
    mixture = Mixture(config, several, 1)
    drawn = Counter()
    for step in range(30):
        drawn.update(task.source for task in mixture.next_batch(step))
    assert drawn == {"p": 90, "a": 60, "b": 20, "c": 10}


ratios = st.tuples(*[st.sampled_from([0.0, 0.1, 0.3, 1.0, 2.0, 7.5])] * 3)


@given(ratios, ratios, st.integers(1, 13), st.integers(0, 4), st.integers(1, 12))
def test_shares_are_never_a_prompt_off(ratio, weights, prompts, phase1_steps, steps):
    if not any(ratio[:2]):
        return
    config = DataConfig(
        prompts_per_step=prompts, preference_ratio=ratio[0], reasoning_ratio=ratio[1],
        instruction_ratio=ratio[2], phase1_steps=phase1_steps,
    )  # fmt: skip
    several = [source(f"r{k}", R, 5, weight) for k, weight in enumerate(weights) if weight]
    several += sources()
    mixture = Mixture(config, several, 3)
    weight_of = {
        made.config.name: Fraction(str(made.config.weight or len(made.tasks))) for made in several
    }
    exact, given_, by_source = Counter(), Counter(), Counter()
    for step in range(steps):
        batch = mixture.next_batch(step)
        assert len(batch) == prompts
        given_.update(kinds(batch))
        by_source.update(task.source for task in batch if task.kind is R)
        share = {
            kind: Fraction(str(value)) for kind, value in config.ratio(config.phase(step)).items()
        }
        for kind, value in share.items():
            exact[kind] += prompts * value / sum(share.values())
            if value == 0:
                assert kinds(batch)[kind] == 0
    for kind in TaskKind:
        assert abs(given_[kind] - exact[kind]) < 1
    reasoning = [made.config.name for made in several if made.config.kind is R]
    total = sum(weight_of[name] for name in reasoning)
    for name in reasoning:
        assert abs(by_source[name] - given_[R] * weight_of[name] / total) < 1


def test_epochs_are_shuffled_and_whole():
    config = DataConfig(prompts_per_step=10, preference_ratio=0, instruction_ratio=0)
    mixture = Mixture(config, [source("r", R, 10)], 7)
    epochs = [[task.key for task in mixture.next_batch(step)] for step in range(3)]
    assert all(sorted(epoch) == sorted(epochs[0]) and len(set(epoch)) == 10 for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    again = Mixture(config, [source("r", R, 10)], 7)
    assert [task.key for task in again.next_batch(0)] == epochs[0]
    other = Mixture(config, [source("r", R, 10)], 8)
    assert [task.key for task in other.next_batch(0)] != epochs[0]


@settings(max_examples=50)
@given(st.integers(0, 9), st.integers(1, 9), st.integers(1, 17), ratios, st.integers(0, 5))
def test_restored_continuation_equals_the_uninterrupted_one(before, after, prompts, ratio, phase1):
    config = DataConfig(
        prompts_per_step=prompts, preference_ratio=1 + ratio[0], reasoning_ratio=ratio[1],
        instruction_ratio=ratio[2], phase1_steps=phase1,
    )  # fmt: skip
    made = [*sources(), source("r2", R, 3, 0.3)]
    mixture = Mixture(config, made, 5)
    for step in range(before):
        mixture.next_batch(step)
    state = json.loads(json.dumps(mixture.state()))
    expected = [mixture.next_batch(step) for step in range(before, before + after)]
    restored = Mixture(config, made, 5)
    restored.load_state(state)
    assert restored.state() == state
    assert [restored.next_batch(step) for step in range(before, before + after)] == expected


def test_position_of_other_data_is_refused():
    config = DataConfig(prompts_per_step=4)
    state = Mixture(config, sources(), 1).state()
    with pytest.raises(DataError, match="source 'r' has 14 items, and had 13"):
        Mixture(config, sources(12), 1).load_state(state)
    with pytest.raises(DataError, match=r"is of the sources \['i', 'p', 'r'\]"):
        Mixture(config, [*sources(), source("q", P, 2)], 1).load_state(state)


@pytest.mark.parametrize(
    ("changes", "made", "problem"),
    [
        ({}, sources()[:2], "data.instruction_ratio = 1, but data.sources has no instruction"),
        ({"instruction_ratio": 0}, sources()[1:], "data.preference_ratio = 1, but"),
        (
            {"preference_ratio": 0, "reasoning_ratio": 0},
            sources(),
            "the batches of phase 1 would be empty",
        ),
        (
            {"preference_ratio": 0, "reasoning_ratio": 0, "instruction_ratio": 0},
            sources(),
            "would be empty",
        ),
    ],
)
def test_impossible_mixtures(changes, made, problem):
    with pytest.raises(ConfigError) as raised:
        Mixture(DataConfig(**changes), made, 1)
    assert problem in str(raised.value)


def test_instructions_alone_need_no_phase_1():
    config = DataConfig(prompts_per_step=2, preference_ratio=0, reasoning_ratio=0, phase1_steps=0)
    assert kinds(Mixture(config, sources(), 1).next_batch(0)) == {I: 2}
