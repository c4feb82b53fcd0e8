"""Scripts: short texts of other languages, and formulas that are in none."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from megatron_urpo.data.preparation.scripts import foreign_script, scripts_of

SHORT = {
    "zh": ["请问白天的天空为什么是蓝色的?", "你好", "求方程 x² + sin x = 1 的解"],
    "ja": ["空はなぜ青いのですか?", "カタカナで書いてください"],
    "ko": ["하늘은 왜 파란가요?"],
    "ar": ["لماذا السماء زرقاء؟", "مرحبا"],
    "fa": ["چرا آسمان آبی است؟"],
    "ru": ["Почему небо голубое днём?", "Привет"],
    "uk": ["Чому небо блакитне?"],
    "el": ["Γιατί ο ουρανός είναι μπλε;", "Γεια σου"],
    "he": ["למה השמיים כחולים?"],
    "hi": ["आसमान नीला क्यों है?"],
    "th": ["ทำไมท้องฟ้าถึงเป็นสีฟ้า"],
    "ka": ["რატომ არის ცა ლურჯი?"],
    "ta": ["வானம் ஏன் நீலமாக இருக்கிறது?"],
    "am": ["ሰማይ ለምን ሰማያዊ ነው?"],
}


@pytest.mark.parametrize("code", SHORT)
def test_a_script_of_other_languages_needs_no_length(code):
    for text in SHORT[code]:
        assert foreign_script(text, scripts_of(["en"]))
        assert foreign_script(text, scripts_of(["fr", "de"]))
        assert foreign_script(text, scripts_of(["en", code])) is None


@pytest.mark.parametrize(
    "text",
    [
        "12 + 30 = ?",
        "😀 ♥ → ∞",
        "α + β = γ",
        "αβγ = 1",
        "Δx → 0",
        "∠ΑΒΓ = ∠ΒΓΔ",
        "In △ΑΒΓ, ∠ΑΒΓ = 30° and ∠ΒΓΔ = 50°. Find ∠ΓΔΕ.",
        "𝛼𝛽 + 𝐱𝐲 ∈ ℝ",
        "ℵ₀ < 2^ℵ₀",
        "Find ∑ μ(n).",
        "ＡＢＣ ①",
        "What does 中国 mean?",
        "Ünïcödé naïve façade",
        "ʼ",
    ],
)
def test_symbols_are_no_other_language(text):
    assert foreign_script(text, scripts_of(["en"])) is None


@given(st.text(st.sampled_from("αβγδπσθλμΔΣΩ0123456789+-=<>()^ ,.xyzABC"), max_size=3))
def test_formulas_of_a_few_letters_are_kept_in_any_language(text):
    assert foreign_script(text, scripts_of(["en"])) is None


@example("\u3260 \u3280 \u33a1")  # a circled Hangul letter, a circled ideograph, square metres
@given(st.text(st.characters(exclude_categories=["L"])))
def test_texts_without_letters_are_kept(text):
    assert foreign_script(text, scripts_of(["en"])) is None


def test_a_language_of_two_scripts_keeps_both():
    serbian, japanese = scripts_of(["sr"]), scripts_of(["ja"])
    assert foreign_script("Зашто је небо плаво?", serbian) is None
    assert foreign_script("Zašto je nebo plavo?", serbian) is None
    assert foreign_script("空はなぜ青いのですか?", serbian) == "Hiragana"
    assert foreign_script("空はなぜ青いのですか?", japanese) is None
    assert foreign_script("これはなんですか", scripts_of(["zh"])) == "Hiragana"
    assert foreign_script("为什么天空是蓝色的", scripts_of(["en"])) == "Han"
