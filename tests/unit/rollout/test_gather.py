import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.config import RolloutConfig
from megatron_urpo.rollout.gather import (
    Replica,
    deal,
    expected_cost,
    gather,
    longest_tokens,
    mean_response_tokens,
    this_replica,
)
from megatron_urpo.types import (
    ChatMessage,
    FinishReason,
    Group,
    InstructionTask,
    PreferenceTask,
    Prompt,
    ReasoningTask,
    Response,
    Rollout,
    TaskKind,
)

CONFIG = RolloutConfig(group_size=4, max_response_tokens=100, max_judgement_tokens=30)
ALONE = Replica(index=0, count=1, is_lead=True)


def prompt(index, kind=TaskKind.REASONING, length=10):
    messages = (ChatMessage("user", "q"),)
    task = {
        TaskKind.REASONING: ReasoningTask("s", str(index), messages, ("1",)),
        TaskKind.PREFERENCE: PreferenceTask("s", str(index), messages, ("a", "b"), (1.0, 0.0)),
        TaskKind.INSTRUCTION: InstructionTask("s", str(index), messages),
    }[kind]
    return Prompt(index, task, tuple(range(length)))


def group(index):
    return Group(Rollout(prompt(index), (), None), np.zeros(4), np.ones(4, dtype=bool))


def test_expected_cost_counts_prompt_answers_and_judgement():
    tokens = {TaskKind.REASONING: 50.0, TaskKind.PREFERENCE: 20.0, TaskKind.INSTRUCTION: 60.0}
    assert expected_cost(prompt(0, TaskKind.REASONING), CONFIG, tokens) == 10 + 4 * 50
    assert expected_cost(prompt(0, TaskKind.PREFERENCE), CONFIG, tokens) == 10 + 4 * 20
    # The answers once as samples and once quoted, with the question, to the referee.
    expected = 2 * (10 + 4 * 60) + 20
    assert expected_cost(prompt(0, TaskKind.INSTRUCTION), CONFIG, tokens) == expected


def test_a_dear_prompt_is_balanced_by_cheap_ones():
    prompts = [prompt(0, TaskKind.INSTRUCTION), *(prompt(i) for i in range(1, 4))]
    # Costs 850 and 410 each: two cheap ones are still lighter than the instruction.
    shares = deal(prompts, 2, CONFIG)
    assert [[p.index for p in share] for share in shares] == [[0], [1, 2, 3]]


def test_expected_lengths_are_those_last_seen_where_there_are_any():
    prompts = [prompt(0, TaskKind.INSTRUCTION), *(prompt(i) for i in range(1, 4))]
    # Answers to instructions turned out short: 2 * (10 + 4 * 10) + judgement against 10 + 4 * 100.
    shares = deal(prompts, 2, CONFIG, {TaskKind.INSTRUCTION: 10.0})
    assert [[p.index for p in share] for share in shares] == [[1, 3], [0, 2]]


def test_mean_length_of_each_kind():
    def with_lengths(kind, *lengths):
        responses = tuple(
            Response((1,) * n, np.zeros(n, np.float32), "", FinishReason.STOP, 1) for n in lengths
        )
        rollout = Rollout(prompt(0, kind), responses, None)
        return Group(rollout, np.zeros(len(lengths)), np.ones(len(lengths), dtype=bool))

    groups = [
        with_lengths(TaskKind.REASONING, 2, 4),
        with_lengths(TaskKind.PREFERENCE, 7),
        with_lengths(TaskKind.REASONING, 3, 3),
    ]
    expected = {TaskKind.REASONING: 3.0, TaskKind.PREFERENCE: 7.0}
    assert mean_response_tokens(groups) == expected


def test_more_replicas_than_prompts_leave_some_idle():
    assert [len(share) for share in deal([prompt(0), prompt(1)], 4, CONFIG)] == [1, 1, 0, 0]


@given(
    kinds=st.lists(st.sampled_from(list(TaskKind)), max_size=40),
    num_replicas=st.integers(1, 7),
    data=st.data(),
)
def test_every_prompt_is_dealt_once_and_loads_differ_by_one_prompt_at_most(
    kinds, num_replicas, data
):
    prompts = [
        prompt(index, kind, data.draw(st.integers(1, 200))) for index, kind in enumerate(kinds)
    ]
    shares = deal(prompts, num_replicas, CONFIG)
    assert len(shares) == num_replicas
    assert sorted(p.index for share in shares for p in share) == list(range(len(kinds)))
    assert all([p.index for p in share] == sorted(p.index for p in share) for share in shares)
    costs = [[expected_cost(p, CONFIG, longest_tokens(CONFIG)) for p in share] for share in shares]
    dearest = max((cost for share in costs for cost in share), default=0.0)
    loads = [sum(share) for share in costs]
    assert max(loads) - min(loads) <= dearest


def test_groups_come_back_in_prompt_order():
    prompts = [prompt(index) for index in range(4)]
    gathered = gather([group(2), group(0), group(3), group(1)], prompts, ALONE, None)
    assert [item.prompt.index for item in gathered] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([0, 1], r"2 groups for 3 prompts: missing prompt indices \[2\], .* unknown \[\]"),
        ([0, 1, 1], r"missing prompt indices \[2\], repeated or unknown \[1\]"),
        ([0, 1, 2, 7], r"missing prompt indices \[\], repeated or unknown \[7\]"),
    ],
)
def test_lost_and_surplus_groups_are_errors(indices, message):
    with pytest.raises(RuntimeError, match=message):
        gather([group(i) for i in indices], [prompt(i) for i in range(3)], ALONE, None)


def test_without_torch_distributed_there_is_one_replica():
    assert this_replica(1) == ALONE


def test_replicas_have_seeds_of_their_own():
    seeds = [
        Replica(index, 4, True).seed(step_seed) for index in range(4) for step_seed in (0, 1, 1234)
    ]
    assert len(set(seeds)) == 12
    assert Replica(2, 4, True).seed(5) == Replica(2, 4, False).seed(5)
