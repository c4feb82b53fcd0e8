"""The hidden checks of answers."""

import pytest

from megatron_urpo.data.checkers import CHECKERS, argument_problem, check_score
from megatron_urpo.types import ChatMessage, Check, InstructionTask

USER = (ChatMessage("user", "Write."),)


@pytest.mark.parametrize(
    ("name", "argument", "answer", "expected"),
    [
        ("contains_word", "cat", "The Cat sat.", True),
        ("contains_word", "cat", "catalogue", False),
        ("contains_word", "cat", "cats", False),
        ("contains_word", "cat", "a cat's tail", False),
        ("contains_word", "cat", "dog,cat;cow", True),
        ("contains_word", "cat", "", False),
        ("begins_with", "Now", "now it rains", True),
        ("begins_with", "Now", '"Now!" she said', True),
        ("begins_with", "Now", "Nowhere", False),
        ("begins_with", "Now", "It is now", False),
        ("ends_with", "?", "Why? \n", True),
        ("ends_with", "?", "Why?!", False),
        ("lower_case", "", "all lower.", True),
        ("lower_case", "", "Not lower.", False),
        ("lower_case", "", " ", False),
        ("capitalized", "", '"Yes," he said', True),
        ("capitalized", "", "yes", False),
        ("capitalized", "", "", False),
        ("max_words", "3", "one two three", True),
        ("max_words", "3", "one two three four", False),
        ("max_words", "3", "...", False),
    ],
)
def test_checkers(name, argument, answer, expected):
    assert CHECKERS[name](answer, argument) is expected


def test_score_is_the_share_of_checks_passed():
    checks = (Check("contains_word", "cat"), Check("contains_word", "cow"), Check("ends_with", "!"))
    task = InstructionTask("s", "k", USER, (*checks, Check("lower_case", "")))
    assert check_score(task, "the cat runs!") == 0.75
    assert check_score(task, "NO") == 0.0
    with pytest.raises(ValueError, match="task 'k' of source 's' has no checks"):
        check_score(InstructionTask("s", "k", USER), "text")


@pytest.mark.parametrize(
    ("name", "argument", "valid"),
    [
        ("contains_word", "cat", True),
        ("contains_word", "two cats", False),
        ("begins_with", "", False),
        ("ends_with", "...", True),
        ("ends_with", " ", False),
        ("lower_case", "", True),
        ("lower_case", "yes", False),
        ("capitalized", "", True),
        ("max_words", "12", True),
        ("max_words", "0", False),
        ("max_words", "²", False),
    ],
)
def test_arguments_are_checked(name, argument, valid):
    assert (argument_problem(Check(name, argument)) is None) == valid
