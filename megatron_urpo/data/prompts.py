"""From tasks to token ids: chat template, judge prompts, prompts of a step.

Quoted text never becomes a control token. The chat template is rendered around placeholders; only
what the template itself contributes may become one of the tokenizer's added tokens ("<|im_end|>",
"<tool_call>"), while contents are encoded by a copy of the tokenizer that knows none of them. Text
between two control tokens is encoded in one piece, so ordinary conversations get exactly the ids
that the tokenizer's own apply_chat_template gives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from megatron_urpo.config import Config, ConfigError, ModelConfig
from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.plain_text import PlainText
from megatron_urpo.judging import (
    SHORTENING_MARKER,
    question_text,
    shorten_middle,
    shuffled_order,
    write_judge_prompt,
)
from megatron_urpo.types import ChatMessage, PreferenceTask, Prompt, Task

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Characters that a response keeps at least before the question is shortened as well.
_MIN_RESPONSE_CHARS = 4 * len(SHORTENING_MARKER)


class PromptTooLongError(ValueError):
    """A prompt that cannot be made to fit."""


def load_encoder(model: ModelConfig) -> PromptEncoder:
    """The encoder of a model directory.

    Raises:
        ConfigError: model.path is no directory with a tokenizer, or the chat template cannot be
            read.
    """
    from transformers import AutoTokenizer

    if not model.path or not Path(model.path).is_dir():
        raise ConfigError(
            f"model.path = {model.path!r} is no directory: name a Hugging Face model directory "
            "(tools/unpack_smollm2.py makes a small one)"
        )
    template = ""
    if model.chat_template:
        try:
            template = Path(model.chat_template).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"model.chat_template = {model.chat_template!r} cannot be read "
                f"({error.strerror}): name a Jinja file, or leave it empty"
            ) from error
    _check_tokenizer_file(Path(model.path) / "tokenizer.json")
    try:
        tokenizer = AutoTokenizer.from_pretrained(model.path)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"model.path = {model.path!r} has no usable tokenizer ({error}): copy the model's "
            "tokenizer files there"
        ) from error
    return PromptEncoder(tokenizer, template)


def _check_tokenizer_file(path: Path) -> None:
    """Raises ConfigError for a file that is cut off: its reader's own error has no type."""
    if not path.is_file():
        return  # tokenizer.model, say
    try:
        json.loads(path.read_bytes())
    except ValueError as error:
        raise ConfigError(
            f"{path} is damaged or cut off ({error}): copy the model's tokenizer files again"
        ) from error


