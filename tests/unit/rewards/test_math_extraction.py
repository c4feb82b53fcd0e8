"""The rule verifier: what is no answer because of the words and formulas around it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_urpo import _core
from megatron_urpo.rewards import math_answer
from megatron_urpo.types import VerifierStatus
from tests.no_pool import NoPool

CORRECT, WRONG = VerifierStatus.CORRECT, VerifierStatus.WRONG


def assert_neither_counts(response):
    for gold in "56":
        assert math_answer.verify(response, gold, NoPool()).status is WRONG


# A box beside other parts of its formula, and what that comes to; the box alone is no answer.
COMPOSED = [
    ("$x = -\\boxed{5}$", "-5"),
    ("So it is -\\boxed{5}.", "-5"),
    ("$1/\\boxed{5}$", "\\frac15"),
    ("$\\frac{2}{\\boxed{5}}$", "0.4"),
    ("$\\sqrt{\\boxed{5}}$", "\\sqrt5"),
    ("$2\\sqrt{\\boxed{5}}$", "\\sqrt{20}"),
    ("$2^{\\boxed{5}}$", "2^5"),
    ("$(\\boxed{5})^{2x}$", "25^x"),
    ("$\\boxed{5}x$", "5x"),
    ("$\\boxed{5}\\pi$ square units", "5\\pi"),
    ("$2 \\cdot \\boxed{5}\\pi$", "10\\pi"),
    ("$\\boxed{5} \\times 10^{3}$", "5000"),
    ("$\\boxed{5},000$", "5000"),
    ("$\\boxed{5}.5$", "5.5"),
    ("$0.\\boxed{5}$", "0.5"),
    ("$\\boxed{5} + x$", "x + 5"),
    ("$x > \\boxed{5}$", "x > 5"),
    ("$x \\neq \\boxed{5}$", "x \\ne 5"),
    ("$\\boxed{5}:7$", "5:7"),
    ("$\\boxed{5}$ thousand", "5000"),
    ("$\\boxed{5}\\text{ million}$", "5000000"),
]


@pytest.mark.parametrize(("response", "whole"), COMPOSED)
def test_a_box_that_is_part_of_a_formula_gives_the_formula(response, whole):
    assert math_answer.verify(response, whole, NoPool()).status is CORRECT
    assert math_answer.verify(response, "5", NoPool()).status is WRONG


@pytest.mark.parametrize(
    "response",
    [
        "$x = \\boxed{5}$",
        "$\\boxed{5} = 2 + 3$",
        "$2 + 3 = \\boxed{5}, 6 - 1 = 5$",
        "$n \\equiv \\boxed{5} \\pmod 7$",
        "$n \\approx \\boxed{5}$",
        "$\\implies \\boxed{5}$",
        "$\\boxed{5}^\\circ$",
        "$\\boxed{5}\\%$",
        "$\\boxed{5}\\text{ cm}$",
        "$\\text{Answer: }\\boxed{5}$",
        "$\\textbf{\\boxed{5}}$",
        "$\\color{red}{\\boxed{5}}$",
        "$\\left(\\boxed{5}\\right)$",
        "\\boxed{5} (since 2 + 3 = 5)",
        "- \\boxed{5}",
        "1. \\boxed{5}",
        "(a) \\boxed{5}",
        "> \\boxed{5}",
        "| \\boxed{5} |",
        "-> \\boxed{5}",
        "**Answer** - \\boxed{5}",
        "_\\boxed{5}_ *\\boxed{5}*",
        "So there are \\boxed{5}!",
        "<b>\\boxed{5}</b>",
        "He has \\boxed{5} more than Bob, who is \\boxed{5} times as old.",
        "We need at least \\boxed{5} moves.",
        "There are $\\boxed{5}$ boys and 6 girls.",
        "The maximum is \\boxed{5}, with equality if and only if $x = 2$.",
        "\\boxed{5} - as we have seen.",
    ],
)
def test_a_box_that_only_stands_beside_something_is_the_answer(response):
    assert math_answer.verify(response, "5", NoPool()).status is CORRECT


@pytest.mark.parametrize("sign", ["\\ge", "\\le", "\\geq", ">=", "\u2264"])
def test_a_bound_that_is_reached_is_the_least_or_largest_number(sign):
    assert math_answer.verify(f"$n {sign} \\boxed{{5}}$", "5", NoPool()).status is CORRECT
    assert math_answer.verify(f"$n {sign} \\boxed{{5}}$", f"n {sign} 5", NoPool()).status is CORRECT
    assert math_answer.verify(f"$2n {sign} \\boxed{{5}}$", "5", NoPool()).status is WRONG


# What follows a box in its formula, and whether the box is still 5.
CHAINS = [
    ("$\\boxed{5} = 6$", WRONG),
    ("$\\boxed{5} = \\frac{11}{2}$", WRONG),
    ("$\\boxed{5} = 2 + 3 = 6$", WRONG),
    ("$\\boxed{5} \\approx 6$", WRONG),
    ("$\\boxed{5} \\to 6$", WRONG),
    ("$\\boxed{5}$ = 6", WRONG),
    ("$\\boxed{5}, 6$", WRONG),
    ("$\\boxed{5}\\text{ or }6$", WRONG),
    ("$\\boxed{5}\\text{ and }6$", WRONG),
    ("$\\boxed{5}$ and $6$", WRONG),
    ("$\\boxed{5} = \\frac{10}{2} = 5.0$", CORRECT),
    ("$\\boxed{5} = f(2)$", CORRECT),
    ("$x = \\boxed{5} \\Rightarrow x^2 = 25$", CORRECT),
    ("$\\boxed{5}, x \\ne 2$", CORRECT),
]


@pytest.mark.parametrize(("response", "status"), CHAINS)
def test_a_formula_that_goes_on_to_another_value_gives_none(response, status):
    assert math_answer.verify(response, "5", NoPool()).status is status
    assert math_answer.verify(response, "6", NoPool()).status is WRONG


@pytest.mark.parametrize(
    ("response", "gold", "status"),
    [
        ("$\\boxed{2\\sqrt3} \\approx 3.46$", "2\\sqrt3", CORRECT),
        ("$\\boxed{\\frac34} = 75\\%$", "\\frac34", CORRECT),
        ("$\\boxed{\\frac34} = \\frac43$", "\\frac34", WRONG),
        ("$\\boxed{1000} = 1{,}000 = 10^3$", "1000", CORRECT),
        ("$\\boxed{5\\text{ m}} = 500\\text{ cm}$", "5\\text{ m}", CORRECT),
        ("\\boxed{5 \\approx 6}", "5", WRONG),
        ("\\boxed{5 \\approx 6}", "6", WRONG),
        ("\\boxed{2\\sqrt3 \\approx 3.5}", "2\\sqrt3", CORRECT),
        ("\\boxed{5} or 6", "5, 6", CORRECT),
        ("$5 \\cdot \\boxed{6} = 30$", "6", WRONG),
        ("$5 \\cdot \\boxed{6} = 30$", "30", WRONG),
    ],
)
def test_what_rounds_or_repeats_a_box_leaves_it(response, gold, status):
    assert math_answer.verify(response, gold, NoPool()).status is status


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_box_before_an_equals_sign_is_what_follows(value, other):
    status = math_answer.verify(f"$\\boxed{{{value}}} = {other}$", str(value), NoPool()).status
    assert status is (CORRECT if value == other else WRONG)


@given(st.integers(1, 10**6), st.sampled_from(["-", "1/", "3 + ", "\\pi", "7\\cdot ", "\\sqrt"]))
def test_no_number_is_boxed_out_of_its_formula(value, before):
    response = f"So $x = {before}\\boxed{{{value}}}$."
    assert math_answer.verify(response, str(value), NoPool()).status is WRONG or value == 1


@pytest.mark.parametrize(
    "response",
    [
        "\\boxed{6}/\\boxed{5}",
        "\\boxed{6} | \\boxed{5}",
        "\\boxed{6} vs \\boxed{5}",
        "\\boxed{6} (or \\boxed{5})",
        "\\boxed{6}\n\nor\n\n\\boxed{5}",
        "$\\boxed{6} \\lor \\boxed{5}$",
        "\\boxed{6}\n\n\\boxed{5}",
        "\\boxed{6} and also \\boxed{5}",
        "It is \\boxed{6}. Or \\boxed{5}.",
        "It is \\boxed{6}. Alternatively, \\boxed{5}.",
        "It is \\boxed{6}. It could also be \\boxed{5}.",
        "It is \\boxed{6}. If order matters, it is \\boxed{5}.",
        "It is $\\boxed{6}$ (otherwise $\\boxed{5}$).",
        "Another answer than \\boxed{6} is possible: \\boxed{5} could be right.",
    ],
)
def test_of_two_boxes_that_are_offered_neither_counts(response):
    assert_neither_counts(response)


@pytest.mark.parametrize(
    "response",
    [
        "\\boxed{5}, not \\boxed{6}",
        "$\\boxed{5}$ (not $\\boxed{6}$)",
        "\\boxed{5} rather than \\boxed{6}",
        "\\boxed{5} instead of \\boxed{6}, nor \\boxed{7}",
        "\\boxed{6}. Wait, I made a mistake. It is \\boxed{5}.",
        "Step 1 gives \\boxed{6}. Step 2 gives \\boxed{5}.",
        "\\boxed{5.0} or \\boxed{5}",
        "It is not hard to see that it must be \\boxed{5}.",
    ],
)
def test_a_box_that_is_denied_is_passed_over(response):
    assert math_answer.verify(response, "5", NoPool()).status is CORRECT
    assert math_answer.verify(response, "6", NoPool()).status is WRONG


@pytest.mark.parametrize(
    "response",
    [
        "I don't think it's \\boxed{5}.",
        "\\boxed{5} seems wrong.",
        "It cannot be \\boxed{5}.",
        "It isn't equal to \\boxed{5}.",
        "Anything but \\boxed{5}.",
        "The wrong answer is \\boxed{5}.",
        "Some would say \\boxed{5}.",
        "Suppose the answer is \\boxed{5}.",
        "Let $x = \\boxed{5}$.",
        "We reject \\boxed{5}.",
        "All except \\boxed{5}.",
        "Twice \\boxed{5}.",
        "The square root of \\boxed{5}.",
        "More than \\boxed{5}.",
        "Between 4 and \\boxed{5}.",
        "$x \\not= \\boxed{5}$",
        "Is it \\boxed{5}?",
        "\\boxed{5} plus 6.",
        "\\boxed{5} doesn't work.",
        "\\boxed{5} is a common wrong answer.",
        "\\boxed{5} is too small.",
        "~~\\boxed{5}~~ 6",
        "\\boxed{5} \u274c",
        "\u7b54\u6848\u4e0d\u662f\\boxed{5}\u3002",
        "\\boxed{5}\u662f\u9519\u8bef\u7684\u3002",
        "\\boxed{5}\u62166",
    ],
)
def test_a_denied_box_alone_is_no_answer(response):
    assert math_answer.verify(response, "5", NoPool()).status is WRONG


# Behind "5", in a box and in a sentence.
CONDITIONS = [
    " unless x = 2.",
    ", unless x = 2, when it is 6.",
    " if order matters.",
    " provided that x = 2, otherwise 6.",
    " (6 if zero counts).",
    ", and 6 otherwise.",
    " (alternatively, 6).",
    " or, if you prefer, 6.",
    "; however, 6 is the correct answer.",
    ", although 6 could also be right.",
    ", which must be rounded to 6.",
    ", I mean 6.",
    " including zero, 6 without it.",
    " for even n and 6 for odd n.",
    ". If zero is excluded, it is 6.",
]


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("answer", ["The answer is 5", "\\boxed{5}", "So $x = \\boxed{5}$"])
def test_an_answer_on_a_condition_or_beside_a_rival_is_none(answer, condition):
    assert_neither_counts(answer + condition)


# What may follow an answer, and what takes it back or offers another.
HARMLESS = [
    "Hope this helps!",
    "Let me know if you have any questions.",
    "Check: 2 * 5 = 10, as required.",
    "Note that 6 is too large.",
    "No other value works.",
    "However, note that x must be positive.",
    "Alternatively, we could use the quadratic formula.",
    "It is impossible for x to be negative.",
    "A common mistake is to answer 6.",
    "Wait, let me double check: 2 + 3 = 5. Yes, that's right.",
    "Or, equivalently, five.",
    "However, $y$ must be 7 then.",
    "The remainder is 1 when it is divided by 2, 3, or 4.",
    "If anything is unclear, ask!",
    "If n = 7, the sum is 6.",
    "Another solution: count the 3 cases.",
    "1. First we add.",
    "The other solution is extraneous.",
    "The other value is not allowed.",
    "But 7 does not work.",
    "So 7 is not the answer.",
    "Note that $x = 7$ fails the test.",
    "Hence 5.",
    "A is a set.",
    "This is the answer, as we can check: 2 * 5 - 3 = 7.",
]
TURNS = [
    "Wait, no, it's 6.",
    "However, the correct value is 6.",
    "That is wrong.",
    "No.",
    "On second thought, no.",
    "I am wrong.",
    "Or 6.",
    "\n\nAlternatively, 6.",
    "But 6 is also possible.",
    "Maybe 6.",
    "Correction: 6",
    "Scratch that.",
    "It should be 6.",
    "I'm not sure.",
    "Hmm, this can't be right.",
    "However, I realize I made an error.",
    "Wait. Let me redo this. 2 * 3 = 6.",
    "Wait, I forgot one, so it is 6.",
    "Edit: it is 6.",
    "I mean 6.",
    "Let me correct that: 6.",
    "Strike that.",
    "Just kidding!",
    "Not really.",
    "On reflection, it should be 6.",
    "Another possibility is 6.",
    "6 is also correct.",
    "5 is incorrect.",
    "So 5 is not the answer.",
    "However, 5 does not satisfy the equation.",
    "But $5$ is extraneous, so there is no solution.",
    "But this value is extraneous.",
    "This value is not allowed.",
    "On second thoughts, it is 6.",
    "Hold on. 6.",
    "My bad, it's 6.",
    "Apologies, it should be 6.",
    "Recomputing, we get 6.",
    "It may be 6 as well.",
    "The answer could also be 6.",
    "\u66f4\u6b63\uff1a6",
    "\u7b49\u7b49\uff0c\u5e94\u8be5\u662f6\u3002",
]
ANSWERS = ["The answer is 5.", "\\boxed{5}.", "So $x = \\boxed{5}$.\n\n", "**Answer:** 5.\n"]


@pytest.mark.parametrize(
    "response",
    [
        "\\boxed{\\boxed{5}, 6}",
        "\\boxed{6, \\boxed{5}}",
        "\\boxed{6 \\text{ or } \\boxed{5}}",
        "\\boxed{6 \\boxed{5}}",
        "\\boxed{x=\\boxed{5}, x=6}",
        "\\boxed{\\boxed{\\boxed{5}}, 6}",
        "\\boxed{5} 6",
        "\\boxed{5}, 6",
        "$\\boxed{5}$; $6$.",
        "\\boxed{5}\n\n**6**",
        "\\boxed{5}\n\n$$6$$",
        "\\boxed{5} is an upper bound.",
    ],
)
def test_two_values_are_not_one_of_them(response):
    assert_neither_counts(response)


@pytest.mark.parametrize(
    ("response", "gold"),
    [
        ("\\boxed{\\boxed{5}}", "5"),
        ("$\\boxed{x = \\boxed{5}}$", "5"),
        ("\\boxed{\\text{The answer is } \\boxed{5}}", "5"),
        ("\\boxed{-\\boxed{5}}", "-5"),
        ("\\boxed{1, \\boxed{2}, 3}", "1, 2, 3"),
        ("\\boxed{5}\n\n**5**", "5"),
        ("\\boxed{5}\n\n$$5$$", "5"),
        ("\\boxed{0.5}, $\\frac12$", "0.5"),
    ],
)
def test_a_box_in_a_box_is_part_of_it(response, gold):
    assert math_answer.verify(response, gold, NoPool()).status is CORRECT


@given(st.sampled_from(ANSWERS), st.lists(st.sampled_from(HARMLESS), max_size=4))
def test_what_explains_or_closes_leaves_the_answer(answer, words):
    assert math_answer.verify(" ".join([answer, *words]), "5", NoPool()).status is CORRECT


@given(
    st.sampled_from(ANSWERS),
    st.lists(st.sampled_from(HARMLESS[:4]), max_size=2),
    st.sampled_from(TURNS),
)
def test_what_takes_an_answer_back_or_offers_another_leaves_none(answer, words, turn):
    response = " ".join([answer, *words, turn])
    assert_neither_counts(response)


@pytest.mark.parametrize(
    "response",
    [
        "The answer is 5... no, 6.",
        "The answer is 5 (maybe 6).",
        "The answer is 5\nor 6",
        "The answer is 5, which is impossible.",
        "The answer is anything but 5.",
        "The answer is unlikely to be 5.",
        "Nobody says the answer is 5.",
        "Many students think the answer is 5.",
        "Let the answer be 5.",
        "The area would be 5 if x=2.",
        "The answer is 5 hundreds.",
        "The answer is the square of 5.",
        "So the sum is 5 (or perhaps 6).",
        "Twice the answer is 5.",
        "The sum of the answer and 2 is 5.",
        "The answer's square is 5.",
        "The last digit of the answer is 5.",
        "One more than the answer is 5.",
        "The previous answer is 5.",
        "The answer to another question is 5.",
        "Nothing suggests the answer is 5.",
        "The teacher says the answer is 5.",
        "There is no reason that the answer is 5.",
        "The answer is greater than or equal to 5.",
        "The answer is 6; otherwise it's 5.",
        "The answer is 5 != 6.",
        "**Final Answer**\n\n5\n\n6",
        "\u7b54\u6848\uff1a\u8d1f5",
    ],
)
def test_an_announcement_that_takes_itself_back_is_none(response):
    assert_neither_counts(response)


@pytest.mark.parametrize(
    ("response", "gold", "status"),
    [
        ("\\boxed{41}. Wait, that's wrong. So the answer is 42.", "41", WRONG),
        ("\\boxed{42}. So the answer is 42.", "42", CORRECT),
        ("\\boxed{\\frac12}. So the answer is 0.5.", "\\frac12", CORRECT),
        ("\\boxed{C}. So the answer is 42.", "C", CORRECT),
        ("The answer is 0.5. Or 1/2.", "\\frac12", CORRECT),
        ("We think the answer is 42.", "42", CORRECT),
        ("Therefore the total would be $42.", "42", CORRECT),
        ("A: 5 B: 6 C: 7", "A", WRONG),
        ("We add.\nSo B.", "B", CORRECT),
        ("option (C), 5", "C", CORRECT),
        ("The answer is option (C), 5.", "C", CORRECT),
        ("The answer is (C), (D).", "C", WRONG),
        ("\\boxed{\\text{Yes, it is possible}}", "Yes", CORRECT),
        ("Yes, it is possible.", "\\text{Yes}", CORRECT),
        ("Yes, it is possible.", "No", WRONG),
        ("Yes, because 7 is prime.", "Yes", CORRECT),
        ("Yes, because 7 is prime.", "7", WRONG),
        ("Option B is correct.", "B", CORRECT),
        ("Option B is incorrect.", "B", WRONG),
        ("The answer is B: 12.", "B", CORRECT),
        ("The answer is B, with C also correct.", "B", WRONG),
        ("\u56e0\u6b64\u9009 B", "B", CORRECT),
        ("Thus, $r = 3$ and $s = 4$.", "(3, 4)", CORRECT),
        ("Thus, $r = 3$ and $s = 4$.", "3", WRONG),
        ("The answer turns out to be 12.", "12", CORRECT),
        ("Answer \u2192 12", "12", CORRECT),
        ("Hence he earned 12 dollars more than Bob.", "12", CORRECT),
        ("It is 12 more than that of the square, namely 36.", "12", WRONG),
        ("The minimum value is $12$ when $x = 3$.", "12", CORRECT),
        ("The minimum is 12 when x = 3 and 7 otherwise.", "12", WRONG),
        ("The minimum is 12 at $x = 3$.", "12", CORRECT),
        ("$\\boxed{12}$ for even $n$ and $6$ for odd $n$.", "12", WRONG),
        ("The answer is 12 = 3 \u00d7 4.", "12", CORRECT),
        ("The answer is negative 5.", "-5", CORRECT),
        ("The answer is negative 5.", "5", WRONG),
        ("Yes, or maybe no.", "Yes", WRONG),
        ("The answer is No, because 7 is prime.", "No", CORRECT),
        ("<answer>5</answer>\n<answer>5</answer>", "5", CORRECT),
        ("<answer>6</answer>\n<answer>5</answer>", "5", WRONG),
    ],
)
def test_an_answer_beside_other_words(response, gold, status):
    assert math_answer.verify(response, gold, NoPool()).status is status


PREFIXES = (
    "",
    "The answer is x",
    "答案是",
    "## Answer\n",
    r"\boxed{5} 或 ",
    "Ответ: ",
    r"so \boxed{1} ",
)


@settings(deadline=None)
@given(
    st.sampled_from(PREFIXES),
    st.sampled_from("é中я😀€"),
    st.integers(90, 1400),
    st.text("aя中 .,5$\n", max_size=12),
)
def test_no_character_of_a_long_answer_is_cut_in_two(prefix, character, count, end):
    answer = _core.final_answer(prefix + character * count + end)
    assert answer is None or "\ufffd" not in answer
    answer = _core.final_answer(end + character * count + prefix)
    assert answer is None or "\ufffd" not in answer
