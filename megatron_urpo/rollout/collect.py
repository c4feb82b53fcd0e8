"""Prompts in, rollouts out, as they finish.

Consumes:   Prompt records and an engine that holds the policy's weights.
Produces:   Rollout records: G responses each and, for instructions, the judgement they got.
Waits for:  the engine only.

The moment the last of a self-rewarded group's answers ends, its judgement joins the batch that is
still running, so that the referee works in the shadow of the player's longest answers. What is
asked next depends on nothing but the order in which the engine finishes requests: the ranks of a
tensor-parallel engine, which see the same order, stay in step without talking to each other.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from megatron_urpo.config import Config
from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.prompts import PromptEncoder, PromptTooLongError
from megatron_urpo.rollout.interface import (
    Completion,
    Generation,
    GenerationRequest,
    RolloutEngine,
)
from megatron_urpo.rollout.referee import GenerativeReferee, JudgeRequest, Referee
from megatron_urpo.types import (
    FinishReason,
    Judgement,
    Prompt,
    Response,
    Rollout,
    TaskKind,
)


@dataclass(slots=True)
class RolloutStatistics:
    """Counters of one rollout, live while it runs."""

    prompts: int = 0  # finished
    prompt_tokens: int = 0  # each prompt counted once, not G times
    response_tokens: int = 0
    judge_requests: int = 0
    judge_retries: int = 0
    judge_prompt_tokens: int = 0
    judge_response_tokens: int = 0
    judge_requests_overlapped: int = 0  # joined while answers were still being written
    unjudged_groups: int = 0  # no usable judgement after all attempts
    overlong_judge_prompts: int = 0  # of them, those whose judge prompt does not fit the context
    engine_seconds: float = 0.0
    judge_only_seconds: float = 0.0  # of them, while no answer was left to write


def collect(
    engine: RolloutEngine,
    prompts: Sequence[Prompt],
    encoder: PromptEncoder,
    config: Config,
    seed: int,
    *,
    referee: Referee | None = None,
    statistics: RolloutStatistics | None = None,
) -> Iterator[Rollout]:
    """Sample rollout.group_size responses a prompt, have instruction groups judged, and yield
    each rollout when it is complete.

    The result is a function of weights, prompts, config and seed: the prefix cache is reset and
    the engine seeded first. A group whose judgement cannot be read after all attempts is yielded
    with scores None; so is, after none, one whose answers do not fit the referee's context
    (data.overlong_prompts = "skip").

    Args:
        prompts: with distinct `index`; admitted in this order.
        seed: not negative; the same on all ranks of an engine, different between replicas.
        referee: who judges; by default the policy on the same engine.
        statistics: counters to be kept up to date.

    Raises:
        RuntimeError: the engine still has unfinished requests.
        ValueError: a repeated prompt index, a negative seed, a prompt that exceeds the context.
        DataError: a judge prompt does not fit and data.overlong_prompts = "error".
    """
    rollout = config.rollout
    batch = _Batch(
        engine=engine,
        encoder=encoder,
        config=config,
        group_size=rollout.group_size,
        temperature=rollout.temperature,
        referee=referee or GenerativeReferee(engine, encoder, rollout, seed),
        statistics=statistics or RolloutStatistics(),
    )
    yield from batch.run(prompts, seed)


def sample(
    engine: RolloutEngine,
    prompts: Sequence[Prompt],
    encoder: PromptEncoder,
    config: Config,
    seed: int,
    *,
    temperature: float,
    group_size: int = 1,
    statistics: RolloutStatistics | None = None,
) -> Iterator[Rollout]:
    """Like `collect` without a referee, for evaluation: no group gets a judgement."""
    batch = _Batch(
        engine=engine,
        encoder=encoder,
        config=config,
        group_size=group_size,
        temperature=temperature,
        referee=None,
        statistics=statistics or RolloutStatistics(),
    )
    yield from batch.run(prompts, seed)


@dataclass(slots=True)
class _PendingJudgement:
    """A group that waits for its referee."""

    prompt: Prompt
    responses: tuple[Response, ...]
    referee: Referee
    request: JudgeRequest
    judgement: Judgement  # of the attempts before


class _Batch:
    """The requests of one rollout, from admission to the finished groups."""

    def __init__(
        self,
        engine: RolloutEngine,
        encoder: PromptEncoder,
        config: Config,
        group_size: int,
        temperature: float,
        referee: Referee | None,
        statistics: RolloutStatistics,
    ) -> None:
        self._engine = engine
        self._encoder = encoder
        self._config = config.rollout
        self._overlong_prompts = config.data.overlong_prompts
        self._group_size = group_size
        self._temperature = temperature
        self._referee = referee
        self._statistics = statistics
        self._engines = [engine]
        if referee is not None and referee.engine is not engine:
            self._engines.append(referee.engine)
        self._waiting: deque[Prompt] = deque()
        self._answering: dict[str, Prompt] = {}
        self._judging: dict[str, _PendingJudgement] = {}

    def run(self, prompts: Sequence[Prompt], seed: int) -> Iterator[Rollout]:
        self._prepare(prompts, seed)
        try:
            while self._waiting or self._answering or self._judging:
                self._admit()
                for engine in self._engines:
                    for generation in self._step(engine):
                        rollout = self._finish(generation)
                        if rollout is not None:
                            yield rollout
        finally:
            for engine in self._engines:
                engine.abort_all()

    def _prepare(self, prompts: Sequence[Prompt], seed: int) -> None:
        if seed < 0:
            raise ValueError(f"seed = {seed}: must not be negative")
        if len({prompt.index for prompt in prompts}) != len(prompts):
            raise ValueError("prompts of one rollout must have distinct indices")
        for engine in self._engines:
            if engine.num_unfinished:
                raise RuntimeError(
                    f"the engine still has {engine.num_unfinished} unfinished sequences: "
                    "exhaust or close the earlier rollout first"
                )
            engine.reset_prefix_cache()
            engine.seed(seed)
        self._waiting.extend(prompts)

    def _admit(self) -> None:
        """Fill the running batch and no more, so that judgements find no queue before them."""
        while self._waiting and self._engine.num_unfinished < self._config.max_num_seqs:
            prompt = self._waiting.popleft()
            request = GenerationRequest(
                key=f"prompt-{prompt.index}",
                prompt_ids=prompt.token_ids,
                num_samples=self._group_size,
                max_tokens=self._max_tokens(prompt),
                temperature=self._temperature,
            )
            self._engine.add_request(request)
            self._answering[request.key] = prompt
            self._statistics.prompt_tokens += len(prompt.token_ids)

    def _max_tokens(self, prompt: Prompt) -> int:
        if prompt.task.kind is TaskKind.PREFERENCE:
            return self._config.max_judgement_tokens
        return self._config.max_response_tokens

    def _step(self, engine: RolloutEngine) -> list[Generation]:
        if not engine.num_unfinished:
            return []
        only_judging = not self._answering
        start = time.perf_counter()
        finished = engine.step()
        seconds = time.perf_counter() - start
        self._statistics.engine_seconds += seconds
        self._statistics.judge_only_seconds += seconds if only_judging else 0.0
        return finished

    def _finish(self, generation: Generation) -> Rollout | None:
        key = generation.request.key
        if key in self._judging:
            rollout = self._finish_judgement(self._judging.pop(key), generation.completions[0])
        else:
            rollout = self._finish_answers(self._answering.pop(key), generation)
        self._statistics.prompts += rollout is not None
        return rollout

    def _finish_answers(self, prompt: Prompt, generation: Generation) -> Rollout | None:
        responses = tuple(self._response(completion) for completion in generation.completions)
        self._statistics.response_tokens += sum(len(r.token_ids) for r in responses)
        if self._referee is None or prompt.task.kind is not TaskKind.INSTRUCTION:
            return Rollout(prompt, responses, judgement=None)
        none_yet = Judgement(
            text="",
            scores=None,
            order=(),
            attempts=0,
            prompt_tokens=0,
            response_tokens=0,
            finish_reason=FinishReason.LENGTH,
            policy_version=responses[0].policy_version,
        )
        return self._ask(self._referee, prompt, responses, none_yet)

    def _response(self, completion: Completion) -> Response:
        return Response(
            token_ids=completion.token_ids,
            logprobs=completion.logprobs,
            text=self._encoder.decode(completion.token_ids),
            finish_reason=completion.finish_reason,
            policy_version=completion.policy_version,
        )

    def _ask(
        self,
        referee: Referee,
        prompt: Prompt,
        responses: tuple[Response, ...],
        judgement: Judgement,
    ) -> Rollout | None:
        """Has a group judged, once more after `judgement`; gives it up where that cannot be."""
        answers = [response.text for response in responses]
        try:
            request = referee.request(prompt, answers, judgement.attempts)
        except PromptTooLongError as error:
            if self._overlong_prompts == "error":
                task = prompt.task
                raise DataError(
                    f"source {task.source!r}, item {task.key!r}: {error}; or set "
                    'data.overlong_prompts = "skip"'
                ) from error
            self._statistics.overlong_judge_prompts += 1
            return self._give_up(prompt, responses, judgement)
        generation = request.generation
        referee.engine.add_request(generation)
        self._judging[generation.key] = _PendingJudgement(
            prompt, responses, referee, request, judgement
        )
        self._statistics.judge_requests += 1
        self._statistics.judge_retries += judgement.attempts > 0
        self._statistics.judge_requests_overlapped += bool(self._answering)
        self._statistics.judge_prompt_tokens += len(generation.prompt_ids)
        return None

    def _finish_judgement(
        self, pending: _PendingJudgement, completion: Completion
    ) -> Rollout | None:
        referee, before = pending.referee, pending.judgement
        self._statistics.judge_response_tokens += len(completion.token_ids)
        text, scores = referee.read(completion, pending.request)
        judgement = Judgement(
            text=text,
            scores=scores,
            order=pending.request.order,
            attempts=before.attempts + 1,
            prompt_tokens=len(pending.request.generation.prompt_ids),
            response_tokens=before.response_tokens + len(completion.token_ids),
            finish_reason=completion.finish_reason,
            policy_version=completion.policy_version,
            shortened=pending.request.shortened,
        )
        if scores is not None:
            return Rollout(pending.prompt, pending.responses, judgement)
        if judgement.attempts < referee.max_attempts:
            return self._ask(referee, pending.prompt, pending.responses, judgement)
        return self._give_up(pending.prompt, pending.responses, judgement)

    def _give_up(
        self, prompt: Prompt, responses: tuple[Response, ...], judgement: Judgement
    ) -> Rollout:
        self._statistics.unjudged_groups += 1
        return Rollout(prompt, responses, judgement)