class PromptEncoder:
    """Wraps text in the model's chat format and encodes it."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, chat_template: str = "") -> None:
        """
        Args:
            tokenizer: a fast Hugging Face tokenizer.
            chat_template: Jinja text; empty: the tokenizer's own template.

        Raises:
            ConfigError: there is no template, the tokenizer is not a fast one, or the template
                cannot be reproduced piece by piece.
        """
        self._tokenizer = tokenizer
        self._template = chat_template or tokenizer.chat_template
        if not self._template:
            raise ConfigError(
                "the tokenizer has no chat template (a base model): name one in "
                "model.chat_template, such as examples/user_assistant.jinja"
            )
        if not tokenizer.is_fast:
            raise ConfigError(
                f"model.path: {type(tokenizer).__name__} is not a fast tokenizer; save the model "
                "with a tokenizer.json"
            )
        self._control_ids = {
            token.content: index for index, token in tokenizer.added_tokens_decoder.items()
        }
        alternatives = sorted(map(re.escape, self._control_ids), key=len, reverse=True)
        self._control = re.compile(f"({'|'.join(alternatives)})") if alternatives else None
        self._plain = PlainText(tokenizer)
        self._end_of_turn = self._find_end_of_turn()
        self._check_against_tokenizer()

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """Ids that end a response: the template's end of turn, the tokenizer's end of text."""
        eos = self._tokenizer.eos_token_id
        return tuple(dict.fromkeys([self._end_of_turn] + ([] if eos is None else [int(eos)])))

    def encode_chat(self, messages: Sequence[ChatMessage]) -> tuple[int, ...]:
        """A conversation and the generation prompt as token ids.

        Raises:
            DataError: the template refuses the conversation, e.g. a system turn.
        """
        return tuple(self._encode_parts(self._render(messages, add_generation_prompt=True)))

    def encode_target(self, text: str) -> tuple[int, ...]:
        """What an assistant writes after encode_chat's prompt, end of turn included."""
        return (*self._plain.encode(text, at_start=False), self._end_of_turn)

    def encode_judge(
        self,
        messages: Sequence[ChatMessage],
        responses: Sequence[str],
        order: Sequence[int],
        max_tokens: int,
    ) -> tuple[tuple[int, ...], bool]:
        """The referee's prompt in at most max_tokens ids, and whether a text was shortened for it.

        Too long a prompt has its responses cut in the middle, visibly, to the largest equal limit
        (in characters) that fits; shorter responses stay whole. Where that would leave less than
        a few words of each, the question is held to the same limit.

        Args:
            messages: the conversation that the N responses answer.
            order: a permutation of range(N); slot k shows responses[order[k]].

        Raises:
            PromptTooLongError: max_tokens does not hold the template around shortened texts.
        """
        question = question_text(messages)
        whole = self._encode_question(question, responses, order)
        if len(whole) <= max_tokens:
            return whole, False
        longest = max(map(len, responses))
        fitted = None
        if longest > _MIN_RESPONSE_CHARS:
            fitted = self._fit(question, responses, order, max_tokens, _MIN_RESPONSE_CHARS, False)
        if fitted is None:
            smallest = len(SHORTENING_MARKER)
            fitted = self._fit(question, responses, order, max_tokens, smallest, True)
        if fitted is None:
            raise PromptTooLongError(
                f"a judge prompt of {len(responses)} responses does not fit {max_tokens} tokens "
                f"even with every text shortened (whole: {len(whole)} tokens): raise "
                "data.max_prompt_tokens or rollout.max_model_len"
            )
        return fitted, True

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of sampled ids, control tokens left out."""
        return self._plain.decode(token_ids)

    def decode_all(self, token_ids: Sequence[int]) -> str:
        """Text of a prompt's ids, control tokens and all."""
        return str(self._tokenizer.decode(list(token_ids), skip_special_tokens=False))

    def _encode_question(
        self, question: str, responses: Sequence[str], order: Sequence[int]
    ) -> tuple[int, ...]:
        text = write_judge_prompt(question, responses, order)
        return self.encode_chat([ChatMessage("user", text)])

    def _fit(
        self,
        question: str,
        responses: Sequence[str],
        order: Sequence[int],
        max_tokens: int,
        smallest: int,
        shorten_question: bool,
    ) -> tuple[int, ...] | None:
        """Ids under the largest limit of at least `smallest` characters that fits, or None."""

        def encode(limit: int) -> tuple[int, ...]:
            return self._encode_question(
                shorten_middle(question, limit) if shorten_question else question,
                [shorten_middle(response, limit) for response in responses],
                order,
            )

        best = encode(smallest)
        if len(best) > max_tokens:
            return None
        low, high = (
            smallest,
            max(map(len, [*responses, question] if shorten_question else responses)),
        )
        while low < high:
            limit = (low + high + 1) // 2
            ids = encode(limit)
            if len(ids) <= max_tokens:
                best, low = ids, limit
            else:
                high = limit - 1
        return best

    def _render(
        self, messages: Sequence[ChatMessage], *, add_generation_prompt: bool
    ) -> list[tuple[str, bool]]:
        """The conversation as (text, is content) pieces in order."""
        marks = [f"\ue000{index}\ue001" for index in range(len(messages))]
        turns = zip((message.role for message in messages), marks, strict=True)
        rendered = self._apply_template(list(turns), add_generation_prompt)
        pieces: list[tuple[str, bool]] = []
        for part in re.split("(\ue000\\d+\ue001)", rendered):
            if part.startswith("\ue000"):
                pieces.append((messages[int(part[1:-1])].content, True))
            else:
                pieces.append((part, False))
        return pieces

    def _apply_template(self, turns: list[tuple[str, str]], add_generation_prompt: bool) -> str:
        from jinja2 import TemplateError

        try:
            return self._tokenizer.apply_chat_template(
                [{"role": role, "content": content} for role, content in turns],
                chat_template=self._template,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
            )
        except TemplateError as error:
            raise DataError(
                f"the model's chat template refuses a conversation of the turns "
                f"{', '.join(role for role, _ in turns)} ({error}): change those turns, or give "
                "another template in model.chat_template"
            ) from error

    def _encode_parts(self, pieces: Sequence[tuple[str, bool]]) -> list[int]:
        ids: list[int] = []
        text = ""
        for piece, is_content in pieces:
            if is_content or self._control is None:
                text += piece
                continue
            for part in self._control.split(piece):
                if part in self._control_ids:
                    ids += self._plain.encode(text, at_start=not ids)
                    ids.append(self._control_ids[part])
                    text = ""
                else:
                    text += part
        return ids + self._plain.encode(text, at_start=not ids)

    def _find_end_of_turn(self) -> int:
        """The control token that follows an assistant's text in the template."""
        conversation = [ChatMessage("user", "a"), ChatMessage("assistant", "b")]
        pieces = self._render(conversation, add_generation_prompt=False)
        last = max(index for index, (_, is_content) in enumerate(pieces) if is_content)
        closing = "".join(text for text, _ in pieces[last + 1 :])
        found = self._control.search(closing) if self._control is not None else None
        if found is not None:
            return self._control_ids[found.group()]
        if self._tokenizer.eos_token_id is None:
            raise ConfigError(
                "neither the chat template nor the tokenizer has a token that ends a turn: set "
                "eos_token in the tokenizer, or end turns with a special token in the template"
            )
        return int(self._tokenizer.eos_token_id)

    def _check_against_tokenizer(self) -> None:
        """Raises ConfigError unless an ordinary conversation is encoded as the tokenizer does."""
        probe = [ChatMessage("user", "What is 12 + 7?\nSay it."), ChatMessage("assistant", "19")]
        probe.append(ChatMessage("user", "Thanks. Now, 5 more?"))
        rendered = self._apply_template(
            [(message.role, message.content) for message in probe], add_generation_prompt=True
        )
        theirs = self._tokenizer.encode(rendered, add_special_tokens=False)
        if list(self.encode_chat(probe)) != list(theirs):
            raise ConfigError(
                "model.path: text around control tokens is encoded in a way this tokenizer does "
                f"not share (template of {type(self._tokenizer).__name__}): use a byte-level BPE "
                "or SentencePiece tokenizer whose control tokens take no spaces with them"
            )


