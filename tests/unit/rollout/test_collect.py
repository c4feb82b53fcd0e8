"""Rollouts on the real engine with SmolLM2: order of events, judgements, determinism."""

import gc
from dataclasses import replace

import pytest

from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.prompts import PromptEncoder, load_encoder
from megatron_urpo.judging import undo_order
from megatron_urpo.rollout.collect import RolloutStatistics, collect, sample
from megatron_urpo.rollout.engine import VLLMEngine
from megatron_urpo.rollout.interface import GenerationRequest
from megatron_urpo.rollout.referee import GenerativeReferee, JudgeRequest
from megatron_urpo.types import (
    ChatMessage,
    FinishReason,
    InstructionTask,
    PreferenceTask,
    Prompt,
    ReasoningTask,
)
from tests.unit.rollout.conftest import small_config

GROUP_SIZE = 3
LONG, SHORT = 16, 6  # tokens of judgements and of answers
SEED = 11


@pytest.fixture(scope="module")
def config(smollm2_directory):
    config = small_config(
        smollm2_directory,
        group_size=GROUP_SIZE,
        max_response_tokens=SHORT,
        max_judgement_tokens=LONG,
        max_model_len=1024,
        judge_retries=0,
        max_num_seqs=8,
        kv_cache_gib=0.5,
    )
    return replace(config, model=replace(config.model, params_dtype="bfloat16"))


@pytest.fixture(scope="module")
def encoder(config):
    return load_encoder(config.model)


@pytest.fixture(scope="module")
def engine(config, encoder):
    engine = VLLMEngine(config, encoder.eos_ids)
    yield engine
    engine.close()
    gc.collect()


class Recorder:
    """The real engine, with a record of what was asked of it and in which order."""

    def __init__(self, engine):
        self._engine = engine
        self.events = []
        self.requests = []
        self.most_unfinished = 0

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def add_request(self, request):
        self._engine.add_request(request)
        self.events.append(("add", request.key))
        self.requests.append(request)
        self.most_unfinished = max(self.most_unfinished, self._engine.num_unfinished)

    def step(self):
        self.events.append(("step", None))
        finished = self._engine.step()
        self.events += [("finish", generation.request.key) for generation in finished]
        return finished


class CopyingEncoder(PromptEncoder):
    """Writes judge prompts that end in a conversation whose next turn SmolLM2 copies."""

    def encode_judge(self, messages, responses, order, max_tokens):
        example = [ChatMessage("user", "Score."), ChatMessage("assistant", r"\boxed{1, 2, 3}")]
        return self.encode_chat([*example * 4, ChatMessage("user", "Score.")]), False


def prompt(encoder, index, kind, text="Name a color."):
    messages = (ChatMessage("user", text),)
    key = str(index)
    if kind == "instruction":
        task = InstructionTask("s", key, messages)
    elif kind == "preference":
        task = PreferenceTask("s", key, messages, ("red", "blue"), (1.0, 0.0))
    else:
        task = ReasoningTask("s", key, messages, ("4",))
    return Prompt(index, task, encoder.encode_chat(messages))


def fingerprint(rollout):
    """Everything that was sampled, to the bit."""
    return (
        rollout.prompt.index,
        [(r.token_ids, r.logprobs.tobytes(), r.text) for r in rollout.responses],
        rollout.judgement,
    )


def test_the_judge_joins_the_running_batch(engine, encoder, config):
    recorder = Recorder(engine)
    statistics = RolloutStatistics()
    prompts = [
        prompt(encoder, 0, "preference", "Write a long story about a river and its fish."),
        prompt(encoder, 1, "instruction"),
    ]
    rollouts = list(collect(recorder, prompts, encoder, config, SEED, statistics=statistics))
    events = recorder.events
    answered = events.index(("finish", "prompt-1"))
    judged = events.index(("add", "judge-1-0"))
    assert ("step", None) not in events[answered:judged]
    assert judged < events.index(("finish", "prompt-0"))
    assert statistics.judge_requests_overlapped == 1
    assert {rollout.prompt.index for rollout in rollouts} == {0, 1}


