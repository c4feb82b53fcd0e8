"""What a plan says of a configuration that runs, and may do so otherwise than its user expects."""

from __future__ import annotations

import math

from megatron_urpo.config import Config
from megatron_urpo.planning.durations import Durations
from megatron_urpo.planning.steps import phases_of
from megatron_urpo.planning.tokens import Lengths, judge_prompt_tokens, whole_judge_prompt_tokens

_MARGIN = 2  # of a limit over an estimate


def judge_remarks(config: Config) -> list[str]:
    """Whether the longest answers of a group are shortened for the referee."""
    longest, rollout = Lengths.longest(config), config.rollout
    judges = phases_of(config)[-1] == 2 and config.data.instruction_ratio > 0
    whole, shown = (
        whole_judge_prompt_tokens(config, longest),
        judge_prompt_tokens(config, longest),
    )
    if not judges or whole <= shown:
        return []
    return [
        f"a judge prompt with {rollout.group_size} answers of {rollout.max_response_tokens:,} "
        f"tokens would need about {whole:,.0f}, and rollout.max_model_len = "
        f"{rollout.max_model_len:,} leaves {shown:,.0f} of them: long answers are shortened for "
        f"the referee; rollout.max_model_len = {whole + rollout.max_judgement_tokens:.0f} would "
        "show them whole"
    ]


def recompute_remarks(config: Config) -> list[str]:
    """What `selective` recomputes, neither attention kernel keeps."""
    if config.training.recompute_granularity != "selective":
        return []
    return [
        "training.recompute_granularity = 'selective' computes attention again in every backward "
        "pass and saves no memory: its scores are never kept; use 'none', or 'full'"
    ]


def watchdog_remarks(config: Config, durations: Durations) -> list[str]:
    """Stages that the watchdog would end if they take as long as is estimated."""
    limit = config.run.stage_timeout_minutes
    # As the trainer times them: a stage begins its own limit.
    stages = {
        "rollout": durations.rollout + durations.judging,
        "training": durations.logprobs + durations.training,
        "weight_sync": durations.weight_sync,
    }
    return [
        f"WARNING: stage {name} is estimated at {seconds / 60:.0f} minutes, and the watchdog ends "
        f"a run after run.stage_timeout_minutes = {limit:g}: set it to "
        f"{math.ceil(_MARGIN * seconds / 60)}, twice the estimate"
        for name, seconds in stages.items()
        if limit * 60 < seconds < math.inf
    ]
