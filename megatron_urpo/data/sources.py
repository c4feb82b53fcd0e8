"""Loads data sources: JSONL, Arrow and Parquet files, and generated ones ("embedded:<name>")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from megatron_urpo.config import EMBEDDED_PREFIX, ConfigError, SourceConfig
from megatron_urpo.data.jsonl import read_tasks
from megatron_urpo.data.reasoning import REASONING_FAMILIES, reasoning_problems
from megatron_urpo.data.splits import SPLITS
from megatron_urpo.data.tables import TABLE_SUFFIXES, TableTasks, read_table
from megatron_urpo.data.writing import writing_instructions, writing_preferences
from megatron_urpo.types import ReasoningTask, Task, TaskKind

Generator = Callable[[SourceConfig, str, int], Sequence[Task]]

# Name -> kind and generator(source, split, seed).
EMBEDDED: dict[str, tuple[TaskKind, Generator]] = {
    "writing_preferences": (TaskKind.PREFERENCE, writing_preferences),
    "writing_instructions": (TaskKind.INSTRUCTION, writing_instructions),
    **dict.fromkeys(REASONING_FAMILIES, (TaskKind.REASONING, reasoning_problems)),
}


@dataclass(frozen=True, slots=True)
class Source:
    """A loaded data source."""

    config: SourceConfig
    tasks: Sequence[Task]  # at least one
    dropped_ties: int = 0  # preference records left out because all their responses are tied

    @property
    def has_code_tests(self) -> bool:
        """Whether any task asks for a program; a mapped file is not read for it."""
        if isinstance(self.tasks, TableTasks):
            return self.tasks.has_code_tests
        return any(
            isinstance(task, ReasoningTask) and task.tests is not None for task in self.tasks
        )


def load_source(config: SourceConfig, split: str, seed: int, *, answered: bool = False) -> Source:
    """Reads or generates all tasks of a source.

    Args:
        split: "train" or "heldout". Generated items of the two never share their content. A file
            has no splits: it is used whole, for whichever section names it.
        seed: of generated items, unless the source's own option "seed" is set.
        answered: instructions of a file have to be conversations with their answers (the warm
            start); generated ones get theirs later.

    Raises:
        ConfigError: an unknown embedded source, kind or option.
        DataError: an unusable file.
    """
    if split not in SPLITS:
        raise ValueError(f"split = {split!r}: choose one of {', '.join(map(repr, SPLITS))}")
    where = f"source {config.name!r}"
    if not config.is_generated:
        if config.options:
            raise ConfigError(
                f"{where}: options {', '.join(config.options)} are for embedded sources; a file "
                "takes none"
            )
        if Path(config.path).suffix in TABLE_SUFFIXES:
            tasks, dropped = read_table(config, answered=answered)
            return Source(config, tasks, dropped)
        read = read_tasks(config, answered=answered)
        return Source(config, read.tasks, read.dropped_ties)
    name = config.path.removeprefix(EMBEDDED_PREFIX)
    if name not in EMBEDDED:
        raise ConfigError(
            f"{where}: path = {config.path!r}: choose one of "
            f"{', '.join(EMBEDDED_PREFIX + known for known in EMBEDDED)}"
        )
    kind, generate = EMBEDDED[name]
    if config.kind != kind:
        raise ConfigError(f"{where}: kind = '{config.kind}': {config.path} is of kind '{kind}'")
    return Source(config, tuple(generate(config, split, seed)))


def load_sources(
    configs: Sequence[SourceConfig], split: str, seed: int, *, answered: bool = False
) -> list[Source]:
    """load_source for each of a section's sources."""
    return [load_source(config, split, seed, answered=answered) for config in configs]
