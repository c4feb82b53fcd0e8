"""Demonstrations of the warm start as batches of prompts with one branch.

Tasks are read, shown and encoded when a batch takes them, so that a million conversations need no
more memory than ten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.data.demonstrations import Demonstration, demonstrate_all
from megatron_urpo.data.prompts import PromptEncoder
from megatron_urpo.data.sources import Source, load_sources
from megatron_urpo.data.splits import generator
from megatron_urpo.types import TrainingGroup


class Demonstrations:
    """What sft.sources show, by task."""

    def __init__(self, sources: Sequence[Source], seed: int, *, terse_share: float = 0.0) -> None:
        """
        Args:
            terse_share: see `demonstrate`.
        """
        self._sources = sources
        self._ends = np.cumsum([len(source.tasks) for source in sources])
        self._seed = seed
        self._terse_share = terse_share

    def __len__(self) -> int:
        """Number of tasks; a conversation of several answers has a demonstration of each."""
        return int(self._ends[-1])

    def draw(self, index: int, epoch: int) -> list[Demonstration]:
        """The demonstrations of a task, the same at every call.

        A judgement shows its responses in an order of the epoch's own.
        """
        number = int(np.searchsorted(self._ends, index, side="right"))
        source = self._sources[number]
        task = source.tasks[index - (int(self._ends[number]) - len(source.tasks))]
        random = generator("demonstration", self._seed + epoch, source.config.name, task.key)
        return demonstrate_all(task, random, terse_share=self._terse_share)


def load_demonstrations(config: Config) -> Demonstrations:
    """The demonstrations of the training split of sft.sources.

    Raises:
        ConfigError: sft.sources is empty.
        DataError: a file cannot be used.
    """
    if not config.sft.sources:
        raise ConfigError("sft.sources is empty: add an [[sft.sources]] table")
    seed = config.run.seed
    return Demonstrations(
        load_sources(config.sft.sources, "train", seed, answered=True),
        seed,
        terse_share=config.sft.terse_judgement_share,
    )


def encode_demonstration(
    demonstration: Demonstration, encoder: PromptEncoder, index: int = 0
) -> TrainingGroup:
    """A prompt with one branch, which ends with the model's end token and alone is trained on."""
    prompt = np.array(encoder.encode_chat(demonstration.messages), dtype=np.int64)
    target = np.array(encoder.encode_target(demonstration.target), dtype=np.int64)
    return TrainingGroup(
        index=index,
        kind=demonstration.kind,
        prompt_ids=prompt,
        response_ids=(target,),
        rollout_logprobs=(np.zeros(len(target), dtype=np.float32),),
        advantages=np.ones(1),
    )


class DemonstrationBatches:
    """Endless batches of about tokens_per_step packed tokens, every epoch in its own order.

    A batch takes demonstrations until the next one would exceed the budget, and one at the least.
    """

    def __init__(
        self,
        demonstrations: Demonstrations,
        encoder: PromptEncoder,
        *,
        max_tokens: int,
        tokens_per_step: int,
        seed: int,
    ) -> None:
        """
        Args:
            max_tokens: of prompt and target together; longer demonstrations are left out.
            seed: of the order.
        """
        self.num_too_long = 0  # demonstrations left out so far
        self._demonstrations = demonstrations
        self._encoder = encoder
        self._max_tokens = max_tokens
        self._tokens_per_step = tokens_per_step
        self._groups = self._endless_groups(seed)
        self._waiting: TrainingGroup | None = None

    def next(self) -> list[TrainingGroup]:
        """The groups of the next batch; TrainingGroup.index is the place in it.

        Raises:
            ConfigError: every demonstration is too long.
        """
        batch: list[TrainingGroup] = []
        tokens = 0
        while True:
            group = self._waiting or next(self._groups)
            self._waiting = None
            length = len(group.prompt_ids) + group.num_tokens
            if batch and tokens + length > self._tokens_per_step:
                self._waiting = group
                return batch
            batch.append(replace(group, index=len(batch)))
            tokens += length

    def _endless_groups(self, seed: int) -> Iterator[TrainingGroup]:
        epoch = 0
        while True:
            count = 0
            order = np.random.default_rng([seed, epoch]).permutation(len(self._demonstrations))
            for place in order:
                for demonstration in self._demonstrations.draw(int(place), epoch):
                    group = encode_demonstration(demonstration, self._encoder)
                    if len(group.prompt_ids) + group.num_tokens <= self._max_tokens:
                        count += 1
                        yield group
                    else:
                        self.num_too_long += 1
            if not count:
                raise ConfigError(
                    f"sft.max_sequence_tokens = {self._max_tokens}: all {self.num_too_long} "
                    "demonstrations are longer; raise it"
                )
            epoch += 1
