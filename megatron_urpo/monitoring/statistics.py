"""What the judgements of known groups say about a referee, as pure functions.

A group gives one value a measure; a measure is the mean over its groups. Names and meaning:

tau                  Kendall's tau-a of scores and data's truth; 0 where the scores cannot be read
verifier_agreement   share of pairs of a right and a wrong answer put in the right order, a tie
                     counting half; 0.5 where the scores cannot be read
consistency          share of pairs ordered alike in the orders that the group was shown in
baseline_agreement   share of pairs ordered as the baseline's referee did, shown the same prompt
tie_share            share of pairs of different quality that got equal scores
length_correlation   tau-a of scores and lengths in characters
length_bias          that less the tau-a of truth and lengths: 0 for a referee that is right
position_bias        tau-a of scores and places, last place highest; over an order and its reverse,
                     so that the truth's part cancels
parse_failure_share  share of judgements that cannot be read

All but the first two are over judgements that could be read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from math import comb

import numpy as np

from megatron_urpo.monitoring.judged import JudgedGroup, Verdict
from megatron_urpo.rewards.ranking import (
    kendall_tau,
    pair_agreement,
    pairs_tied,
    pairwise_accuracy,
    permutation_consistency,
)
from megatron_urpo.types import Group, Judgement, TaskKind

Values = dict[str, float]


def group_values(judged: JudgedGroup) -> Values:
    """Every measure of one group by name, baseline_agreement aside."""
    task, verdicts = judged.known.task, judged.verdicts
    read = [verdict.scores for verdict in verdicts if verdict.scores is not None]
    values = {"parse_failure_share": 1 - len(read) / len(verdicts)}
    unread = len(verdicts) - len(read)
    if judged.known.kind is TaskKind.PREFERENCE:
        taus = kendall_tau(read, [task.truth] * len(read)).tolist()
        values["tau"] = float(np.mean(taus + [0.0] * unread))
    else:
        shares = [pairwise_accuracy(scores, task.truth) for scores in read]
        values["verifier_agreement"] = float(np.mean(shares + [0.5] * unread))
    if read:
        lengths = [len(response) for response in task.responses]
        correlation = float(np.mean([_tau(scores, lengths) for scores in read]))
        decided = ~pairs_tied(task.truth)
        values["tie_share"] = float(np.mean([pairs_tied(scores)[decided] for scores in read]))
        values["length_correlation"] = correlation
        values["length_bias"] = correlation - _tau(task.truth, lengths)
    if len(read) >= 2:
        values["consistency"] = permutation_consistency(read)
    both = [
        pair
        for pair in zip(verdicts[::2], verdicts[1::2], strict=False)
        if all(verdict.scores is not None for verdict in pair)
    ]
    if both:
        values["position_bias"] = float(np.mean([_position(v) for pair in both for v in pair]))
    return values


def self_judged_values(group: Group) -> Values:
    """What can be said of the judgement of an instruction group, whose truth nobody knows.

    There is one order, a drawn one: position_bias is unbiased only over many groups. Pairs of
    identical answers do not count as ties.

    Raises:
        ValueError: the group has no judgement, or was never sent to the referee.
    """
    judgement: Judgement | None = group.rollout.judgement
    if judgement is None or _unseen(group):
        raise ValueError(f"prompt {group.prompt.index} is not a self-judged group")
    values = {"parse_failure_share": float(judgement.scores is None)}
    if judgement.scores is not None:
        answers = [response.text for response in group.rollout.responses]
        values["length_correlation"] = _tau(judgement.scores, [len(answer) for answer in answers])
        by_place = [judgement.scores[response] for response in judgement.order]
        values["position_bias"] = _tau(by_place, range(len(by_place)))
        different = np.array([a != b for a, b in combinations(answers, 2)])
        if different.any():
            values["tie_share"] = float(pairs_tied(judgement.scores)[different].mean())
    return values


def baseline_agreement(now: JudgedGroup, then: Sequence[Verdict]) -> float | None:
    """pair_agreement of two referees on the same prompts, where both could be read; else None."""
    shares = [
        pair_agreement(mine.scores, theirs.scores)
        for mine, theirs in zip(now.verdicts, then, strict=True)
        if mine.scores is not None and theirs.scores is not None
    ]
    return float(np.mean(shares)) if shares else None


def mean_values(groups: Iterable[Mapping[str, float]]) -> Values:
    """The mean of each measure over the groups that have it."""
    by_name: dict[str, list[float]] = defaultdict(list)
    for values in groups:
        for name, value in values.items():
            by_name[name].append(value)
    return {name: float(np.mean(found)) for name, found in by_name.items()}


def role_metrics(kind: TaskKind, groups: Sequence[Mapping[str, float]]) -> Values:
    """The measures of a role's groups, and how many groups there are.

    <measure>_groups says how many of them have a measure, where not all do.
    """
    role = f"monitoring/{kind}"
    metrics: Values = {f"{role}/groups": len(groups)}
    metrics |= {f"{role}/{name}": value for name, value in mean_values(groups).items()}
    having = Counter(name for values in groups for name in values)
    return metrics | {f"{role}/{n}_groups": k for n, k in having.items() if k < len(groups)}


def referee_metrics(judged: Sequence[JudgedGroup]) -> dict[str, float]:
    """Metrics of judged groups, by role; tau by source too where there are several."""
    metrics: dict[str, float] = {
        "monitoring/all/judgements": sum(len(group.verdicts) for group in judged),
        "monitoring/all/judge_tokens": sum(v.tokens for group in judged for v in group.verdicts),
    }
    for kind in (TaskKind.REASONING, TaskKind.PREFERENCE):
        mine = [
            (group.known.task, group_values(group)) for group in judged if group.known.kind is kind
        ]
        if not mine:
            continue
        metrics |= role_metrics(kind, [values for _, values in mine])
        by_source: dict[str, list[float]] = defaultdict(list)
        for task, values in mine:
            if "tau" in values:
                by_source[task.source].append(values["tau"])
        if len(by_source) > 1:
            for source, taus in by_source.items():
                metrics[f"monitoring/{kind}/tau/{source}"] = float(np.mean(taus))
                metrics[f"monitoring/{kind}/groups/{source}"] = len(taus)
    return metrics


def self_judged_metrics(groups: Sequence[Group]) -> dict[str, float]:
    """Metrics of a step's instruction groups, of all that have been judged.

    A group whose judge prompt does not fit says nothing of the referee, which never saw it.
    """
    mine = [group for group in groups if group.kind is TaskKind.INSTRUCTION and not _unseen(group)]
    if not mine:
        return {}
    return role_metrics(TaskKind.INSTRUCTION, [self_judged_values(group) for group in mine])


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Probability that k of the samples, drawn without replacement, hold a right one.

    1 - C(n - c, k) / C(n, k): unbiased for k fresh samples (Chen et al. 2021, section 2.1).

    Raises:
        ValueError: not 1 <= k <= num_samples, or num_correct outside 0 to num_samples.
    """
    if not 1 <= k <= num_samples or not 0 <= num_correct <= num_samples:
        raise ValueError(
            f"pass@{k} of {num_correct} right among {num_samples} samples: k must lie in 1 to the "
            "number of samples, and no more can be right"
        )
    return 1 - comb(num_samples - num_correct, k) / comb(num_samples, k)


def _unseen(group: Group) -> bool:
    """Whether the referee was never asked, because the judge prompt does not fit its context."""
    judgement = group.rollout.judgement
    return judgement is not None and judgement.attempts == 0


def _position(verdict: Verdict) -> float:
    if verdict.scores is None:
        raise ValueError("the verdict has no scores")
    by_place = [verdict.scores[response] for response in verdict.order]
    return _tau(by_place, range(len(by_place)))


def _tau(scores: Sequence[float], values: Sequence[float]) -> float:
    return float(kendall_tau([scores], [values])[0])
