"""What the model is shown first in each role: exact prompts, control tokens visible.

They are those of the run: the same mixture, seed and order of responses as its first steps have.
The policy's answers to instructions are still to be written: the prompt that has them judged is
shown with placeholders.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.data.demonstration_batches import DemonstrationBatches, load_demonstrations
from megatron_urpo.data.mixture import Mixture
from megatron_urpo.data.prompts import (
    PromptEncoder,
    PromptTooLongError,
    build_prompts,
    load_encoder,
)
from megatron_urpo.data.sources import load_sources
from megatron_urpo.types import (
    InstructionTask,
    PreferenceTask,
    Prompt,
    ReasoningTask,
    Task,
)


@dataclass(frozen=True, slots=True)
class Preview:
    """One prompt, or one demonstration."""

    title: str  # role, source and item
    num_tokens: int  # of the prompt
    text: str  # decoded from the ids that the model gets
    wanted: str  # what is expected of the answer; of a demonstration, what is trained on


def preview(config: Config, count: int = 1) -> Iterator[Preview]:
    """The first `count` prompts of each role of [data], and demonstrations of [sft].

    Behind the prompt of an instruction stands that of its judgement.

    Raises:
        ConfigError: no sources, or no tokenizer.
        DataError: a source cannot be used.
    """
    if not config.data.sources and not config.sft.sources:
        raise ConfigError("data.sources and sft.sources are empty: there is nothing to show")
    encoder = load_encoder(config.model)
    if config.data.sources:
        for step, prompt in _first_prompts(config, encoder, count):
            yield _show_prompt(prompt, step, encoder)
            if isinstance(prompt.task, InstructionTask):
                yield _show_self_judgement(prompt, step, encoder, config)
    if config.sft.sources:
        yield from _first_demonstrations(config, encoder, count)


def _first_prompts(
    config: Config, encoder: PromptEncoder, count: int
) -> Iterator[tuple[int, Prompt]]:
    """Prompts with the steps, counted from 1, that they are in."""
    seed = config.run.seed
    mixture = Mixture(config.data, load_sources(config.data.sources, "train", seed), seed)
    # Phase 1 has no instructions: they come first in the step after it.
    wanted = {kind: count for kind, share in config.data.ratio(2).items() if share > 0}
    for step_index in range(config.data.phase1_steps + 1):
        batch = mixture.next_batch(step_index)
        if not any(wanted.get(task.kind) for task in batch):
            continue
        prompts, _ = build_prompts(batch, encoder, config, seed=seed, step_index=step_index)
        for prompt in prompts:
            if wanted.get(prompt.task.kind):
                wanted[prompt.task.kind] -= 1
                yield step_index + 1, prompt


def _show_prompt(prompt: Prompt, step: int, encoder: PromptEncoder) -> Preview:
    task = prompt.task
    shortened = ", shortened to fit" if prompt.shortened else ""
    return Preview(
        f"{task.kind}, source {task.source!r}, item {task.key!r}, step {step}{shortened}",
        len(prompt.token_ids),
        encoder.decode_all(prompt.token_ids),
        _wanted(task, prompt.order),
    )


def _show_self_judgement(
    prompt: Prompt, step: int, encoder: PromptEncoder, config: Config
) -> Preview:
    """How the policy will be asked to score its answers, with a placeholder for each of them."""
    task, rollout = prompt.task, config.rollout
    answers = [
        f"<placeholder: answer {number} of the policy>"
        for number in range(1, rollout.group_size + 1)
    ]
    title = (
        f"judge prompt of {task.kind}, source {task.source!r}, item {task.key!r}, step {step}, "
        "answers not yet written"
    )
    room = rollout.max_judge_prompt_tokens
    try:
        ids, shortened = encoder.encode_judge(task.messages, answers, range(len(answers)), room)
    except PromptTooLongError as error:  # a run leaves the group out
        return Preview(title, 0, "", str(error))
    return Preview(
        f"{title}, shortened to fit" if shortened else title,
        len(ids),
        encoder.decode_all(ids),
        f"{len(answers)} scores, which are the rewards",
    )


def _wanted(task: Task, order: tuple[int, ...]) -> str:
    match task:
        case ReasoningTask():
            return f"accepted answers: {' | '.join(task.gold)}" if task.gold else "tests decide"
        case PreferenceTask():
            truth = ", ".join(f"{task.truth[index]:g}" for index in order)
            return f"true qualities in the order shown: {truth}"
        case InstructionTask():
            return "the policy scores its own answers"


def _first_demonstrations(config: Config, encoder: PromptEncoder, count: int) -> Iterator[Preview]:
    """The first of each kind that the warm start trains on."""
    sft = config.sft
    batches = DemonstrationBatches(
        load_demonstrations(config),
        encoder,
        max_tokens=sft.max_sequence_tokens,
        tokens_per_step=sft.tokens_per_step,
        seed=config.run.seed,
    )
    wanted = {source.kind: count for source in sft.sources}
    for step in range(1, sft.steps + 1):
        for group in batches.next():
            if wanted[group.kind]:
                wanted[group.kind] -= 1
                yield Preview(
                    f"warm start, {group.kind}, step {step}",
                    len(group.prompt_ids),
                    encoder.decode_all(group.prompt_ids.tolist()),
                    f"trained on, {group.num_tokens} tokens: "
                    f"{encoder.decode_all(group.response_ids[0].tolist())}",
                )
        if not any(wanted.values()):
            return


def format_preview(shown: Preview) -> str:
    """As it is printed."""
    return f"=== {shown.title}: {shown.num_tokens} tokens\n{shown.text}\n--- {shown.wanted}\n"