def build_prompts(
    tasks: Sequence[Task], encoder: PromptEncoder, config: Config, *, seed: int, step_index: int
) -> tuple[list[Prompt], list[Task]]:
    """The prompts of a step, in the order of the tasks, and the tasks skipped as too long.

    Responses of preference tasks are shown in an order drawn from seed, step_index (from 0) and the
    place in the batch.
    Judge prompts are shortened to data.max_prompt_tokens; other prompts are never altered. Too
    long ones are left out (data.overlong_prompts = "skip") and Prompt.index counts the rest.

    Raises:
        DataError: a prompt is too long and data.overlong_prompts = "error".
    """
    limit = config.data.max_prompt_tokens
    prompts: list[Prompt] = []
    skipped: list[Task] = []
    for place, task in enumerate(tasks):
        order: tuple[int, ...] = ()
        shortened = False
        try:
            if isinstance(task, PreferenceTask):
                order = shuffled_order(
                    len(task.responses), np.random.default_rng([seed, step_index, place])
                )
                ids, shortened = encoder.encode_judge(task.messages, task.responses, order, limit)
            else:
                ids = _encode_limited(task, encoder, limit)
        except PromptTooLongError as error:
            if config.data.overlong_prompts == "error":
                raise DataError(
                    f"source {task.source!r}, item {task.key!r}: {error}; or set "
                    'data.overlong_prompts = "skip"'
                ) from error
            skipped.append(task)
            continue
        prompts.append(Prompt(len(prompts), task, ids, order, shortened))
    return prompts, skipped


def _encode_limited(task: Task, encoder: PromptEncoder, limit: int) -> tuple[int, ...]:
    ids = encoder.encode_chat(task.messages)
    if len(ids) > limit:
        raise PromptTooLongError(
            f"the prompt has {len(ids)} tokens, data.max_prompt_tokens is {limit}: raise it"
        )
    return ids
