"""Many engines, one batch: prompts dealt to engine replicas, finished groups given to every rank.

Consumes:   the Prompt records of a step; later the Group records each replica finished.
Produces:   each replica's share of the prompts; all groups of the step, in prompt order, on every
            rank.
Waits for:  the slowest replica.

A replica is `rollout.tensor_model_parallel_size` consecutive ranks that form one engine. All its
ranks see the same rollouts; its first rank, the lead, scores them and contributes the groups.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch.distributed as dist

from megatron_urpo.config import RolloutConfig
from megatron_urpo.types import Group, Prompt, TaskKind

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Replica:
    """This rank's place among the engines of the job."""

    index: int
    count: int  # replicas in the job
    is_lead: bool  # this rank contributes the replica's groups

    def seed(self, seed: int) -> int:
        """A seed of this replica's own, the same on all its ranks, from the step's seed."""
        return int(np.random.SeedSequence([seed, self.index]).generate_state(1)[0])


def this_replica(tensor_parallel_size: int) -> Replica:
    """The replica of this rank; the only one where torch.distributed is not initialised.

    Raises ValueError when the ranks do not divide into engines.
    """
    rank, world_size = 0, 1
    if dist.is_initialized():
        rank, world_size = dist.get_rank(), dist.get_world_size()
    if world_size % tensor_parallel_size != 0:
        raise ValueError(
            f"rollout.tensor_model_parallel_size = {tensor_parallel_size} does not divide the "
            f"{world_size} ranks of the job"
        )
    return Replica(
        index=rank // tensor_parallel_size,
        count=world_size // tensor_parallel_size,
        is_lead=rank % tensor_parallel_size == 0,
    )


def expected_cost(
    prompt: Prompt, config: RolloutConfig, expected_tokens: Mapping[TaskKind, float]
) -> float:
    """Tokens a prompt is expected to put through the engine, answers and judgement together.

    Args:
        expected_tokens: mean response length of each kind, e.g. that of the last step.
    """
    kind = prompt.task.kind
    answers = config.group_size * expected_tokens[kind]
    cost = len(prompt.token_ids) + answers
    if kind is TaskKind.INSTRUCTION:
        # The judge prompt quotes the question and all answers.
        cost += len(prompt.token_ids) + answers + expected_tokens[TaskKind.PREFERENCE]
    return cost


def mean_response_tokens(groups: Sequence[Group]) -> dict[TaskKind, float]:
    """Mean length of the responses of each kind that is there: what the next step may expect."""
    lengths: dict[TaskKind, list[int]] = {}
    for group in groups:
        of_kind = lengths.setdefault(group.kind, [])
        of_kind += [len(response.token_ids) for response in group.rollout.responses]
    return {kind: sum(of_kind) / len(of_kind) for kind, of_kind in lengths.items()}


def longest_tokens(config: RolloutConfig) -> dict[TaskKind, float]:
    """`expected_tokens` while nothing is known: the length limits."""
    return {
        TaskKind.REASONING: float(config.max_response_tokens),
        TaskKind.PREFERENCE: float(config.max_judgement_tokens),
        TaskKind.INSTRUCTION: float(config.max_response_tokens),
    }


def deal(
    prompts: Sequence[Prompt],
    num_replicas: int,
    config: RolloutConfig,
    expected_tokens: Mapping[TaskKind, float] | None = None,
) -> list[list[Prompt]]:
    """Each replica's prompts, in batch order, with nearly equal expected costs.

    expected_tokens are those of `expected_cost`; the length limits for a kind that is not there.

    The dearest prompt goes to the least loaded replica, and so on; ties go to the lower index, so
    that every rank computes the same shares. A replica may get none when prompts are few.
    """
    expected = longest_tokens(config) | dict(expected_tokens or {})
    costs = [expected_cost(prompt, config, expected) for prompt in prompts]
    loads = [(0.0, replica) for replica in range(num_replicas)]
    shares: list[list[int]] = [[] for _ in range(num_replicas)]
    for position in sorted(range(len(prompts)), key=lambda item: (-costs[item], item)):
        load, replica = heapq.heappop(loads)
        shares[replica].append(position)
        heapq.heappush(loads, (load + costs[position], replica))
    return [[prompts[position] for position in sorted(share)] for share in shares]


def gather(
    groups: Sequence[Group],
    prompts: Sequence[Prompt],
    replica: Replica,
    process_group: dist.ProcessGroup | None,
) -> list[Group]:
    """All groups of the step in prompt order, the same list on every rank.

    Args:
        groups: what this rank's replica finished; ignored unless the rank is its lead.
        prompts: all prompts of the step, on every rank.
        process_group: all ranks of the job on a CPU backend, since the objects would go through
            the memory of GPUs otherwise, of which the engine leaves little; None: the default
            group is one.

    Raises RuntimeError, on all ranks alike, when a prompt has no group or several.
    """
    gathered = gather_indexed([(_index(group), group) for group in groups], replica, process_group)
    found = [_index(group) for group in gathered]
    wanted = sorted(prompt.index for prompt in prompts)
    if found != wanted:
        missing = sorted(set(wanted) - set(found))
        surplus = [index for index in found if found.count(index) > 1 or index not in wanted]
        raise RuntimeError(
            f"the replicas returned {len(found)} groups for {len(wanted)} prompts: missing prompt "
            f"indices {missing[:5]}, repeated or unknown {sorted(set(surplus))[:5]}"
        )
    return gathered


def gather_indexed(
    items: Sequence[tuple[int, Item]],
    replica: Replica,
    process_group: dist.ProcessGroup | None,
) -> list[Item]:
    """What the leads of all replicas hold, sorted by the index of each item, on every rank.

    process_group: see `gather`.
    """
    own = list(items) if replica.is_lead else []
    shares = [own]
    if dist.is_initialized() and dist.get_world_size() > 1:
        shares = [[] for _ in range(dist.get_world_size())]
        dist.all_gather_object(shares, own, group=process_group)
    pairs = sorted((pair for share in shares for pair in share), key=lambda pair: pair[0])
    return [item for _, item in pairs]


def _index(group: Group) -> int:
    return group.prompt.index
