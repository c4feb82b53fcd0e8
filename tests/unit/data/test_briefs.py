"""Writing briefs: what is asked, and sentences that meet as much of it as they are told to."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.data.briefs import draw_brief, render
from megatron_urpo.data.checkers import CHECKERS, argument_problem, demands_met
from megatron_urpo.data.vocabulary import FRAMES, NOUNS, OPENERS, PURPOSES, REQUESTS

briefs = st.builds(
    lambda seed, words, extras: draw_brief(Random(seed), words, extras),
    st.integers(0, 2**32),
    st.integers(2, 6),
    st.integers(0, 3),
)


@given(briefs, st.integers(0, 2**32), st.data())
def test_a_sentence_meets_exactly_what_it_is_told_to(brief, seed, data):
    num_met = data.draw(st.integers(0, len(brief.checks)))
    assert demands_met(brief.checks, render(brief, Random(seed), num_met)) == num_met


@given(briefs)
def test_a_brief_names_its_demands(brief):
    assert all(word in brief.text for word in brief.words)
    assert all(check.name in CHECKERS and argument_problem(check) is None for check in brief.checks)
    assert len(set(brief.checks)) == len(brief.checks)
    assert brief.is_renderable


@given(briefs, st.integers(0, 2**32))
def test_the_number_of_words_does_not_depend_on_quality(brief, seed):
    """With the frame given, good and bad sentences have as many words."""
    lengths = {
        len(render(brief, random, num_met).split())
        for num_met in range(len(brief.checks) + 1)
        for random in [Random(seed)]
    }
    frames = {len(frame.split()) for frame in FRAMES[len(brief.words)]}
    opener = any(check.name == "begins_with" for check in brief.checks)
    assert lengths <= {length + opener for length in frames}


def test_num_met_is_checked():
    brief = draw_brief(Random(1), 3, 1)
    with pytest.raises(ValueError, match="num_met = 5: the brief has 4 demands"):
        render(brief, Random(1), 5)


def test_vocabulary():
    assert len(set(NOUNS)) == len(NOUNS) > 200
    assert len(set(OPENERS)) == len(OPENERS)
    for slots, frames in FRAMES.items():
        assert all(frame.count("{}") == slots for frame in frames)
    # A word of the prompt or frame that is also a noun would be met, or asked for, by accident.
    fixed = " ".join([*REQUESTS, *PURPOSES, *OPENERS, *(f for fs in FRAMES.values() for f in fs)])
    assert not set(fixed.lower().replace(",", " ").replace(".", " ").split()) & set(NOUNS)
