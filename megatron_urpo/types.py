"""The vocabulary of the project: the records that cross stage boundaries.

    Task -> Prompt -> Response x G -> Group -> TrainingGroup -> MicroBatch -> StepStatistics
    (data)  (data)    (rollout)      (rewards) (advantages)     (batching)    (training)

Arrays are numpy until the training stage makes tensors of them, so that everything before it
loads without torch, megatron or vllm. A worked example, one preference prompt with N = 3 responses
and G = 2 judgements:

    Task            question, responses ("a", "b", "c"), truth (1.0, 3.0, 2.0)
    Prompt          order (2, 0, 1): the referee reads "c" first; token_ids of the whole template
    Response        "Scores: \\boxed{5, 1, 9}": 5 for "c", 1 for "a", 9 for "b"
    Group.rewards   tau([1, 9, 5], truth) = 1.0 for it, and one more for the second judgement
    TrainingGroup   the prompt once, two branches (the sampled token ids), two advantages
    MicroBatch      that prompt and its branches packed with others up to the token budget
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from megatron_urpo.code_tests.records import CodeResult, CodeTests

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]


class RunError(RuntimeError):
    """A run that cannot start or go on, for a reason that its user can act on.

    The message is written for them: the command line shows it without a trace.
    """


class TaskKind(str, Enum):
    """The three kinds of task of the paper's Table 1."""

    REASONING = "reasoning"
    PREFERENCE = "preference"
    INSTRUCTION = "instruction"

    def __str__(self) -> str:
        return self.value


class FinishReason(str, Enum):
    """Why the engine stopped a response: at an end token, or cut off at the length limit."""

    STOP = "stop"
    LENGTH = "length"


class VerifierStatus(str, Enum):
    """Outcome of a rule verifier. TIMEOUT and ERROR mask the response, they never score 0."""

    CORRECT = "correct"
    WRONG = "wrong"
    TIMEOUT = "timeout"
    ERROR = "error"


class MaskReason(str, Enum):
    """Why a group takes no part in the update."""

    UNPARSEABLE_JUDGEMENT = "unparseable_judgement"
    OVERLONG_JUDGE_PROMPT = "overlong_judge_prompt"
    VERIFIER_FAILURE = "verifier_failure"


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a conversation."""

    role: str  # "system", "user" or "assistant"
    content: str


@dataclass(frozen=True, slots=True)
class Check:
    """One hidden, checkable demand of an instruction. Feeds monitoring, never a reward."""

    name: str  # a key of megatron_urpo.data.checkers.CHECKERS
    argument: str  # what the checker looks for, e.g. a required word


@dataclass(frozen=True, slots=True)
class ReasoningTask:
    """A problem with a verifiable answer."""

    source: str  # name of the data source, for metrics by source
    key: str  # unique within the source
    messages: tuple[ChatMessage, ...]  # ends with a user turn
    gold: tuple[str, ...] = ()  # accepted final answers, at least one unless there are tests
    tests: CodeTests | None = None  # of code: the answer is a program, and gold is empty

    @property
    def kind(self) -> TaskKind:
        return TaskKind.REASONING


@dataclass(frozen=True, slots=True)
class PreferenceTask:
    """A question with N >= 2 responses of known quality."""

    source: str
    key: str
    messages: tuple[ChatMessage, ...]  # the conversation the responses answer
    responses: tuple[str, ...]  # N responses
    truth: tuple[float, ...]  # N qualities, larger is better; ties allowed, not all equal
    checks: tuple[Check, ...] = ()  # generated tasks: the demands that truth counts; never a reward

    @property
    def kind(self) -> TaskKind:
        return TaskKind.PREFERENCE


@dataclass(frozen=True, slots=True)
class InstructionTask:
    """An open-ended prompt. Its reward is the policy's own judgement of its G answers.

    In the supervised warm start it may be a whole conversation, the assistant's answer at its end.
    """

    source: str
    key: str
    messages: tuple[ChatMessage, ...]  # ends with a user turn, or with the answer to show
    checks: tuple[Check, ...] = ()  # monitoring only

    @property
    def kind(self) -> TaskKind:
        return TaskKind.INSTRUCTION

    @property
    def is_answered(self) -> bool:
        """Whether the conversation holds its answer."""
        return self.messages[-1].role == "assistant"


Task = ReasoningTask | PreferenceTask | InstructionTask


@dataclass(frozen=True, slots=True)
class Prompt:
    """A task made ready for the engine."""

    index: int  # position in the batch of the step, the order of everything downstream
    task: Task
    token_ids: tuple[int, ...]  # P ids, the chat template and the generation prompt included
    order: tuple[int, ...] = ()  # preference only: slot k of the template shows response order[k]
    shortened: bool = False  # a response in the judge prompt was shortened to fit the context


@dataclass(frozen=True, slots=True)
class Response:
    """One sampled completion: an answer, or (preference) a judgement that is trained on."""

    token_ids: tuple[int, ...]  # T ids exactly as sampled, end token included when there is one
    logprobs: Float32Array  # (T,) log-probabilities under the engine's sampling distribution
    text: str  # decoded without special tokens; for rewards and logs, never for training
    finish_reason: FinishReason
    policy_version: int  # weights that wrote it


@dataclass(frozen=True, slots=True)
class Judgement:
    """The referee's reading of one self-rewarded group. Its tokens are not trained on."""

    text: str  # the last attempt; empty where there was none
    scores: tuple[float, ...] | None  # G scores in the order of the responses; None: unparseable
    order: tuple[int, ...]  # slot k of the template showed response order[k]
    attempts: int  # requests made; 0 where the judge prompt does not fit the context
    prompt_tokens: int  # of the last attempt
    response_tokens: int  # summed over the attempts
    finish_reason: FinishReason
    policy_version: int
    shortened: bool = False  # an answer was shortened to fit the referee's context


