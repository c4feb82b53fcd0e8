"""The preparation file: what is refused, with the key and the remedy."""

import pytest

from megatron_urpo.config import ConfigError
from megatron_urpo.config.load import read_toml
from megatron_urpo.data.preparation.settings import (
    FiltersConfig,
    PreparationConfig,
    RawSourceConfig,
)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"name": ""}, "source name ''"),
        ({"name": "a/b"}, "source name 'a/b'"),
        ({"format": "csv"}, r"sources\[x\]\.format = 'csv': choose one of skywork_or1_math"),
        ({"hub": "a/b"}, "path and hub are both set"),
        ({"max_rows": -1}, r"sources\[x\]\.max_rows = -1"),
        ({"split": "train"}, r"sources\[x\]\.split belongs to a data set on the hub"),
        ({"path": "", "format": "ranked"}, "'ranked' has no data set of its own on the hub"),
        (
            {"path": "", "hub": "downloads/gsm8k"},
            r"sources\[x\]\.hub = 'downloads/gsm8k': there is no such directory; .*\.revision",
        ),
        ({"path": ""}, r"sources\[x\]\.revision is missing: .* of openai/gsm8k"),
    ],
)
def test_sources(values, problem):
    with pytest.raises(ConfigError, match=problem):
        RawSourceConfig(**{"name": "x", "format": "gsm8k", "path": "x.jsonl"} | values)


def test_the_format_knows_its_data_set():
    source = RawSourceConfig("x", "helpsteer3", revision="main")
    assert (source.hub_id, source.hub_config, source.hub_split) == (
        "nvidia/HelpSteer3",
        "preference",
        "train",
    )
    other = RawSourceConfig("x", "helpsteer3", revision="v1", split="validation", hub="me/copy")
    assert (other.hub_id, other.hub_split) == ("me/copy", "validation")


def test_a_local_copy_of_a_repository_needs_no_revision(tmp_path):
    assert RawSourceConfig("x", "helpsteer3", hub=str(tmp_path)).hub_id == str(tmp_path)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"max_prompt_tokens": -1}, "filters.max_prompt_tokens = -1"),
        ({"contamination_words": -1}, "filters.contamination_words = -1"),
        ({"near_duplicate_similarity": 0.3}, "near_duplicate_similarity = 0.3: 0 switches it off"),
        ({"near_duplicate_similarity": 1.1}, "near_duplicate_similarity = 1.1"),
    ],
)
def test_filters(values, problem):
    with pytest.raises(ConfigError, match=problem):
        FiltersConfig(**values)


def test_the_file_as_a_whole():
    source = RawSourceConfig("x", "gsm8k", "x.jsonl")
    with pytest.raises(ConfigError, match="sources is empty"):
        PreparationConfig()
    with pytest.raises(ConfigError, match="names must be unique"):
        PreparationConfig(sources=(source, source))
    with pytest.raises(ConfigError, match="held_out = -1: must not be negative"):
        PreparationConfig(sources=(source,), held_out=-1)
    with pytest.raises(ConfigError, match="rows_per_part = 0"):
        PreparationConfig(sources=(source,), rows_per_part=0)


def test_errors_name_the_file_and_line(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text('[[sources]]\nname = "x"\nformat = "gsm8k"\npth = "x.jsonl"\n')
    with pytest.raises(ConfigError, match=r"p\.toml:4: unknown key 'sources\[0\]\.pth'.*path"):
        read_toml(PreparationConfig, path)
    path.write_text('[[sources]]\nname = "x"\nformat = "gsm8k"\npath = "x.jsonl"\n')
    config = read_toml(PreparationConfig, path, ["--filters.languages", '["en", "de"]'])
    assert config.filters.languages == ("en", "de")
    with pytest.raises(ConfigError, match="--filters.language: unknown key.*filters.languages"):
        read_toml(PreparationConfig, path, ["--filters.language", "en"])
