"""What the generative referee asks and how it reads the answer. No engine is needed."""

import numpy as np
import pytest

from megatron_urpo.data.prompts import load_encoder
from megatron_urpo.rollout.interface import Completion
from megatron_urpo.rollout.referee import GenerativeReferee
from megatron_urpo.types import ChatMessage, FinishReason, InstructionTask, Prompt
from tests.unit.rollout.conftest import small_config

ANSWERS = ["alpha", "beta", "gamma"]


@pytest.fixture(scope="module")
def config(smollm2_directory):
    return small_config(
        smollm2_directory,
        max_judgement_tokens=64,
        judge_temperature=0.0,
        judge_retry_temperature=0.8,
        judge_retries=1,
    )


@pytest.fixture(scope="module")
def encoder(config):
    return load_encoder(config.model)


@pytest.fixture
def referee(encoder, config):
    return GenerativeReferee(None, encoder, config.rollout, seed=7)


def prompt(index):
    task = InstructionTask("s", str(index), (ChatMessage("user", "Say a letter."),))
    return Prompt(index, task, (1,))


def completion(encoder, text):
    ids = encoder.encode_target(text)
    return Completion(ids, np.zeros(len(ids), np.float32), FinishReason.STOP, 1)


def test_requests_carry_the_configured_sampling(referee, config):
    first, retry = (referee.request(prompt(4), ANSWERS, attempt) for attempt in (0, 1))
    assert referee.max_attempts == 2
    assert (first.generation.temperature, retry.generation.temperature) == (0.0, 0.8)
    assert first.generation.key != retry.generation.key
    for request in (first, retry):
        assert request.generation.num_samples == 1
        assert request.generation.max_tokens == 64
        assert len(request.generation.prompt_ids) <= config.rollout.max_model_len - 64


def test_slot_k_of_the_prompt_shows_response_order_k(referee, encoder):
    request = referee.request(prompt(4), ANSWERS, 0)
    text = encoder.decode(request.generation.prompt_ids)
    places = [text.index(f"[The Begin of Response {slot}]\n") for slot in (1, 2, 3)]
    shown = [text[place:].splitlines()[1] for place in places]
    assert shown == [ANSWERS[index] for index in request.order]


def test_orders_are_fresh_for_each_prompt_and_attempt_and_repeatable(referee):
    drawn = [
        [referee.request(prompt(index), ANSWERS, attempt).order for attempt in range(6)]
        for index in (0, 1)
    ]
    again = [referee.request(prompt(0), ANSWERS, attempt).order for attempt in range(6)]
    assert drawn[0] == again
    assert drawn[0] != drawn[1]
    assert len(set(drawn[0])) > 1


def test_long_answers_are_shortened_to_the_context(referee, config):
    request = referee.request(prompt(0), ["word " * 900, *ANSWERS[1:]], 0)
    assert request.shortened
    assert len(request.generation.prompt_ids) <= config.rollout.max_model_len - 64
    assert not referee.request(prompt(0), ANSWERS, 0).shortened


def test_scores_are_read_in_the_order_of_the_answers(referee, encoder):
    request = referee.request(prompt(4), ANSWERS, 0)
    text, scores = referee.read(completion(encoder, r"Scores: \boxed{5, 1, 9.5}"), request)
    assert text == r"Scores: \boxed{5, 1, 9.5}"
    assert [scores[index] for index in request.order] == [5.0, 1.0, 9.5]


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{1, 2}",
        r"\boxed{1, 2, 3, 4}",
        r"\boxed{1, nan, 3}",
        r"\boxed{1, inf, 3}",
        r"\boxed{good, bad, best}",
        r"\boxed{1/10, 2/10, 3/10}",
        r"\boxed{1, 2, 3",
        "Response 1 is the best.",
        "",
    ],
)
def test_anything_but_one_number_for_each_answer_is_unreadable(referee, encoder, text):
    request = referee.request(prompt(4), ANSWERS, 0)
    assert referee.read(completion(encoder, text), request) == (text, None)
