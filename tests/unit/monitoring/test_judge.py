"""Known groups through the real engine. The referee of conftest scores places: 1, 2, 3."""

from dataclasses import replace

import pytest

from megatron_urpo.config import ConfigError
from megatron_urpo.data.prompts import load_encoder
from megatron_urpo.judging import undo_order
from megatron_urpo.monitoring.judge import judge, judge_prompts

from .known import judged

KNOWN = [judged(truth, key=key).known for key, truth in (("a", [1, 2, 3]), ("b", [0, 0, 5]))]


def idle():
    """A tick that nobody waits for."""


@pytest.fixture(scope="module")
def verdicts(config, encoder, engine):
    return judge(KNOWN, engine, encoder, config, step=0, process_group=None, tick=idle)


def test_every_group_comes_back_with_its_verdicts_in_order(verdicts):
    assert [group.known for group in verdicts] == KNOWN
    for group in verdicts:
        first, second = group.verdicts
        assert sorted(first.order) == [0, 1, 2]
        assert second.order == first.order[::-1]
        for verdict in group.verdicts:
            assert verdict.text == r"\boxed{1, 2, 3}"
            assert verdict.tokens > 5
            assert not verdict.truncated


def test_scores_are_by_response(verdicts):
    for group in verdicts:
        for verdict in group.verdicts:
            assert list(verdict.scores) == undo_order([1, 2, 3], verdict.order)
            assert [verdict.scores[response] for response in verdict.order] == [1, 2, 3]


def test_orders_follow_from_seed_and_task_alone(verdicts, config, encoder, engine):
    again = judge(KNOWN[::-1], engine, encoder, config, step=9, process_group=None, tick=idle)
    assert again[::-1] == verdicts
    other = replace(config, run=replace(config.run, seed=config.run.seed + 1))
    orders = [
        g.verdicts[0].order
        for g in judge(KNOWN, engine, encoder, other, step=0, process_group=None, tick=idle)
    ]
    assert orders != [group.verdicts[0].order for group in verdicts]


def test_more_orders_come_in_reversed_pairs(config, encoder, engine):
    four = replace(config, monitoring=replace(config.monitoring, orders=4))
    (group,) = judge(KNOWN[:1], engine, encoder, four, step=0, process_group=None, tick=idle)
    orders = [verdict.order for verdict in group.verdicts]
    assert orders[1] == orders[0][::-1]
    assert orders[3] == orders[2][::-1]


def test_a_judgement_that_is_cut_off_cannot_be_read(config, encoder, engine):
    short = replace(config, rollout=replace(config.rollout, max_judgement_tokens=4))
    (group,) = judge(KNOWN[:1], engine, encoder, short, step=0, process_group=None, tick=idle)
    assert all(v.truncated and v.scores is None and v.tokens == 4 for v in group.verdicts)


def test_without_groups_nothing_is_asked(config, encoder, engine):
    assert judge([], engine, encoder, config, step=0, process_group=None, tick=idle) == []


def test_the_prompt_is_the_judging_template(config, engine):
    """The encoder's own prompts: what the referee is asked holds question and responses."""
    asked = []

    class Recorder:
        def __getattr__(self, name):
            return getattr(engine, name)

        def add_request(self, request):
            asked.append(request)
            engine.add_request(request)

    encoder = load_encoder(config.model)
    judge(KNOWN[:1], Recorder(), encoder, config, step=0, process_group=None, tick=idle)
    first, second = (encoder.decode(request.prompt_ids) for request in asked)
    assert "Which is best?" in first
    assert first != second
    assert {request.temperature for request in asked} == {config.rollout.judge_temperature}
    assert {request.max_tokens for request in asked} == {config.rollout.max_judgement_tokens}


def test_a_group_that_does_not_fit_is_named(config):
    small = replace(
        config,
        data=replace(config.data, max_prompt_tokens=50),
        rollout=replace(config.rollout, max_model_len=100),
    )
    with pytest.raises(ConfigError, match="pairs/a cannot be judged: .*raise data.max_prompt"):
        judge_prompts(KNOWN[:1], load_encoder(config.model), small)
