"""Overrides may stand anywhere on a command line, and argparse sees none of them."""

import argparse
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.config import Config
from megatron_urpo.config.overrides import pairs, parse_arguments, split_overrides


@dataclass
class Section:
    size: int = 1


@dataclass
class Root:
    section: Section = field(default_factory=Section)
    directory: str = ""


def parser():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("model")
    parser.add_argument("config", nargs="?")
    parser.add_argument("--label")
    parser.add_argument("--section", action="store_true")
    return parser


words = st.text("ab.=1", max_size=4).map(lambda text: f"v{text}")
override = st.tuples(st.sampled_from(["run.steps", "a.b.c", "directory"]), words).flatmap(
    lambda pair: st.sampled_from([[f"--{pair[0]}", pair[1]], [f"--{pair[0]}={pair[1]}"]])
)
other = st.sampled_from([["CONFIG"], ["--label", "x.y"], ["--label=x.y"], ["--section"]])


@given(st.lists(st.tuples(st.booleans(), override, other)))
def test_the_two_kinds_are_kept_apart_and_in_order(parts):
    arguments, expected = [], ([], [])
    for is_override, mine, theirs in parts:
        chosen = mine if is_override else theirs
        arguments += chosen
        expected[is_override].extend(chosen)
    assert split_overrides(arguments, Root) == expected
    assert len(list(pairs(expected[True]))) == sum(is_override for is_override, _, _ in parts)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--section.size", "-1e-3", "MODEL", "--label", "x"],
        ["MODEL", "--label", "x", "--section.size", "-1e-3"],
        ["--label", "x", "--section.size", "-1e-3", "MODEL"],
    ],
)
def test_a_value_is_no_positional_argument(arguments):
    parsed, overrides = parse_arguments(parser(), Root, arguments)
    assert (parsed.model, parsed.config, parsed.label) == ("MODEL", None, "x")
    assert overrides == ["--section.size", "-1e-3"]


def test_an_option_of_a_sections_name_stays_one():
    parsed, overrides = parse_arguments(parser(), Root, ["--section", "MODEL"])
    assert parsed.section
    assert overrides == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["MODEL", "--lr", "1e-6"], "did you mean 'training.optimizer.lr' or 'sft.optimizer.lr'"),
        (["MODEL", "--labl=x"], "unrecognized arguments: --labl=x"),
        (["MODEL", "CONFIG", "more"], "unrecognized arguments: more"),
    ],
)
def test_what_is_neither_is_named(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse_arguments(parser(), Config, arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
