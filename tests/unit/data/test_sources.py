"""The embedded sources: enough items, and no item of one split in the other."""

import pytest

from megatron_urpo.config import ConfigError, SourceConfig
from megatron_urpo.data.sources import EMBEDDED, load_source, load_sources
from megatron_urpo.judging import question_text
from megatron_urpo.types import TaskKind


def embedded(name, path=None, **options):
    kind = EMBEDDED[path or name][0]
    return SourceConfig(name, kind, f"embedded:{path or name}", options=options)


def prompts(config, split, seed):
    return {question_text(task.messages) for task in load_source(config, split, seed).tasks}


@pytest.mark.parametrize("name", EMBEDDED)
def test_no_prompt_is_in_both_splits(name):
    train = prompts(embedded(name, items=2000), "train", 1)
    # Another seed, and a heavier use of the same generator.
    train |= prompts(embedded(name, items=2000), "train", 2)
    heldout = prompts(embedded(name, items=600), "heldout", 1)
    heldout |= prompts(embedded(name, items=600), "heldout", 3)
    assert len(train) >= 2000
    assert len(heldout) >= 600
    assert not train & heldout


def test_writing_kinds_share_one_split():
    """A brief that is held out for the referee is not trained on as an instruction."""
    train = load_source(embedded("writing_instructions", items=3000, max_extras=0), "train", 1)
    heldout = load_source(embedded("writing_preferences", items=600, max_extras=0), "heldout", 1)
    words = {frozenset(check.argument for check in task.checks) for task in train.tasks}
    for task in heldout.tasks:
        text = question_text(task.messages)
        assert not any(
            all(f" {word}" in text for word in brief) for brief in words if len(brief) > 3
        )


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_default_options_have_enough_items(name):
    assert len(load_source(embedded(name), "heldout", 1).tasks) == 4000


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_same_seed_gives_the_same_items(name):
    config = embedded(name, items=50)
    tasks = load_source(config, "train", 5).tasks
    assert tasks == load_source(config, "train", 5).tasks
    assert tasks != load_source(config, "train", 6).tasks
    fixed = embedded(name, items=50, seed=5)
    assert load_source(fixed, "train", 6).tasks == tasks
    assert len({task.key for task in tasks}) == 50


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (SourceConfig("a", TaskKind.REASONING, "embedded:sums"), "choose one of embedded:writing"),
        (SourceConfig("a", TaskKind.REASONING, "embedded:writing_preferences"), "is of kind 'pref"),
        (embedded("chain_sum", item=3), "options.item: embedded:chain_sum knows only items, max"),
        (embedded("chain_sum", items="3"), "options.items = '3': give a int"),
        (embedded("chain_sum", items=0), "options.items = 0: must be greater than 0"),
        (embedded("chain_sum", max_terms=1), "options.max_terms = 1: at least min_terms = 2"),
        (embedded("chain_sum", min_digits=0), "options.min_digits = 0: at least 1"),
        (
            embedded("chain_sum", max_terms=2, max_digits=1, items=500),
            "options.items = 500: embedded:chain_sum has only about",
        ),
        (embedded("writing_instructions", min_words=1), "options.min_words = 1: 2 to 6"),
        (embedded("writing_instructions", max_words=7), "options.max_words = 7"),
        (embedded("writing_instructions", max_extras=4), "options.max_extras = 4: 0 to 3"),
        (embedded("writing_preferences", num_responses="2;3"), "options.num_responses = '2;3'"),
        (embedded("writing_preferences", num_responses="1,3"), "numbers from 2 to 64"),
        (embedded("writing_preferences", tie_free=1, num_responses="8"), "from 2 to 6"),
        (embedded("writing_preferences", tie_free=2), "options.tie_free = 2: give 0 or 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_impossible_sources_are_refused(config, problem):
    with pytest.raises(ConfigError) as raised:
        load_source(config, "train", 1)
    assert f"source {config.name!r}" in str(raised.value)
    assert problem in str(raised.value)


def test_a_file_takes_no_options(tmp_path):
    config = SourceConfig("a", TaskKind.REASONING, str(tmp_path / "x.jsonl"), options={"items": 3})
    with pytest.raises(ConfigError, match="items are for embedded sources"):
        load_source(config, "train", 1)


def test_unknown_split():
    with pytest.raises(ValueError, match="split = 'test': choose one of 'train', 'heldout'"):
        load_source(embedded("chain_sum"), "test", 1)


def test_load_sources_keeps_the_order():
    configs = [embedded("b", "chain_sum", items=3), embedded("a", "needle_haystack", items=2)]
    loaded = load_sources(configs, "train", 1)
    assert [(source.config.name, len(source.tasks)) for source in loaded] == [("b", 3), ("a", 2)]
    assert [task.source for task in loaded[0].tasks] == ["b"] * 3
