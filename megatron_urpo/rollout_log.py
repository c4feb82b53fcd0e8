"""Every group of a step on disk: rollouts/step_000012.jsonl, one Group a line.

A line holds what was shown, sampled, judged and rewarded, in text for people and in numbers that
read back exactly: RolloutLog.read gives the very Group records that were written, so that recorded
groups can be replayed. NaN is written as null, an infinity as "inf" or "-inf": the lines are
standard JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from megatron_urpo.code_tests.records import (
    CodeFailure,
    CodeResult,
    read_tests,
    write_tests,
)
from megatron_urpo.disk import replacing
from megatron_urpo.run_files import ROLLOUTS_DIRECTORY
from megatron_urpo.types import (
    ChatMessage,
    Check,
    FinishReason,
    Group,
    InstructionTask,
    Judgement,
    MaskReason,
    PreferenceTask,
    Prompt,
    ReasoningTask,
    Response,
    Rollout,
    Task,
    TaskKind,
    VerifierStatus,
)


class RolloutLog:
    """The rollouts directory of a run."""

    def __init__(
        self, directory: str | Path, decode: Callable[[Sequence[int]], str] | None = None
    ) -> None:
        """directory: of the run; decode: token ids -> text, so that prompts can be read by eye."""
        self._directory = Path(directory) / ROLLOUTS_DIRECTORY
        self._decode = decode

    def path(self, step: int) -> Path:
        """The file of a step, counted from 1."""
        return self._directory / f"step_{step:06d}.jsonl"

    def steps(self) -> list[int]:
        """The steps that have a file, ascending."""
        return sorted(int(path.stem[5:]) for path in self._directory.glob("step_*.jsonl"))

    def write(self, step: int, groups: Iterable[Group]) -> None:
        """Writes the groups of a step, whole or not at all."""
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self.path(step)
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            for group in groups:
                record = group_to_record(group, self._decode)
                file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")

    def read(self, step: int) -> list[Group]:
        """The groups of a step, equal to those written.

        Raises FileNotFoundError for a step without a file, ValueError (file:line) for damage.
        """
        path = self.path(step)
        groups = []
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    groups.append(group_from_record(json.loads(line)))
                except (ValueError, KeyError, TypeError) as error:
                    raise ValueError(f"{path}:{number}: not a recorded group: {error!r}") from error
        return groups

    def cut_off(self, completed: int) -> None:
        """Removes the files of steps after `completed`, when a run goes on from there."""
        for step in self.steps():
            if step > completed:
                self.path(step).unlink()


def group_to_record(
    group: Group, decode: Callable[[Sequence[int]], str] | None = None
) -> dict[str, Any]:
    """A group as JSON types."""
    prompt, judgement = group.prompt, group.rollout.judgement
    return {
        "index": prompt.index,
        "task": _task_to_record(prompt.task),
        "prompt": {
            "text": None if decode is None else decode(prompt.token_ids),
            "token_ids": list(prompt.token_ids),
            "order": list(prompt.order),
            "shortened": prompt.shortened,
        },
        "responses": [
            {
                "text": response.text,
                "reward": _number(float(reward)),
                "parsed": bool(parsed),
                "finish_reason": response.finish_reason.value,
                "policy_version": response.policy_version,
                "token_ids": list(response.token_ids),
                "logprobs": [_number(x) for x in response.logprobs.tolist()],
            }
            for response, reward, parsed in zip(
                group.rollout.responses, group.rewards, group.parsed, strict=True
            )
        ],
        "statuses": [status.value for status in group.statuses],
        "code_results": [_result_to_record(result) for result in group.code_results],
        "mask_reason": group.mask_reason and group.mask_reason.value,
        "judgement": judgement and _judgement_to_record(judgement),
    }


def group_from_record(record: Mapping[str, Any]) -> Group:
    """The group that group_to_record wrote."""
    prompt, responses = record["prompt"], record["responses"]
    judgement, mask_reason = record["judgement"], record["mask_reason"]
    return Group(
        rollout=Rollout(
            prompt=Prompt(
                index=record["index"],
                task=_task_from_record(record["task"]),
                token_ids=tuple(prompt["token_ids"]),
                order=tuple(prompt["order"]),
                shortened=prompt["shortened"],
            ),
            responses=tuple(
                Response(
                    token_ids=tuple(response["token_ids"]),
                    logprobs=np.array([_float(x) for x in response["logprobs"]], dtype=np.float32),
                    text=response["text"],
                    finish_reason=FinishReason(response["finish_reason"]),
                    policy_version=response["policy_version"],
                )
                for response in responses
            ),
            judgement=None if judgement is None else _judgement_from_record(judgement),
        ),
        rewards=np.array([_float(response["reward"]) for response in responses], dtype=np.float64),
        parsed=np.array([response["parsed"] for response in responses], dtype=np.bool_),
        statuses=tuple(VerifierStatus(status) for status in record["statuses"]),
        code_results=tuple(_result_from_record(result) for result in record["code_results"]),
        mask_reason=None if mask_reason is None else MaskReason(mask_reason),
    )


def _judgement_to_record(judgement: Judgement) -> dict[str, Any]:
    return {
        "text": judgement.text,
        "scores": None if judgement.scores is None else [_number(x) for x in judgement.scores],
        "order": list(judgement.order),
        "attempts": judgement.attempts,
        "prompt_tokens": judgement.prompt_tokens,
        "response_tokens": judgement.response_tokens,
        "finish_reason": judgement.finish_reason.value,
        "policy_version": judgement.policy_version,
        "shortened": judgement.shortened,
    }


def _judgement_from_record(record: Mapping[str, Any]) -> Judgement:
    scores = record["scores"]
    return Judgement(
        text=record["text"],
        scores=None if scores is None else tuple(_float(x) for x in scores),
        order=tuple(record["order"]),
        attempts=record["attempts"],
        prompt_tokens=record["prompt_tokens"],
        response_tokens=record["response_tokens"],
        finish_reason=FinishReason(record["finish_reason"]),
        policy_version=record["policy_version"],
        shortened=record["shortened"],
    )


def _result_to_record(result: CodeResult) -> dict[str, Any]:
    failure = result.failure and result.failure.value
    return {"passed": result.passed, "total": result.total, "failure": failure}


def _result_from_record(record: Mapping[str, Any]) -> CodeResult:
    failure = record["failure"] and CodeFailure(record["failure"])
    return CodeResult(record["passed"], record["total"], failure)


def _task_to_record(task: Task) -> dict[str, Any]:
    record: dict[str, Any] = {
        "kind": task.kind.value,
        "source": task.source,
        "key": task.key,
        "messages": [{"role": m.role, "content": m.content} for m in task.messages],
    }
    match task:
        case ReasoningTask():
            record["gold"] = list(task.gold)
            record["tests"] = task.tests and write_tests(task.tests)
        case PreferenceTask():
            record["responses"] = list(task.responses)
            record["truth"] = [_number(x) for x in task.truth]
            record["checks"] = _checks_to_record(task.checks)
        case InstructionTask():
            record["checks"] = _checks_to_record(task.checks)
    return record


def _task_from_record(record: Mapping[str, Any]) -> Task:
    messages = tuple(ChatMessage(m["role"], m["content"]) for m in record["messages"])
    source, key = record["source"], record["key"]
    match TaskKind(record["kind"]):
        case TaskKind.REASONING:
            tests = record["tests"] and read_tests(record["tests"])
            return ReasoningTask(source, key, messages, tuple(record["gold"]), tests)
        case TaskKind.PREFERENCE:
            truth = tuple(_float(x) for x in record["truth"])
            responses, checks = tuple(record["responses"]), _checks_from_record(record["checks"])
            return PreferenceTask(source, key, messages, responses, truth, checks)
        case TaskKind.INSTRUCTION:
            return InstructionTask(source, key, messages, _checks_from_record(record["checks"]))


def _checks_to_record(checks: Sequence[Check]) -> list[dict[str, str]]:
    return [{"name": check.name, "argument": check.argument} for check in checks]


def _checks_from_record(records: Sequence[Mapping[str, str]]) -> tuple[Check, ...]:
    return tuple(Check(record["name"], record["argument"]) for record in records)


def _number(value: float) -> float | str | None:
    """A float as standard JSON has it."""
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def _float(value: float | str | None) -> float:
    return math.nan if value is None else float(value)
