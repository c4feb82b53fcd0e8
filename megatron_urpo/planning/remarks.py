"""What a plan says of a configuration that runs, and may do so otherwise than its user expects."""

from __future__ import annotations

from megatron_urpo.config import Config
from megatron_urpo.planning.steps import phases_of
from megatron_urpo.planning.tokens import Lengths, judge_prompt_tokens, whole_judge_prompt_tokens


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
