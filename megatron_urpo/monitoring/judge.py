"""Known groups in, judged groups out, through the rollout engine.

A group is judged as a trained judgement is sampled: the same template, the same limits, at
rollout.judge_temperature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch.distributed as dist

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.data.prompts import PromptEncoder, PromptTooLongError
from megatron_urpo.data.splits import generator
from megatron_urpo.judging import parse_scores, shuffled_order, undo_order
from megatron_urpo.monitoring.judged import JudgedGroup, KnownGroup, Verdict
from megatron_urpo.rollout.collect import sample
from megatron_urpo.rollout.gather import deal, gather_indexed, this_replica
from megatron_urpo.rollout.interface import RolloutEngine
from megatron_urpo.types import FinishReason, Prompt, Rollout

# Keeps these samples apart from those of a rollout of the same seed and step.
_SEED_DOMAIN = 1


def judge(
    groups: Sequence[KnownGroup],
    engine: RolloutEngine,
    encoder: PromptEncoder,
    config: Config,
    step: int,
    process_group: dist.ProcessGroup | None,
    tick: Callable[[], None],
) -> list[JudgedGroup]:
    """Has each group judged in monitoring.orders orders, as the first attempt in training is.

    All ranks call it together and get the same result, in the order of the groups. The orders
    follow from the run's seed and the task, so that a group is shown alike every time.

    Args:
        step: the one that made the referee, 0 before any. It seeds the sampling, where
            rollout.judge_temperature is not 0.
        process_group: see gather.gather.
        tick: called whenever a judgement has been written.

    Raises:
        ConfigError: see judge_prompts.
    """
    prompts = judge_prompts(groups, encoder, config)
    replica = this_replica(config.rollout.tensor_model_parallel_size)
    share = deal(prompts, replica.count, config.rollout)[replica.index]
    seeds = np.random.SeedSequence([config.run.seed, step, _SEED_DOMAIN])
    rollouts = sample(
        engine,
        share,
        encoder,
        config,
        replica.seed(int(seeds.generate_state(1)[0])),
        temperature=config.rollout.judge_temperature,
    )
    read: list[tuple[int, Verdict]] = []
    for rollout in rollouts:
        tick()
        read.append((rollout.prompt.index, _read(rollout)))
    verdicts = gather_indexed(read, replica, process_group)
    orders = config.monitoring.orders
    return [
        JudgedGroup(group, tuple(verdicts[position * orders : (position + 1) * orders]))
        for position, group in enumerate(groups)
    ]


def judge_prompts(
    groups: Sequence[KnownGroup], encoder: PromptEncoder, config: Config
) -> list[Prompt]:
    """The prompts of all groups, monitoring.orders each: a drawn order and its reverse, and so on.

    Raises:
        ConfigError: a group does not fit the context, however its responses are shortened.
    """
    orders = config.monitoring.orders
    limit = config.rollout.max_judge_prompt_tokens
    prompts: list[Prompt] = []
    for group in groups:
        task = group.task
        draw = generator("monitoring", config.run.seed, task.source, task.key)
        for number in range(orders):
            order = (
                prompts[-1].order[::-1]
                if number % 2
                else shuffled_order(len(task.responses), draw.getrandbits(32))
            )
            try:
                ids, shortened = encoder.encode_judge(task.messages, task.responses, order, limit)
            except PromptTooLongError as error:
                raise ConfigError(
                    f"{task.source}/{task.key} cannot be judged: {error}; or leave it out of "
                    "monitoring.sources"
                ) from error
            prompts.append(Prompt(len(prompts), task, ids, order, shortened))
    return prompts


def _read(rollout: Rollout) -> Verdict:
    order, (response,) = rollout.prompt.order, rollout.responses
    shown = parse_scores(response.text, len(order))
    return Verdict(
        order=order,
        scores=None if shown is None else tuple(undo_order(shown, order)),
        text=response.text,
        tokens=len(response.token_ids),
        truncated=response.finish_reason is FinishReason.LENGTH,
    )
