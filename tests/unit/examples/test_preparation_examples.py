"""The preparation files as they are shipped: they write what the runs read."""

from __future__ import annotations

from pathlib import Path

import pytest

from megatron_urpo.config.load import load_config, read_toml
from megatron_urpo.data.preparation.settings import PreparationConfig
from megatron_urpo.types import TaskKind

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
# Section 4.1.2, and Table 2 for the warm start.
PAPER = {
    "Skywork/Skywork-OR1-RL-Data math",
    "Skywork/Skywork-OR1-RL-Data code",
    "nvidia/HelpSteer3 preference train",
    "openbmb/UltraFeedback train",
    "Skywork/Skywork-Reward-Preference-80K-v0.2 train",
    "berkeley-nest/Nectar train",
    "NCSOFT/offsetbias train",
    "OpenRLHF/prompt-collection-v0.1 train",
    "allenai/tulu-3-sft-mixture train",
}


def prepared(name: str) -> PreparationConfig:
    return read_toml(PreparationConfig, EXAMPLES / f"{name}.toml")


@pytest.mark.parametrize(
    ("preparation", "run"),
    [("prepare_paper_data", "urpo_qwen7b"), ("prepare_real_data", "real_data")],
)
def test_a_run_reads_what_is_written(preparation, run):
    made = prepared(preparation)
    written = {
        f"{made.directory}/{source.name}.arrow": (source.adapter.kind, source.adapter.answered)
        for source in made.sources
    }
    config = load_config(EXAMPLES / f"{run}.toml")
    read = {source.path: (source.kind, False) for source in config.data.sources}
    read |= {source.path: (source.kind, True) for source in config.sft.sources}
    assert read == written
    held_out = {
        f"{made.directory}/{source.name}.held_out.arrow": (source.adapter.kind, False)
        for source in made.sources
        if made.held_out and source.adapter.kind is TaskKind.PREFERENCE
    }
    assert {source.path: (source.kind, False) for source in config.monitoring.sources} == held_out
    assert config.monitoring.groups_per_source <= made.held_out or not held_out
    assert made.filters.max_prompt_tokens == config.data.max_prompt_tokens


def test_the_papers_data_sets():
    made = prepared("prepare_paper_data")
    named = {
        " ".join(filter(None, (source.hub_id, source.hub_config, source.hub_split)))
        for source in made.sources
    }
    assert named == PAPER
    assert all(source.hub_id == source.adapter.hub_id for source in made.sources)
    assert all(source.revision for source in made.sources)
    for name in ("gsm8k", "math500", "aime24", "aime25", "hmmt", "alpaca_eval", "reward", "rmb"):
        assert any(name in path for path in made.evaluation_sets)
