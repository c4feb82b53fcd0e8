"""The filters of one row: languages on real prompts, and what must not be taken for a language."""

import json

import pytest

from megatron_urpo.config import ConfigError, ModelConfig
from megatron_urpo.data.adapters.table import ADAPTERS
from megatron_urpo.data.preparation.contamination import (
    SHORTEST_AT_ENDS,
    ContaminationIndex,
    question_texts,
)
from megatron_urpo.data.preparation.filters import Languages, Rejected, RowFilters
from megatron_urpo.data.preparation.raw_rows import RawRow
from megatron_urpo.data.preparation.settings import FiltersConfig, RawSourceConfig
from megatron_urpo.data.preparation.words import split_words
from megatron_urpo.data.prompts import load_encoder

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


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("请问白天的天空为什么是蓝色的,而日落的时候天空会变成红色呢?", "Han script"),
        ("空はなぜ青いのですか?", "Hiragana script"),
        ("لماذا السماء زرقاء؟", "Arabic script"),
        ("Почему небо голубое днём?", "Cyrillic script"),
        ("Let $x$ be a real number. Find α + β.", None),
        ("12 + 30 = ?", None),
    ],
)
def test_a_script_needs_no_length(english, text, script):
    assert english.other(text) == script


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


@pytest.fixture(scope="module")
def encoder(model_path):
    return load_encoder(ModelConfig(path=model_path))


def or1(text, truth, ability):
    return {
        "prompt": [{"role": "user", "content": text}],
        "ability": ability,
        "reward_model": {"ground_truth": truth, "style": "rule"},
    }


def as_problems(text):
    """A problem in the form of each data set that has problems, as the data sets word it."""
    request = "Let's think step by step and output the final answer within \\boxed{}."
    tests = '{"assert_case": ["assert f(1) == 2"]}'
    yield "gsm8k", {"question": text, "answer": "#### 1"}
    yield "math", {"problem": text, "answer": "1"}
    yield "skywork_or1_math", or1(text, '["1"]', "math")
    yield "skywork_or1_math", or1(f"{text} {request}", '["1"]', "math")
    yield "skywork_or1_code", or1(text, tests, "code")


def as_prompts(text):
    """A prompt in the form of each data set of preferences, prompts and conversations."""
    ask = [{"role": "user", "content": text}]
    yes, no = ({"role": "assistant", "content": said} for said in ("Yes", "No"))
    scored = [{"response": said, "overall_score": score} for said, score in (("Yes", 1), ("No", 2))]
    ranked = [{"answer": said, "rank": rank} for said, rank in (("Yes", 1), ("No", 2))]
    yield (
        "helpsteer3",
        {"context": ask, "response1": "Yes", "response2": "No", "overall_preference": 1},
    )
    yield "ultrafeedback", {"instruction": text, "completions": scored}
    yield "skywork_preference", {"chosen": [*ask, yes], "rejected": [*ask, no]}
    yield "nectar", {"prompt": f"\n\nHuman: {text} \n\nAssistant: ", "answers": ranked}
    yield (
        "offsetbias",
        {"instruction": text, "output_1": "Yes", "output_2": "No", "label": 1},
    )
    yield "ranked", {"instruction": text, "answers": ranked}
    yield "prompt_collection", {"context_messages": ask}
    yield (
        "prompt_collection",
        {"context_messages": [{"role": "user", "content": f"{text} Please answer in detail."}]},
    )
    if len(split_words(text)) >= SHORTEST_AT_ENDS:
        yield (
            "prompt_collection",
            {"context_messages": [{"role": "user", "content": f"{text}\nBe brief, and kind."}]},
        )
    yield "tulu3_sft", {"messages": [*ask, yes]}


def test_every_adapter_has_rows_here():
    named = {name for forms in (as_problems, as_prompts) for name, _ in forms("a")}
    assert named == set(ADAPTERS)


PROBLEMS = ("gsm8k_test_500", "math500", "aime24", "aime25", "hmmt_feb_2024", "hmmt_feb_2025")
PROMPTS = (
    "alpaca_eval_gpt4_1106_preview",
    "rewardbench_like",
    "rmb_pairwise_sample",
    "rmb_bon_sample",
    "mt_bench_questions",
)


@pytest.mark.parametrize("name", [*PROBLEMS, *PROMPTS, "humaneval_164"])
def test_no_question_of_an_evaluation_set_is_left_in_any_form(name, real_data, encoder):
    index = ContaminationIndex()
    path = real_data / f"{name}.jsonl"
    index.add_file(str(path))
    unlimited = FiltersConfig(max_prompt_tokens=0, max_response_tokens=0)
    filters = RowFilters(unlimited, encoder, index)
    forms = as_prompts if name in PROMPTS else as_problems
    left = []
    for line in path.read_text().splitlines():
        for text in question_texts(json.loads(line), name):
            for format_name, row in forms(text):
                source = RawSourceConfig("s", format_name, "s.jsonl")
                outcome = filters.task(RawRow(1, "s:1", row), source)
                if not isinstance(outcome, Rejected) or outcome.filter != "contaminated":
                    left.append((format_name, text, outcome))
    assert left == []
