"""The table of `urpo probe`: measures, what is asked of each, and what to do where it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from textwrap import fill

import numpy as np

from megatron_urpo.evaluation.bootstrap import bootstrap_interval
from megatron_urpo.referee_measures import REFEREE_MEASURES


class Outcome(str, Enum):
    """How a measure stands to its limit, its 95 % interval taken into account."""

    GOOD = "good"
    UNCLEAR = "unclear"  # on the right side, but the interval reaches over the limit
    BAD = "bad"
    NONE = "-"  # nothing is asked of it


@dataclass(frozen=True, slots=True)
class Rule:
    """What is asked of one measure."""

    name: str
    values: str = ""  # where its values are, if not under its name
    limit: float | None = None  # None: a number to look at
    is_upper: bool = False  # the limit is the most that is good
    by_size: bool = False  # a bias: the sign does not matter
    alarm: str = ""  # the measure of REFEREE_MEASURES whose threshold is the limit
    advice: str = ""  # where it is bad


def _watched(name: str, alarm: str, *, advice: str) -> Rule:
    """The rule of a measure that has an alarm in a run: the same side of the same threshold."""
    watched = REFEREE_MEASURES[alarm]
    return Rule(
        name,
        watched.name,
        is_upper=watched.is_upper,
        by_size=watched.by_size,
        alarm=alarm,
        advice=advice,
    )


@dataclass(frozen=True, slots=True)
class Measure:
    """A row of the table."""

    role: str  # player or referee
    name: str
    value: float
    interval: tuple[float, float]  # 95 % bootstrap, over groups
    groups: int
    rule: Rule
    limit: float | None
    outcome: Outcome


WARM_START = "give it a warm start (`urpo sft` on demonstrations of the format)"

PLAYER = (
    Rule("pass@1"),
    Rule(
        "pass@G",
        limit=0.1,
        advice="hardly any problem is ever solved, so that there is nothing to reinforce: take "
        f"easier problems, a model with more training on reasoning, or {WARM_START}",
    ),
    Rule(
        "mixed groups",
        limit=0.1,
        advice="a group of answers that are all right or all wrong has no gradient: with a low "
        "pass@G take easier problems, with a high pass@1 harder ones, else raise "
        "rollout.group_size or rollout.temperature",
    ),
    Rule(
        "answers found",
        limit=0.5,
        advice="too many responses have no final answer that is found (docs/answers.md): ask for "
        "\\boxed{} in the prompt, "
        f"take another template (model.chat_template), or {WARM_START}",
    ),
    Rule(
        "answers cut off",
        limit=0.3,
        is_upper=True,
        advice="answers run into rollout.max_response_tokens: raise it, or take a template whose "
        "end of turn the model knows (model.chat_template)",
    ),
)
REFEREE = (
    _watched(
        "scores unreadable",
        "parse_failure_share",
        advice="it does not answer the judging template with a list of scores: "
        f"{WARM_START}, or take another template (model.chat_template)",
    ),
    Rule(
        "judgements cut off",
        "truncated_share",
        limit=0.3,
        is_upper=True,
        advice="judgements run into rollout.max_judgement_tokens: raise it; if they ramble, "
        f"{WARM_START}",
    ),
    _watched(
        "tau",
        "tau",
        advice="its scores do not follow the ranking of the data: take a larger or better trained "
        "model, easier preferences first, or demonstrations of judgements in the warm start",
    ),
    _watched(
        "agreement with the verifier",
        "verifier_agreement",
        advice="it does not tell its own right answers from its wrong ones: self-rewards would be "
        "noise. Train with rule and preference rewards only at first (data.phase1_steps)",
    ),
    _watched(
        "consistency",
        "consistency",
        advice="its ranking depends on the order of the responses: lower "
        "rollout.judge_temperature, or train the referee longer before phase 2 (data.phase1_steps)",
    ),
    _watched(
        "ties",
        "tie_share",
        advice="it gives most responses the same score, and tied answers have no gradient: "
        f"{WARM_START} with judgements that use the whole scale",
    ),
    _watched(
        "position bias",
        "position_bias",
        advice="its scores follow the place of a response: train the referee longer before phase 2 "
        "(data.phase1_steps); the order is drawn anew each time, so preference rewards punish it",
    ),
    _watched(
        "length bias",
        "length_bias",
        advice="its scores follow the length of a response more than the truth does (below 0: "
        "less): add preferences in which the shorter (the longer) response is the better one",
    ),
)


def measure(
    role: str,
    rule: Rule,
    values: Sequence[float],
    *,
    name: str = "",
    limit: float | None = None,
) -> Measure:
    """A row from one value a group.

    Args:
        name: shown instead of the rule's.
        limit: instead of the rule's.

    Raises:
        ValueError: no values.
    """
    limit = rule.limit if limit is None else limit
    mean, interval = float(np.mean(values)), bootstrap_interval(values)
    return Measure(
        role, name or rule.name, mean, interval, len(values), rule, limit,
        _outcome(mean, interval, rule, limit),
    )  # fmt: skip


def _outcome(
    mean: float, interval: tuple[float, float], rule: Rule, limit: float | None
) -> Outcome:
    if limit is None:
        return Outcome.NONE
    if rule.by_size:  # either end of the interval may reach over the limit of its side
        mean, interval = abs(mean), (0.0, max(map(abs, interval)))
    if rule.is_upper:
        worst, good = interval[1] > limit, mean <= limit
    else:
        worst, good = interval[0] <= limit, mean > limit
    if not good:
        return Outcome.BAD
    return Outcome.UNCLEAR if worst else Outcome.GOOD


def has_seed(measures: Sequence[Measure]) -> bool:
    """Whether the model has what training starts from: no measure is bad."""
    return not any(row.outcome is Outcome.BAD for row in measures)


def format_table(model: str, measures: Sequence[Measure]) -> str:
    """The table, then a sentence for every measure that is bad or unclear, then the conclusion."""
    width = max(len(row.name) for row in measures)
    lines = [
        f"{model}, as it is",
        "",
        f"{'':8} {'measure':{width}}  {'value':>6}  {'95 % interval':>16}  {'groups':>6}  wanted",
    ]
    for row in measures:
        low, high = row.interval
        lines.append(
            f"{row.role:8} {row.name:{width}}  {row.value:>6.2f}  {low:>7.2f} to {high:>5.2f}  "
            f"{row.groups:>6}  {_wanted(row):<16} {row.outcome.value}"
        )
    lines.append("")
    lines += _advice(measures)
    return "\n".join(lines + [_conclusion(measures)])


def _wanted(row: Measure) -> str:
    if row.limit is None:
        return ""
    if row.rule.by_size:
        return f"-{row.limit:g} to {row.limit:g}"
    return f"at most {row.limit:g}" if row.rule.is_upper else f"above {row.limit:g}"


def _advice(measures: Sequence[Measure]) -> list[str]:
    bad = [row for row in measures if row.outcome is Outcome.BAD]
    lines = [_item(f"{row.role}, {row.name} {row.value:.2f}: {row.rule.advice}.") for row in bad]
    unclear = [row.name for row in measures if row.outcome is Outcome.UNCLEAR]
    if unclear:
        lines.append(
            _item(
                f"not certain: {', '.join(unclear)}. Measure more groups "
                "(monitoring.groups_per_source)."
            )
        )
    return lines


def _item(text: str) -> str:
    return fill(text, 100, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)


def _conclusion(measures: Sequence[Measure]) -> str:
    unfit = [
        role
        for role in ("player", "referee")
        if not has_seed([row for row in measures if row.role == role])
    ]
    if unfit:
        roles = " and not as ".join(unfit)
        return f"Conclusion: not ready as {roles}. Do the above, then probe again."
    if any(row.outcome is Outcome.UNCLEAR for row in measures):
        return (
            "Conclusion: nothing speaks against training this model, but see what is not certain."
        )
    return "Conclusion: ready, as player and as referee."
