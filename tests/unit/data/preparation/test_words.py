"""Words: what is compared, and what is not."""

import pytest

from megatron_urpo.data.preparation.words import split_tokens, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("?! $-$ \\_", []),
        ("What's 17_{b}?", ["what", "s", "17", "b"]),
        ("$\\frac{1}{2}$ of 1,000", ["1", "2", "of", "1", "000"]),
        ("Ｆｕｌｌ ﬁne NAÏVE", ["full", "fine", "naïve"]),
        ("GPT是什么", ["gpt", "是", "什", "么"]),
    ],
)
def test_split_words(text, words):
    assert split_words(text) == words


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("C++ or c_2?", ["c", "+", "+", "or", "c", "_", "2", "?"]),
        ("x\t< 1,000", ["x", "<", "1", ",", "000"]),
        ("\U0001f600\U0001f622", ["\U0001f600", "\U0001f622"]),
        ("GPT是", ["gpt", "是"]),
    ],
)
def test_split_tokens(text, tokens):
    assert split_tokens(text) == tokens