def test_an_unreadable_judgement_is_retried_and_then_given_up(engine, encoder, config):
    recorder = Recorder(engine)
    statistics = RolloutStatistics()
    (rollout,) = collect(
        recorder,
        [prompt(encoder, 5, "instruction")],
        encoder,
        replace(config, rollout=replace(config.rollout, judge_retries=2, max_judgement_tokens=4)),
        SEED,
        statistics=statistics,
    )
    judging = [request for request in recorder.requests if request.key.startswith("judge")]
    assert [request.temperature for request in judging] == [0.0, 1.0, 1.0]
    assert len({request.prompt_ids for request in judging}) > 1, "each attempt has its own order"
    judgement = rollout.judgement
    assert judgement.scores is None
    assert judgement.attempts == 3
    assert judgement.prompt_tokens == len(judging[-1].prompt_ids)
    assert judgement.response_tokens == statistics.judge_response_tokens == 12
    assert judgement.finish_reason is FinishReason.LENGTH
    assert (statistics.judge_retries, statistics.unjudged_groups) == (2, 1)


def test_a_judge_prompt_that_cannot_fit_costs_its_group_only(engine, encoder, config):
    """Of three answers the template alone takes more than 100 tokens."""
    statistics = RolloutStatistics()
    prompts = [prompt(encoder, 0, "instruction"), prompt(encoder, 1, "reasoning")]
    small = replace(config.rollout, max_model_len=100 + LONG)
    referee = GenerativeReferee(engine, encoder, small, SEED)
    judged, other = sorted(
        collect(engine, prompts, encoder, config, SEED, referee=referee, statistics=statistics),
        key=lambda rollout: rollout.prompt.index,
    )
    assert len(judged.responses) == len(other.responses) == GROUP_SIZE
    assert (judged.judgement.scores, judged.judgement.attempts) == (None, 0)
    assert judged.judgement.policy_version == engine.policy_version
    assert (statistics.overlong_judge_prompts, statistics.unjudged_groups) == (1, 1)
    assert statistics.judge_requests == 0
    refusing = replace(config, data=replace(config.data, overlong_prompts="error"))
    with pytest.raises(DataError, match=r"source 's', item '0': a judge prompt of 3 responses"):
        list(collect(engine, prompts, encoder, refusing, SEED, referee=referee))
    assert engine.num_unfinished == 0


def test_scores_are_put_back_into_the_order_of_the_answers(engine, config, encoder):
    copying = CopyingEncoder(encoder._tokenizer)
    prompts = [prompt(copying, index, "instruction") for index in range(6)]
    rollouts = list(collect(engine, prompts, copying, config, SEED))
    assert len({rollout.judgement.order for rollout in rollouts}) > 1
    for rollout in rollouts:
        judgement = rollout.judgement
        assert judgement.text == r"\boxed{1, 2, 3}"
        assert judgement.attempts == 1
        assert judgement.finish_reason is FinishReason.STOP
        assert judgement.scores == tuple(undo_order([1.0, 2.0, 3.0], judgement.order))


def test_rollouts_repeat_bitwise_and_depend_on_the_seed(engine, encoder, config):
    kinds = ["reasoning", "instruction", "preference"]
    prompts = [prompt(encoder, index, kind) for index, kind in enumerate(kinds)]
    first, second, other = (
        [fingerprint(rollout) for rollout in collect(engine, prompts, encoder, config, seed)]
        for seed in (SEED, SEED, SEED + 1)
    )
    assert first == second
    assert first != other
    assert sorted(index for index, _, _ in first) == [0, 1, 2]


