"""Conversations through the whole of it: prepared, then trained on in the warm start."""

from __future__ import annotations

import json

from megatron_urpo.config import ModelConfig
from megatron_urpo.data.prompts import load_encoder
from megatron_urpo.metrics import read_metrics
from megatron_urpo.types import ChatMessage
from tests.end_to_end.conftest import run_urpo
from tools.make_small_model import write_small_model
from tools.prepare_data import main

TURNS = (
    ("system", "Be brief."),
    ("user", "Name a fruit that begins with {letter}, please."),
    ("assistant", "I know of none with {letter}."),
    ("user", "Try again."),
    ("assistant", "{letter}-fruit, then?"),
)

CONFIG = """
[run]
directory = "{directory}/run"
[model]
path = "{directory}/model"
params_dtype = "float32"
[data]
phase1_steps = 0
[batching]
micro_batch_tokens = 512
[sft]
steps = 2
tokens_per_step = {tokens}
[sft.optimizer]
lr = 1e-3
[[sft.sources]]
name = "chat"
kind = "instruction"
path = "{directory}/data/chat.arrow"
[checkpoint]
every = 0
"""

PREPARATION = """
directory = "{directory}/data"
[model]
path = "{directory}/model"
[[sources]]
name = "chat"
format = "tulu3_sft"
path = "{directory}/rows.jsonl"
"""


def test_the_assistants_turns_and_nothing_else_are_trained_on_once_an_epoch(tmp_path):
    write_small_model("qwen2.5", tmp_path / "model")
    conversations = [
        [(role, text.format(letter=letter)) for role, text in TURNS] for letter in "ABCDEFGH"
    ]
    with (tmp_path / "rows.jsonl").open("w") as file:
        for turns in conversations:
            messages = [{"role": role, "content": content} for role, content in turns]
            file.write(json.dumps({"id": "x", "messages": messages, "source": "test"}) + "\n")
    (tmp_path / "prepare.toml").write_text(PREPARATION.format(directory=tmp_path))
    assert main([str(tmp_path / "prepare.toml")]) == 0

    encoder = load_encoder(ModelConfig(path=str(tmp_path / "model")))
    said, prompts = 0, 0
    for turns in conversations:
        messages = [ChatMessage(role, content) for role, content in turns]
        for place in (2, 4):
            prompts += len(encoder.encode_chat(messages[:place]))
            said += len(encoder.encode_target(messages[place].content))
    # The budget of a step is one epoch.
    config = CONFIG.format(directory=tmp_path, tokens=prompts + said)
    (tmp_path / "sft.toml").write_text(config)
    run_urpo("sft", tmp_path / "sft.toml")
    first, second = read_metrics(tmp_path / "run" / "sft" / "metrics.jsonl")
    for record in (first, second):
        assert record.values["sft/all/demonstrations"] == 16
        assert record.values["sft/all/loss_tokens"] == said
        assert record.values["sft/all/too_long_demonstrations"] == 0
    assert second.values["sft/all/loss"] < first.values["sft/all/loss"]
