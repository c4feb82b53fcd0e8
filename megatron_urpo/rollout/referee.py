"""Who judges a self-rewarded group, and in which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from megatron_urpo.config import RolloutConfig
from megatron_urpo.judging import parse_scores, shuffled_order, undo_order
from megatron_urpo.rollout.interface import Completion, GenerationRequest, RolloutEngine
from megatron_urpo.types import Prompt

if TYPE_CHECKING:
    from megatron_urpo.data.prompts import PromptEncoder


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """One attempt at judging a group."""

    generation: GenerationRequest
    order: tuple[int, ...]  # slot k of the template shows response order[k]
    shortened: bool  # an answer was shortened to fit the referee's context


class Referee(Protocol):
    """Reads all G answers to a prompt and scores each of them."""

    @property
    def engine(self) -> RolloutEngine:
        """The engine that answers the requests; the policy's own, or another model's."""

    @property
    def max_attempts(self) -> int:
        """Requests made for a group before it is given up, at least 1."""

    def request(self, prompt: Prompt, answers: Sequence[str], attempt: int) -> JudgeRequest:
        """The request of an attempt, counted from 0. A pure function of its arguments.

        Raises PromptTooLongError where the answers cannot be shown within the referee's context,
        however they are shortened.
        """

    def read(
        self, completion: Completion, request: JudgeRequest
    ) -> tuple[str, tuple[float, ...] | None]:
        """Text of the judgement, and its scores in the order of the answers or None when it is
        not usable."""


class GenerativeReferee:
    """A language model that fills in the judging template: the policy itself, or a frozen one.

    The first attempt is made at rollout.judge_temperature, the others at
    rollout.judge_retry_temperature. Every attempt shows the answers in a fresh order drawn from
    (seed, prompt index, attempt): a failure that a particular order provokes is not repeated, and
    the order does not depend on when the group finished. All ranks of an engine pass one seed.
    """

    def __init__(
        self, engine: RolloutEngine, encoder: PromptEncoder, config: RolloutConfig, seed: int
    ) -> None:
        self._engine = engine
        self._encoder = encoder
        self._config = config
        self._seed = seed

    @property
    def engine(self) -> RolloutEngine:
        return self._engine

    @property
    def max_attempts(self) -> int:
        return 1 + self._config.judge_retries

    def request(self, prompt: Prompt, answers: Sequence[str], attempt: int) -> JudgeRequest:
        config = self._config
        order = shuffled_order(
            len(answers), np.random.default_rng([self._seed, prompt.index, attempt])
        )
        token_ids, shortened = self._encoder.encode_judge(
            prompt.task.messages,
            answers,
            order,
            config.max_judge_prompt_tokens,
        )
        first = attempt == 0
        generation = GenerationRequest(
            key=f"judge-{prompt.index}-{attempt}",
            prompt_ids=token_ids,
            num_samples=1,
            max_tokens=config.max_judgement_tokens,
            temperature=config.judge_temperature if first else config.judge_retry_temperature,
        )
        return JudgeRequest(generation, order, shortened)

    def read(
        self, completion: Completion, request: JudgeRequest
    ) -> tuple[str, tuple[float, ...] | None]:
        text = self._encoder.decode(completion.token_ids)
        scores = parse_scores(text, len(request.order))
        return text, None if scores is None else tuple(undo_order(scores, request.order))
