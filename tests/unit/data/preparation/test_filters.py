"""The filters of one row: languages on real prompts, and what must not be taken for a language."""

import json

import pytest

from megatron_urpo.config import ConfigError
from megatron_urpo.data.preparation.filters import Languages

CHINESE = (
    "为什么白天的天空是蓝色的,而日落的时候天空会变成红色?"
    "请用简单的语言解释一下这个现象的原因,谢谢你。"
)


@pytest.fixture(scope="module")
def english():
    return Languages(("en",))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Why is the sky blue during the day and red when the sun goes down?", None),
        ("Pourquoi le ciel est-il bleu pendant la journée et rouge le soir ?", "fr"),
        (CHINESE, "zh"),
        ("Warum ist der Himmel am Tag blau und bei Sonnenuntergang rot? Erkläre es kurz.", "de"),
        # Too little to tell.
        ("Bonjour", None),
        ("$x^2 + y^2 = z^2$, $\\alpha = \\frac{1}{2}$", None),
        ("```python\ndef quicksort(liste):\n    return sorted(liste)\n```", None),
    ],
)
def test_languages(english, text, language):
    assert english.other(text) == language


def test_several_languages_may_be_kept():
    kept = Languages(("en", "fr"))
    assert kept.other("Pourquoi le ciel est-il bleu pendant la journée et rouge le soir ?") is None
    assert kept.other("Warum ist der Himmel am Tag blau und bei Sonnenuntergang rot? Kurz.") == "de"


def test_unknown_codes_are_an_error():
    with pytest.raises(ConfigError, match="filters.languages: english not known"):
        Languages(("en", "english"))


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("math500.jsonl", "problem"),
        ("gsm8k_train_1000.jsonl", "question"),
        ("math_train_2000.jsonl", "problem"),
        ("alpaca_eval_gpt4_1106_preview.jsonl", "instruction"),
    ],
)
def test_real_english_is_kept(english, real_data, name, field):
    """One in 200 at most is taken for another language: names, quotations, code."""
    texts = [json.loads(line)[field] for line in (real_data / name).read_text().splitlines()]
    lost = [text for text in texts if english.other(text)]
    assert len(lost) <= len(texts) / 200, lost
