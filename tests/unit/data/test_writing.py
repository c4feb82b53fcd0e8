"""Generated preferences: true qualities, and nothing but the demands gives them away."""

import functools
import re

import numpy as np
import pytest

from megatron_urpo.config import SourceConfig
from megatron_urpo.data.sources import load_source
from megatron_urpo.data.vocabulary import NOUNS, PURPOSES
from megatron_urpo.rewards.ranking import kendall_tau
from megatron_urpo.types import TaskKind


@functools.cache
def preferences(split="heldout", seed=1, **options):
    config = SourceConfig("p", TaskKind.PREFERENCE, "embedded:writing_preferences", options=options)
    return load_source(config, split, seed).tasks


def demands_in(question):
    """What a reader of the prompt would check, found without the generator's own records."""
    for purpose in filter(None, PURPOSES):
        question = question.replace(purpose, "")
    words = [word for word in re.findall(r"[a-z]+", question) if word in NOUNS]
    demands = [
        lambda text, word=word: bool(re.search(rf"\b{word}\b", text, re.I)) for word in words
    ]
    if begin := re.search(r"Begin with ([A-Z]\w+)\.", question):
        demands.append(lambda text: text.lower().startswith(begin[1].lower() + " "))
    if "End with a full stop." in question:
        demands.append(lambda text: text.endswith("."))
    if "End with a question mark." in question:
        demands.append(lambda text: text.endswith("?"))
    if "End with an exclamation mark." in question:
        demands.append(lambda text: text.endswith("!"))
    if "Use only lower-case letters." in question:
        demands.append(str.islower)
    if "Begin with a capital letter." in question:
        demands.append(lambda text: text[0].isupper())
    return demands


def test_truth_is_the_number_of_demands_met():
    for task in preferences(items=300, max_extras=3):
        demands = demands_in(task.messages[0].content)
        counts = [sum(demand(response) for demand in demands) for response in task.responses]
        assert counts == list(task.truth)
        assert len(demands) == len(task.checks)


@pytest.mark.parametrize("tie_free", [0, 1])
def test_numbers_of_responses_and_ties(tie_free):
    tasks = preferences(items=600, tie_free=tie_free, max_words=5, max_extras=2)
    sizes = [len(task.responses) for task in tasks]
    assert set(sizes) == set(range(2, 9))
    assert min(sizes.count(size) for size in range(2, 9)) >= 50
    ties = [len(set(task.truth)) < len(task.truth) for task in tasks]
    assert not any(ties) if tie_free else 0.3 < np.mean(ties) < 0.95
    assert all(len(set(task.truth)) > 1 for task in tasks)


def test_numbers_of_responses_are_an_option():
    sizes = [len(task.responses) for task in preferences(items=400, num_responses="8, 8,8,3")]
    assert set(sizes) == {3, 8}
    assert 0.65 < sizes.count(8) / 400 < 0.85


REFEREES = {
    "constant": lambda responses: [1.0] * len(responses),
    "position": lambda responses: list(range(len(responses))),
    "characters": lambda responses: [len(text) for text in responses],
    "words": lambda responses: [len(text.split()) for text in responses],
    "commas": lambda responses: [text.count(",") for text in responses],
    "capital": lambda responses: [text[0].isupper() for text in responses],
    "full stop": lambda responses: [text.endswith(".") for text in responses],
    "question": lambda responses: [text.endswith("?") for text in responses],
    "article": lambda responses: [text.lower().count("the ") for text in responses],
    "opening": lambda responses: [sum(map(ord, text.split()[0])) for text in responses],
}


@pytest.mark.parametrize("referee", REFEREES)
@pytest.mark.parametrize("tie_free", [0, 1])
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_no_shortcut_ranks_the_responses(referee, tie_free, split):
    tasks = preferences(split, items=1000, tie_free=tie_free, max_words=5, max_extras=2)
    scores = [list(map(float, REFEREES[referee](task.responses))) for task in tasks]
    tau = kendall_tau(scores, [list(task.truth) for task in tasks]).mean()
    assert abs(tau) <= 0.1
