"""What a step's groups say: the metrics of every role, as pure functions of the global batch.

Names are stage/role/what. A value is left out when there is nothing to average, never replaced by
a zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from megatron_urpo.advantages import AdvantageStatistics
from megatron_urpo.code_tests.records import CodeFailure, CodeResult
from megatron_urpo.data.checkers import check_score
from megatron_urpo.rewards.ranking import kendall_tau
from megatron_urpo.rollout.collect import RolloutStatistics
from megatron_urpo.training.policy import UpdateStatistics
from megatron_urpo.types import (
    FinishReason,
    Group,
    InstructionTask,
    MicroBatch,
    TaskKind,
    VerifierStatus,
)
from megatron_urpo.weight_sync import Mismatch


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


def rollout_metrics(replicas: Sequence[RolloutStatistics]) -> dict[str, float]:
    """Counters of the rollout, summed over the engine replicas; times are the slowest one's."""
    requests = sum(counters.judge_requests for counters in replicas)
    metrics: dict[str, float] = {
        "rollout/all/prompt_tokens": sum(c.prompt_tokens + c.judge_prompt_tokens for c in replicas),
        "rollout/all/response_tokens": sum(c.response_tokens for c in replicas),
        "rollout/all/judge_tokens": sum(c.judge_response_tokens for c in replicas),
        "rollout/all/judge_requests": requests,
        "rollout/all/judge_retries": sum(c.judge_retries for c in replicas),
        "rollout/all/unjudged_groups": sum(c.unjudged_groups for c in replicas),
        "rollout/all/overlong_judge_prompts": sum(c.overlong_judge_prompts for c in replicas),
        "rollout/all/engine_seconds": max(c.engine_seconds for c in replicas),
        "rollout/all/judge_only_seconds": max(c.judge_only_seconds for c in replicas),
    }
    if requests:
        overlapped = sum(c.judge_requests_overlapped for c in replicas)
        metrics["rollout/all/judge_overlapped_share"] = overlapped / requests
    return metrics


@dataclass(frozen=True, slots=True)
class PackingLoad:
    """What one data-parallel rank computes for a batch, in one epoch."""

    data_parallel_rank: int
    packed_tokens: int  # inputs of the model, prompts and padding included
    loss_tokens: int  # predicted tokens
    micro_batches: int

    @classmethod
    def of(cls, mini_batches: Sequence[Sequence[MicroBatch]], rank: int) -> PackingLoad:
        """The load of one rank's mini-batches."""
        batches = [batch for mini_batch in mini_batches for batch in mini_batch]
        return cls(
            data_parallel_rank=rank,
            packed_tokens=sum(len(batch.token_ids) for batch in batches),
            loss_tokens=sum(batch.num_loss_tokens for batch in batches),
            micro_batches=len(batches),
        )


def batching_metrics(loads: Sequence[PackingLoad]) -> dict[str, float]:
    """How much is computed and how even the ranks are; loads of all ranks of the job."""
    ranks = {load.data_parallel_rank: load for load in loads}.values()
    packed = [load.packed_tokens for load in ranks]
    metrics: dict[str, float] = {
        "batching/all/packed_tokens": sum(packed),
        "batching/all/loss_tokens": sum(load.loss_tokens for load in ranks),
        "batching/all/micro_batches": max(load.micro_batches for load in ranks),
    }
    if max(packed):
        metrics["batching/all/rank_balance"] = min(packed) / max(packed)
    return metrics


def update_metrics(updates: Sequence[UpdateStatistics]) -> dict[str, float]:
    """Optimizer steps of one batch; per-role values are means over the trained tokens."""
    metrics: dict[str, float] = {
        "training/all/updates": len(updates),
        "training/all/skipped_updates": sum(update.skipped for update in updates),
    }
    if not updates:
        return metrics
    metrics |= {
        "training/all/loss": float(np.mean([update.loss for update in updates])),
        "training/all/grad_norm": float(np.mean([update.grad_norm for update in updates])),
        "training/all/lr": updates[-1].lr,
    }
    for kind in TaskKind:
        mine = [update.by_kind[kind] for update in updates if kind in update.by_kind]
        if not mine:
            continue
        tokens = [statistics.tokens for statistics in mine]
        for name in (
            "entropy",
            "ratio",
            "clip_fraction_low",
            "clip_fraction_high",
            "approx_kl",
            "reference_kl",
        ):
            values = [getattr(statistics, name) for statistics in mine]
            metrics[f"training/{kind}/{name}"] = float(np.average(values, weights=tokens))
    return metrics


def mismatch_metrics(measured: Mismatch) -> dict[str, float]:
    """How far engine and trainer are apart, in nats; nothing without tokens."""
    if measured.num_tokens == 0:
        return {}
    return {
        "weight_sync/all/mismatch_mean": measured.mean_abs,
        "weight_sync/all/mismatch_max": measured.max_abs,
        "weight_sync/all/mismatch_kl": measured.kl,
    }


def throughput_metrics(values: Mapping[str, float], epochs: int) -> dict[str, float]:
    """Tokens a second of a step, from its other metrics and the seconds of its stages.

    Every epoch goes forward and backward over the packed tokens; the forward pass of the old
    log-probs is in the seconds alone.
    """
    sampled = values["rollout/all/response_tokens"] + values["rollout/all/judge_tokens"]
    trained = values["batching/all/packed_tokens"] * epochs
    return {
        "rollout/all/tokens_per_second": sampled / values["rollout/all/seconds"],
        "training/all/tokens_per_second": trained / values["training/all/seconds"],
        "run/all/tokens_per_second": sampled / values["run/all/seconds"],
    }


def _reward_metrics(kind: TaskKind, groups: Sequence[Group]) -> dict[str, float]:
    rewarded = [group for group in groups if group.mask_reason is None]
    if not rewarded:
        return {}
    metrics = {
        f"rewards/{kind}/mean": float(np.mean([group.rewards.mean() for group in rewarded])),
        f"rewards/{kind}/std": float(np.mean([group.rewards.std() for group in rewarded])),
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
    metrics = {
        f"rewards/reasoning/verifier_{status.value}_share": _share(s is status for s in statuses)
        for status in (VerifierStatus.TIMEOUT, VerifierStatus.ERROR)
    }
    return metrics | _code_metrics([result for group in groups for result in group.code_results])


def _code_metrics(results: Sequence[CodeResult]) -> dict[str, float]:
    """Tests passed, and why programs fail; those that could not be judged count in neither."""
    unjudged = (CodeFailure.STARVED, CodeFailure.VERIFIER)
    judged = [result for result in results if result.failure not in unjudged]
    if not judged:
        return {}
    metrics = {
        f"rewards/reasoning/code_{failure.value}_share": _share(
            result.failure is failure for result in judged
        )
        for failure in CodeFailure
        if failure not in unjudged
    }
    metrics["rewards/reasoning/tests_passed_share"] = float(
        np.mean([result.share for result in judged])
    )
    return metrics


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
