"""urpo data show: the very prompts of the run's first steps, without its heavy parts."""

import subprocess
import sys
from dataclasses import replace

import pytest

from megatron_urpo.config import Config, ConfigError, SFTConfig, SourceConfig
from megatron_urpo.config.load import load_config
from megatron_urpo.data.mixture import Mixture
from megatron_urpo.data.preview import format_preview, preview
from megatron_urpo.data.prompts import build_prompts, load_encoder
from megatron_urpo.data.sources import load_sources
from megatron_urpo.types import TaskKind

from .conftest import MODEL, REPOSITORY


@pytest.fixture(scope="module")
def config():
    loaded = load_config(
        REPOSITORY / "examples" / "quickstart.toml",
        ["--data.phase1_steps=2", f"--model.path={MODEL}"],
    )
    template = REPOSITORY / "examples" / "chatml.jinja"
    return replace(loaded, model=replace(loaded.model, chat_template=str(template)))


@pytest.fixture(scope="module")
def shown(config):
    return list(preview(config, count=2))


def test_prompts_are_those_of_the_first_steps(config, shown):
    encoder = load_encoder(config.model)
    seed = config.run.seed
    mixture = Mixture(config.data, load_sources(config.data.sources, "train", seed), seed)
    batches = [mixture.next_batch(step) for step in range(3)]
    for kind, step in (
        (TaskKind.PREFERENCE, 0),
        (TaskKind.REASONING, 0),
        (TaskKind.INSTRUCTION, 2),
    ):
        prompts, _ = build_prompts(batches[step], encoder, config, seed=seed, step_index=step)
        first = [prompt for prompt in prompts if prompt.task.kind is kind][:2]
        found = [one for one in shown if one.title.startswith(f"{kind}, source")]
        for prompt, one in zip(first, found, strict=True):
            assert f"item {prompt.task.key!r}, step {step + 1}" in one.title
            assert one.num_tokens == len(prompt.token_ids)
            assert one.text == encoder.decode_all(prompt.token_ids)


def test_what_is_wanted_stands_under_the_prompt(shown):
    wanted = {one.title.partition(",")[0]: one.wanted for one in shown}
    assert wanted["reasoning"].startswith("accepted answers: ")
    assert wanted["preference"].startswith("true qualities in the order shown: ")
    text = format_preview(shown[0])
    assert text.startswith(
        f"=== {shown[0].title}: {shown[0].num_tokens} tokens\n<|im_start|>user\n"
    )


def test_the_judge_prompt_of_an_instruction_has_placeholders(config, shown):
    prompts = [one for one in shown if one.title.startswith("instruction, source")]
    judged = [one for one in shown if one.title.startswith("judge prompt of instruction, source")]
    assert len(judged) == len(prompts) == 2
    size = config.rollout.group_size
    for prompt, one in zip(prompts, judged, strict=True):
        question = prompt.text.removeprefix("<|im_start|>user\n").split("<|im_end|>")[0]
        assert f"[The Begin of Question]\n{question}\n[The End of Question]" in one.text
        for number in range(1, size + 1):
            answer = f"<placeholder: answer {number} of the policy>"
            assert f"[The Begin of Response {number}]\n{answer}\n[The End" in one.text
        assert one.text.endswith("<|im_start|>assistant\n")
        assert one.wanted == f"{size} scores, which are the rewards"
        assert shown.index(one) == shown.index(prompt) + 1


def test_a_judge_prompt_that_does_not_fit_is_said_so(config):
    rollout = replace(config.rollout, group_size=200)
    small = replace(config, rollout=rollout, sft=SFTConfig())
    (one,) = (shown for shown in preview(small) if shown.title.startswith("judge prompt"))
    assert (one.num_tokens, one.text) == (0, "")
    assert one.wanted.startswith("a judge prompt of 200 responses does not fit")


def test_demonstrations_show_what_is_trained_on(shown):
    demonstrations = [one for one in shown if one.title.startswith("warm start")]
    assert len(demonstrations) == 6
    for one in demonstrations:
        assert one.text.endswith("<|im_start|>assistant\n")
        assert one.wanted.startswith("trained on, ")
        assert one.wanted.endswith("<|im_end|>")


def test_conversations_are_shown_without_data_sources(tmp_path, config):
    path = tmp_path / "chat.jsonl"
    path.write_text(
        '{"kind": "instruction", "messages": [{"role": "user", "content": "Hi"}, '
        '{"role": "assistant", "content": "Hello"}]}\n'
    )
    source = SourceConfig("chat", TaskKind.INSTRUCTION, str(path))
    only = replace(Config(), model=config.model, sft=SFTConfig(sources=(source,)))
    (one,) = preview(only)
    assert one.title == "warm start, instruction, step 1"
    assert one.text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert one.wanted == "trained on, 2 tokens: Hello<|im_end|>"


def test_nothing_to_show():
    with pytest.raises(ConfigError, match=r"data\.sources and sft\.sources are empty"):
        list(preview(Config()))


def test_the_command_needs_neither_engine_nor_trainer():
    program = (
        "import sys; from megatron_urpo.cli import main; "
        "code = main(['data', 'show', 'examples/quickstart.toml', '--data.phase1_steps=1']); "
        "heavy = {'vllm', 'megatron'} & set(sys.modules); sys.exit(f'{heavy}' if heavy else code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.count("\n=== ") == 6
    assert "--- the policy scores its own answers" in result.stdout
