"""What a step's groups say: the metrics of every role, as pure functions of the global batch.

Names are stage/role/what. A value is left out when there is nothing to average, never replaced by
a zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from megatron_urpo.advantages import AdvantageStatistics
from megatron_urpo.data.checkers import check_score
from megatron_urpo.rewards.ranking import kendall_tau
from megatron_urpo.types import (
    FinishReason,
    Group,
    InstructionTask,
    TaskKind,
    VerifierStatus,
)


def group_metrics(groups: Sequence[Group], advantages: AdvantageStatistics) -> dict[str, float]:
    """Rollout, reward and advantage metrics of one collected batch."""
    metrics: dict[str, float] = {}
    total_tokens = sum(len(r.token_ids) for g in groups for r in g.rollout.responses)
    for kind in TaskKind:
        mine = [group for group in groups if group.kind is kind]
        if not mine:
            continue
        responses = [response for group in mine for response in group.rollout.responses]
        tokens = np.array([len(response.token_ids) for response in responses])
        metrics |= {
            f"rollout/{kind}/groups": len(mine),
            f"rollout/{kind}/length_mean": float(tokens.mean()),
            f"rollout/{kind}/length_max": float(tokens.max()),
            f"rollout/{kind}/token_share": float(tokens.sum() / total_tokens),
            f"rollout/{kind}/truncated_share": _share(
                r.finish_reason is FinishReason.LENGTH for r in responses
            ),
            f"rollout/{kind}/prompt_length_mean": float(
                np.mean([len(group.prompt.token_ids) for group in mine])
            ),
            f"rollout/{kind}/shortened_prompts": sum(group.prompt.shortened for group in mine),
            f"rewards/{kind}/parsed_share": float(np.mean([g.parsed.mean() for g in mine])),
            f"advantages/{kind}/masked_groups": advantages.masked[kind],
            f"advantages/{kind}/zero_variance_groups": advantages.zero_variance[kind],
        }
        metrics |= _reward_metrics(kind, mine)
    metrics |= _verifier_metrics(groups)
    metrics |= _self_reward_metrics([g for g in groups if g.kind is TaskKind.INSTRUCTION])
    return metrics


def _reward_metrics(kind: TaskKind, groups: Sequence[Group]) -> dict[str, float]:
    rewarded = [group for group in groups if group.mask_reason is None]
    if not rewarded:
        return {}
    metrics = {
        f"rewards/{kind}/mean": float(np.mean([group.rewards.mean() for group in rewarded])),
        f"rewards/{kind}/spread": float(np.mean([group.rewards.std() for group in rewarded])),
    }
    by_source: dict[str, list[float]] = defaultdict(list)
    for group in rewarded:
        by_source[group.prompt.task.source].append(float(group.rewards.mean()))
    if len(by_source) > 1:
        metrics |= {
            f"rewards/{kind}/mean/{source}": float(np.mean(values))
            for source, values in by_source.items()
        }
    if kind is TaskKind.PREFERENCE:
        taus = [
            reward
            for group in rewarded
            for reward, parsed in zip(group.rewards, group.parsed, strict=True)
            if parsed
        ]
        if taus:
            metrics["rewards/preference/tau"] = float(np.mean(taus))
    return metrics


def _verifier_metrics(groups: Sequence[Group]) -> dict[str, float]:
    statuses = [status for group in groups for status in group.statuses]
    if not statuses:
        return {}
    return {
        f"rewards/reasoning/verifier_{status.value}_share": _share(s is status for s in statuses)
        for status in (VerifierStatus.TIMEOUT, VerifierStatus.ERROR)
    }


def _self_reward_metrics(groups: Sequence[Group]) -> dict[str, float]:
    """The referee on the policy's own answers: usable judgements, agreement with hidden checkers.

    The checkers feed nothing but these numbers. Agreement is Kendall's tau-a of the self-scores
    against the checkers' scores, over groups in which the checkers tell the answers apart.
    """
    judgements = [g.rollout.judgement for g in groups if g.rollout.judgement is not None]
    if not judgements:
        return {}
    usable = [g for g in groups if g.mask_reason is None]
    metrics = {
        "rewards/instruction/judgement_attempts": float(np.mean([j.attempts for j in judgements])),
        "rewards/instruction/judgement_tokens": float(sum(j.response_tokens for j in judgements)),
        "rewards/instruction/judge_prompt_tokens": float(sum(j.prompt_tokens for j in judgements)),
        "rewards/instruction/shortened_judge_prompts": float(sum(j.shortened for j in judgements)),
        "rewards/instruction/usable_share": len(usable) / len(groups),
        "rewards/instruction/varied_share": sum(np.ptp(g.rewards) > 0 for g in usable)
        / len(groups),
    }
    scores, truths, means = [], [], []
    for group in groups:
        task = group.prompt.task
        if not isinstance(task, InstructionTask) or not task.checks:
            continue
        truth = [check_score(task, response.text) for response in group.rollout.responses]
        means.append(float(np.mean(truth)))
        if group.mask_reason is None and np.ptp(truth) > 0:
            scores.append(group.rewards.tolist())
            truths.append(truth)
    if means:
        metrics["rewards/instruction/check_score"] = float(np.mean(means))
    if scores:
        metrics["rewards/instruction/checker_agreement"] = float(kendall_tau(scores, truths).mean())
    return metrics


def _share(flags: Iterable[bool]) -> float:
    values = list(flags)
    return sum(values) / len(values)
