"""The filters of one row, in their order. Duplicates are found later, over all rows (duplicates).

Every filter says why it leaves a row out, or passes it on:

malformed            the row, or the record made of it, is not as it has to be
tied                 all responses are equally good
empty                a response without text, and fewer than two others that can be ranked
identical_responses  two responses that are word for word the same, and fewer than two others
chat_template        the model's chat template refuses the conversation
prompt_length        the conversation is too long or too short
response_length      a response, or an answer of the assistant, is too long
language             the user writes in another language
contaminated         the row overlaps an evaluation set
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from megatron_urpo.config import ConfigError, SourceConfig
from megatron_urpo.data.adapters.rows import RowError
from megatron_urpo.data.jsonl import DataError, is_tied, parse_task
from megatron_urpo.data.preparation.contamination import ContaminationIndex
from megatron_urpo.data.preparation.raw_rows import RawRow
from megatron_urpo.data.preparation.responses import drop_unusable
from megatron_urpo.data.preparation.scripts import foreign_script, scripts_of
from megatron_urpo.data.preparation.settings import FiltersConfig, RawSourceConfig
from megatron_urpo.data.prompts import PromptEncoder
from megatron_urpo.types import InstructionTask, PreferenceTask, Task, TaskKind

ROW_FILTERS = (
    "malformed",
    "tied",
    "empty",
    "identical_responses",
    "chat_template",
    "prompt_length",
    "response_length",
    "language",
    "contaminated",
)

# A language is told from prose alone, from enough of it, and from no more than that takes.
_MARKUP = re.compile(
    r"```.*?```|\$\$.*?\$\$|\$[^$]*\$|\\\[.*?\\\]|\\\(.*?\\\)|\\[a-zA-Z]+", re.DOTALL
)
_LEAST_LETTERS = 40
_MOST_CHARACTERS = 1000
_LEAST_CONFIDENCE = 0.9


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was left out."""

    place: str
    filter: str
    reason: str
    row: str = ""  # its text, where the row itself is bad


class Languages:
    """Keeps texts of some languages.

    A text too short to tell counts as one of them, unless none of them is written in its script.
    """

    def __init__(self, codes: tuple[str, ...]) -> None:
        """
        Raises:
            ConfigError: a code that is not known.
        """
        self._codes = codes
        self._scripts = scripts_of(codes)
        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        unknown = set(codes) - set(self._identifier.labels)
        if unknown:
            raise ConfigError(
                f"filters.languages: {', '.join(sorted(unknown))} not known: give ISO 639-1 codes "
                f"out of {', '.join(sorted(self._identifier.labels))}"
            )

    def other(self, text: str) -> str | None:
        """The language or script of a text, where it is certainly none of those to keep."""
        prose = _MARKUP.sub(" ", text)[:_MOST_CHARACTERS]
        if sum(map(str.isalpha, prose)) >= _LEAST_LETTERS:
            language, confidence = self._identifier.classify(prose)
            if confidence >= _LEAST_CONFIDENCE and language not in self._codes:
                return language
        script = foreign_script(prose, self._scripts)
        return script and f"{script} script"


class RowFilters:
    """Makes a task of a raw row, or says why there is none."""

    def __init__(
        self, filters: FiltersConfig, encoder: PromptEncoder, contamination: ContaminationIndex
    ) -> None:
        self._filters = filters
        self._encoder = encoder
        self._contamination = contamination
        self._languages = Languages(filters.languages) if filters.languages else None
        self.dropped_responses = 0  # of the tasks that were made

    def task(self, row: RawRow, source: RawSourceConfig) -> Task | Rejected:
        """The row as a task with its position in the source as key."""
        if row.values is None:
            return Rejected(row.place, "malformed", row.problem, row.text)
        adapter = source.adapter
        dropped = 0
        target = SourceConfig(source.name, adapter.kind, "prepared")
        try:
            record = {"kind": str(adapter.kind), "id": f"{source.name}-{row.position}"}
            record |= adapter.record(row.values)
            if adapter.kind is TaskKind.PREFERENCE:
                dropped = drop_unusable(record)
            task = parse_task(record, target, row.place, "", answered=adapter.answered)
        except (RowError, DataError) as error:
            reason = str(error).removeprefix(f"{row.place}: ")
            text = json.dumps(dict(row.values), default=str)
            return Rejected(row.place, "malformed", reason, text)
        for name, reason in self._problems(task):
            return Rejected(row.place, name, reason)
        self.dropped_responses += dropped
        return task

    def _problems(self, task: Task) -> Iterator[tuple[str, str]]:
        """Filters that refuse the task, with their reasons; cheap ones first."""
        responses = task.responses if isinstance(task, PreferenceTask) else ()
        if is_tied(task):
            yield "tied", f"all {len(responses)} responses are equally good"
        stripped = [response.strip() for response in responses]
        if not all(stripped):
            yield "empty", f"response {stripped.index('') + 1} is empty"
        if len(set(stripped)) < len(stripped):
            yield "identical_responses", "two responses are the same"
        yield from self._length_problems(task)
        if self._languages is not None:
            prompt = "\n".join(turn.content for turn in task.messages if turn.role == "user")
            if language := self._languages.other(prompt):
                yield "language", f"the prompt is in {language!r}"
        if found := self._contamination.find(task_texts(task)):
            yield "contaminated", f"overlaps {found}"

    def _length_problems(self, task: Task) -> Iterator[tuple[str, str]]:
        filters = self._filters
        answers = [turn.content for turn in task.messages if turn.role == "assistant"]
        messages = task.messages
        if isinstance(task, InstructionTask) and task.is_answered:
            messages = messages[:-1]
        try:
            length = len(self._encoder.encode_chat(messages))
        except DataError as error:
            yield "chat_template", str(error)
            return
        if length < filters.min_prompt_tokens:
            yield "prompt_length", f"{length} tokens, the minimum is {filters.min_prompt_tokens}"
        if filters.max_prompt_tokens and length > filters.max_prompt_tokens:
            yield "prompt_length", f"{length} tokens, the limit is {filters.max_prompt_tokens}"
        limit = filters.max_response_tokens
        for text in (*answers, *(task.responses if isinstance(task, PreferenceTask) else ())):
            # A token is at least a byte.
            if limit and len(text.encode()) > limit:
                length = len(self._encoder.encode_target(text))
                if length > limit:
                    yield "response_length", f"{length} tokens, the limit is {limit}"


def task_texts(task: Task) -> list[str]:
    """All texts of a task that its source wrote: turns and responses."""
    texts = [turn.content for turn in task.messages]
    if isinstance(task, PreferenceTask):
        texts += task.responses
    return texts
