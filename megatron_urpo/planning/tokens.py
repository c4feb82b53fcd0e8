"""How many tokens a step rolls out, judges and trains on, from the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.data.apportionment import Apportionment
from megatron_urpo.types import TaskKind

# The referee's template around N empty responses is 195 tokens at N = 4 and 270 at N = 8 (SmolLM2).
_TEMPLATE_TOKENS, _TEMPLATE_TOKENS_PER_RESPONSE = 120, 19


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of one text of each sort, and attempts at judging a group.

    One attempt is expected: further ones (rollout.judge_retries) are the exception.
    """

    prompt: float
    response: float
    judgement: float
    judge_attempts: float = 1

    @classmethod
    def longest(cls, config: Config) -> Lengths:
        """What the configuration allows: memory has to hold it."""
        rollout = config.rollout
        return cls(
            config.data.max_prompt_tokens,
            rollout.max_response_tokens,
            rollout.max_judgement_tokens,
        )


@dataclass(frozen=True, slots=True)
class StepTokens:
    """Counts of one step, over all ranks."""

    prompts: dict[TaskKind, float]
    samples: float  # trained responses: answers, and judgements of preference prompts
    prompt_tokens: float  # each prompt once: the engine's prefix cache serves its G samples
    answer_tokens: float  # sampled by the player
    judgement_tokens: float  # sampled by the referee on preference prompts
    judge_requests: float  # at groups of instructions
    judge_prompt_tokens: float
    judge_response_tokens: float

    @property
    def sampled_tokens(self) -> float:
        return self.answer_tokens + self.judgement_tokens + self.judge_response_tokens


def prompts_by_kind(config: Config, phase: int) -> dict[TaskKind, float]:
    """Mean number of prompts of each kind in a step of phase 1 or 2.

    Raises:
        ConfigError: the phase has no task.
    """
    ratio = _ratio(config, phase)
    total = sum(ratio.values())
    return {kind: config.data.prompts_per_step * share / total for kind, share in ratio.items()}


def whole_prompts(config: Config, phase: int) -> dict[TaskKind, int]:
    """`prompts_by_kind` in whole numbers, as in a batch that no rounding came before.

    Raises:
        ConfigError: the phase has no task.
    """
    return dict(_deal(config.data.prompts_per_step, tuple(_ratio(config, phase).items())))


def _ratio(config: Config, phase: int) -> dict[TaskKind, float]:
    ratio = config.data.ratio(phase)
    if not any(ratio.values()):
        raise ConfigError(f"phase {phase} has no task: raise one of the data.*_ratio keys")
    return ratio


@lru_cache(maxsize=16)  # a ranking asks for the same few hundreds of times
def _deal(
    prompts: int, ratio: tuple[tuple[TaskKind, float], ...]
) -> tuple[tuple[TaskKind, int], ...]:
    shares: Apportionment[TaskKind] = Apportionment()
    return tuple(shares.deal(prompts, dict(ratio)).items())


def judge_prompt_tokens(config: Config, lengths: Lengths) -> float:
    """Tokens of a prompt that shows the referee all G answers; shortened to fit the context."""
    fitting = config.rollout.max_judge_prompt_tokens
    return min(whole_judge_prompt_tokens(config, lengths), fitting)


def whole_judge_prompt_tokens(config: Config, lengths: Lengths) -> float:
    """Tokens of the same prompt if nothing is shortened."""
    group_size = config.rollout.group_size
    template = _TEMPLATE_TOKENS + _TEMPLATE_TOKENS_PER_RESPONSE * group_size
    return template + lengths.prompt + group_size * lengths.response


def step_tokens(config: Config, phase: int, lengths: Lengths) -> StepTokens:
    """Counts of a step of phase 1 or 2 when every text has the given length."""
    prompts = prompts_by_kind(config, phase)
    group_size = config.rollout.group_size
    total = sum(prompts.values())
    preference = prompts[TaskKind.PREFERENCE]
    answers = (total - preference) * group_size * lengths.response
    judgements = preference * group_size * lengths.judgement
    requests = prompts[TaskKind.INSTRUCTION] * lengths.judge_attempts
    return StepTokens(
        prompts=prompts,
        samples=total * group_size,
        prompt_tokens=total * lengths.prompt,
        answer_tokens=answers,
        judgement_tokens=judgements,
        judge_requests=requests,
        judge_prompt_tokens=requests * judge_prompt_tokens(config, lengths),
        judge_response_tokens=requests * lengths.judgement,
    )