@dataclass(frozen=True, slots=True)
class Rollout:
    """The G finished responses of a prompt, with the judgement they got."""

    prompt: Prompt
    responses: tuple[Response, ...]  # G responses
    judgement: Judgement | None  # instruction only


@dataclass(frozen=True, slots=True)
class Group:
    """A rollout with its rewards."""

    rollout: Rollout
    rewards: Float64Array  # (G,) what the advantage is computed from; NaN where masked
    parsed: npt.NDArray[np.bool_]  # (G,) the final answer, or the scores, could be read
    statuses: tuple[VerifierStatus, ...] = ()  # reasoning only, G outcomes
    mask_reason: MaskReason | None = None  # set: the group counts nowhere in the loss
    code_results: tuple[CodeResult, ...] = ()  # of tasks with tests only, G results

    @property
    def prompt(self) -> Prompt:
        return self.rollout.prompt

    @property
    def kind(self) -> TaskKind:
        return self.rollout.prompt.task.kind


@dataclass(frozen=True, slots=True)
class TrainingGroup:
    """One prompt and the branches that continue it, with what the loss needs of each."""

    index: int  # Prompt.index
    kind: TaskKind
    prompt_ids: Int64Array  # (P,)
    response_ids: tuple[Int64Array, ...]  # G arrays (T_i,)
    rollout_logprobs: tuple[Float32Array, ...]  # G arrays (T_i,)
    advantages: Float64Array  # (G,), all zero for a group without variance

    @property
    def num_tokens(self) -> int:
        """Response tokens of all branches: what the loss averages over."""
        return sum(len(ids) for ids in self.response_ids)


@dataclass(frozen=True, slots=True)
class Segment:
    """Part of a micro-batch: a prompt, stored once, followed by its branches.

    Every branch attends to the prompt and to itself, not to its siblings; its positions continue
    the prompt's. A segment of one branch is an ordinary packed sequence.
    """

    prompt_length: int
    branch_lengths: tuple[int, ...]
    padding: int = 0  # tokens behind it that nothing attends to

    @property
    def length(self) -> int:
        """Tokens, padding left out."""
        return self.prompt_length + sum(self.branch_lengths)


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Packed tokens of one forward pass on one data-parallel rank.

    T tokens in all (segments, each with its padding, then padding that nothing attends to), L of
    them predicted.
    The hidden state at loss_positions[k] predicts target_ids[k]; branches that share a prompt share
    the position of its last token. A filler has L = 0 and keeps the number of micro-batches equal
    on all ranks.
    """

    segments: tuple[Segment, ...]
    token_ids: Int64Array  # (T,)
    position_ids: Int64Array  # (T,)
    loss_positions: Int64Array  # (L,) indices into the T tokens
    target_ids: Int64Array  # (L,)
    loss_weights: Float64Array  # (L,) 1 / denominator (times the role's weight): see batching
    advantages: Float32Array  # (L,)
    rollout_logprobs: Float32Array  # (L,)
    kind_codes: npt.NDArray[np.int8]  # (L,) index into list(TaskKind)
    group_indices: Int64Array  # (L,) TrainingGroup.index
    branch_indices: Int64Array  # (L,) branch within its group

    @property
    def num_loss_tokens(self) -> int:
        return len(self.target_ids)


@dataclass(slots=True)
class StepStatistics:
    """Everything measured in one step, by metric name (stage/role/what)."""

    step: int  # counted from 1
    values: dict[str, float] = field(default_factory=dict)