def test_counters_agree_with_the_rollouts_and_the_batch_is_bounded(engine, encoder, config):
    recorder = Recorder(engine)
    statistics = RolloutStatistics()
    kinds = ["instruction", "reasoning", "reasoning", "instruction", "reasoning", "reasoning"]
    prompts = [prompt(encoder, index, kind) for index, kind in enumerate(kinds)]
    rollouts = list(collect(recorder, prompts, encoder, config, SEED, statistics=statistics))
    judgements = [rollout.judgement for rollout in rollouts if rollout.judgement]
    assert statistics.prompts == 6
    assert statistics.prompt_tokens == sum(len(p.token_ids) for p in prompts)
    assert statistics.response_tokens == sum(
        len(response.token_ids) for rollout in rollouts for response in rollout.responses
    )
    assert statistics.judge_requests == sum(judgement.attempts for judgement in judgements)
    assert statistics.judge_response_tokens == sum(j.response_tokens for j in judgements)
    assert 0 < statistics.judge_only_seconds < statistics.engine_seconds
    # 18 answers against room for 8: admission stops at the first full batch.
    assert recorder.most_unfinished < config.rollout.max_num_seqs + GROUP_SIZE
    for rollout in rollouts:
        assert len(rollout.responses) == GROUP_SIZE
        for response in rollout.responses:
            assert len(response.token_ids) == len(response.logprobs) <= SHORT
            assert response.text == encoder.decode(response.token_ids)
            assert response.policy_version == engine.policy_version


def test_evaluation_samples_are_not_judged(engine, encoder, config):
    prompts = [
        prompt(encoder, 0, "instruction"),
        prompt(encoder, 1, "preference", "What is the capital of France?"),
    ]
    first, second = (
        [fingerprint(r) for r in sample(engine, prompts, encoder, config, seed, temperature=0.0)]
        for seed in (1, 2)
    )
    assert first == second
    by_index = {index: (responses, judgement) for index, responses, judgement in first}
    assert by_index[0][1] is None
    assert by_index[1][0][0][2] == "The capital of France is Paris."


def test_an_abandoned_rollout_leaves_no_requests(engine, encoder, config):
    prompts = [prompt(encoder, index, "reasoning") for index in range(4)]
    prompts.append(prompt(encoder, 4, "preference", "Write a long story about a river."))
    running = collect(engine, prompts, encoder, config, SEED)
    next(running)
    assert engine.num_unfinished > 0
    with pytest.raises(RuntimeError, match="unfinished sequences"):
        next(collect(engine, prompts, encoder, config, SEED))
    running.close()
    assert engine.num_unfinished == 0
    assert len(list(collect(engine, prompts, encoder, config, SEED))) == 5


def test_bad_arguments(engine, encoder, config):
    twice = [prompt(encoder, 3, "reasoning")] * 2
    with pytest.raises(ValueError, match="distinct indices"):
        list(collect(engine, twice, encoder, config, SEED))
    with pytest.raises(ValueError, match="seed = -1"):
        list(collect(engine, twice[:1], encoder, config, -1))


class CountingReferee:
    """A referee on an engine of its own that scores an answer by its place in the order."""

    max_attempts = 1

    def __init__(self, engine, encoder):
        self.engine = engine
        self._encoder = encoder
        self.asked = []

    def request(self, prompt, answers, attempt):
        self.asked.append((prompt.index, tuple(answers), attempt))
        ids = self._encoder.encode_chat(prompt.task.messages)
        generation = GenerationRequest(f"other-{prompt.index}", ids, 1, 3, 0.0)
        return JudgeRequest(generation, tuple(range(len(answers))), shortened=False)

    def read(self, completion, request):
        return "counted", tuple(float(slot) for slot in request.order)


def test_another_model_can_be_the_referee(engine, encoder, config):
    other = VLLMEngine(config, encoder.eos_ids)
    referee = CountingReferee(other, encoder)
    recorder = Recorder(engine)
    prompts = [prompt(encoder, 0, "instruction"), prompt(encoder, 1, "reasoning")]
    rollouts = list(collect(recorder, prompts, encoder, config, SEED, referee=referee))
    judged = next(rollout for rollout in rollouts if rollout.judgement is not None)
    assert judged.judgement.scores == (0.0, 1.0, 2.0)
    assert referee.asked == [(0, tuple(r.text for r in judged.responses), 0)]
    assert {request.key for request in recorder.requests} == {"prompt-0", "prompt-1"}
    assert other.num_unfinished == 0
    other.close()
    assert len(list(collect(engine, prompts[1:], encoder, config, SEED))) == 1
