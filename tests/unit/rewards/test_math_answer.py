"""The rule verifier: what the engine decides, what the library decides, hostile text."""

import json
from fractions import Fraction

import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.answer_variants import perturbed, rewritten
from megatron_urpo.rewards import math_answer, math_job
from megatron_urpo.rewards.workers import WorkerPool
from megatron_urpo.types import VerifierStatus
from tests.answer_cases import DIFFERENT, SAME
from tests.no_pool import NoPool

CORRECT, WRONG = VerifierStatus.CORRECT, VerifierStatus.WRONG


@pytest.fixture(scope="module")
def pool():
    pool = WorkerPool(math_answer.WORKER_TARGET, workers=1, timeout_seconds=20.0)
    yield pool
    pool.close()


def boxed(answer):
    return f"Some reasoning with \\boxed{{0}}. So the answer is \\boxed{{{answer}}}."


def cases_of(families):
    return [
        pytest.param(answer, gold, id=f"{family}: {answer} / {gold}")
        for family, cases in families.items()
        for answer, gold in cases
    ]


@pytest.mark.parametrize(("answer", "gold"), cases_of(SAME))
def test_the_same_in_another_notation_is_accepted_without_a_worker(answer, gold):
    outcome = math_answer.verify(boxed(answer), gold, NoPool())
    assert outcome == math_answer.AnswerOutcome(CORRECT, answer)


@pytest.mark.parametrize(("answer", "gold"), cases_of(DIFFERENT))
def test_something_else_is_refused(pool, answer, gold):
    assert math_answer.verify(boxed(answer), gold, pool).status is WRONG


@pytest.mark.parametrize(
    ("answer", "gold", "status"),
    [
        ("\\int_0^1 x\\,dx", "\\int_0^1 x\\,dx + 0", CORRECT),
        ("\\int_0^1 x^2\\,dx", "\\int_0^1 x\\,dx", WRONG),
    ],
)
def test_what_the_engine_cannot_read_is_decided_by_the_library(pool, answer, gold, status):
    with pytest.raises(AssertionError, match="not decided"):
        math_answer.verify(boxed(answer), gold, NoPool())
    assert math_answer.verify(boxed(answer), gold, pool).status is status


@pytest.mark.parametrize(
    "answer",
    [
        "\\frac{1}{2}|\\frac{3}{4}",
        "\\frac{1}{2}\\text{,}\\frac{3}{4}",
        "\\frac{5}{6}\\bullet\\frac{3}{4}",
        "-\\#\\frac{3}{4}",
        "\\exists\\frac{3}{4}",
        "\\hat{\\frac{3}{4}}",
        "\\frac{3}{4}\\in",
        "<\\frac{3}{4}",
        "\\text{answer: }\\# \\frac{3}{4}",
        "\\frac{3}{4}\\} + 1 \\{",
        "\\boxed{\\frac{3}{4}} + \\boxed{1}",
        "1 + \\fbox{\\frac{3}{4}}",
        "\\frac{3}{4}\\text{ no}",
    ],
)
def test_the_library_judges_all_of_an_answer_or_nothing(answer):
    golds = ["\\frac{3}{4}"]
    assert math_job.judge({"answer": golds[0], "golds": golds}) == "correct"
    assert math_job.judge({"answer": answer, "golds": golds}) == "wrong"


@given(st.fractions(max_denominator=10**6), st.fractions(max_denominator=10**6))
def test_fractions_are_compared_exactly(answer, gold):
    def written(value):
        return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"

    same = math_answer.verify(boxed(written(answer)), str(answer), NoPool())
    other = math_answer.verify(boxed(written(answer)), str(gold), NoPool())
    assert same.status is CORRECT
    assert other.status is (CORRECT if answer == gold else WRONG)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9))
def test_decimals_are_compared_exactly(value):
    text = f"{value:f}"
    assert math_answer.verify(boxed(text), str(Fraction(text)), NoPool()).status is CORRECT
    assert math_answer.verify(boxed(text + "1"), text, NoPool()).status is WRONG


@given(st.integers(), st.integers(-3, 3))
def test_integers_of_any_size_are_compared_exactly(value, offset):
    big = value**41 + 7
    status = math_answer.verify(boxed(f"{big + offset:,}"), str(big), NoPool()).status
    assert status is (CORRECT if offset == 0 else WRONG)


SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def in_words(number):
    """English for 0 to 10^12 - 1."""
    for size, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand")):
        if number >= size:
            rest = number % size
            tail = f" {'and ' if rest < 100 else ''}{in_words(rest)}" if rest else ""
            return f"{in_words(number // size)} {name}{tail}"
    if number >= 100:
        tail = f" and {in_words(number % 100)}" if number % 100 else ""
        return f"{SMALL[number // 100]} hundred{tail}"
    if number < 20:
        return SMALL[number]
    return TENS[number // 10 - 2] + (f"-{SMALL[number % 10]}" if number % 10 else "")


@given(st.integers(0, 10**12 - 1), st.integers(1, 1000))
def test_numbers_in_words_are_read_whole(number, offset):
    words = f"\\text{{{in_words(number)}}}"
    assert math_answer.verify(boxed(words), str(number), NoPool()).status is CORRECT
    assert math_answer.verify(boxed(words), str(number + offset), NoPool()).status is WRONG
    negative = f"\\text{{negative {in_words(number)}}}"
    assert math_answer.verify(boxed(negative), str(-number), NoPool()).status is CORRECT


@given(st.from_regex(r"[0-9]{0,4}", fullmatch=True), st.from_regex(r"[0-9]{1,5}", fullmatch=True))
def test_a_block_shown_three_times_goes_on(before, block):
    value = Fraction(int(before or "0"), 10 ** len(before)) + Fraction(
        int(block), 10 ** len(before) * (10 ** len(block) - 1)
    )
    for dots in ("...", "\\ldots", "\u2026"):
        shown = f"0.{before}{block * 3}{dots}"
        assert math_answer.verify(boxed(shown), str(value), NoPool()).status is CORRECT
        cut = f"0.{before}{block * 3}"
        cut_is_exact = Fraction(cut) == value
        if not cut_is_exact:
            assert math_answer.verify(boxed(shown), cut, NoPool()).status is WRONG


X, Y = sympy.symbols("x y")
leaves = (
    st.integers(-9, 9).map(sympy.Integer)
    | st.builds(sympy.Rational, st.integers(-9, 9), st.integers(1, 9))
    | st.sampled_from([X, Y, sympy.pi, sympy.I, sympy.sqrt(2), sympy.sqrt(3), sympy.cbrt(2)])
)
expressions = st.recursive(
    leaves,
    lambda inner: (
        st.builds(lambda a, b: a + b, inner, inner)
        | st.builds(lambda a, b: a * b, inner, inner)
        | st.builds(lambda a, n: a**n, inner, st.integers(1, 3))
    ),
    max_leaves=7,
)


def decided(answer, gold):
    """Whether the engine accepts it; a plain number against arithmetic is left out."""
    verification = math_answer.begin_verification(boxed(answer), gold, Accepts())
    return verification.status


class Accepts:
    """A pool that is never waited for."""

    def submit(self, job):
        return None


@settings(max_examples=300)
@given(expressions)
def test_expansion_does_not_change_an_answer(expression):
    """SymPy writes the gold and another form of it."""
    expanded = sympy.expand(expression)
    assume(not expanded.is_Rational)
    assert decided(sympy.latex(expression), sympy.latex(expanded)) is CORRECT
    assert decided(sympy.latex(expanded), sympy.latex(expression)) is CORRECT


@settings(max_examples=300)
@given(expressions, expressions)
def test_different_expressions_are_told_apart(answer, gold):
    difference = sympy.expand(answer - gold)
    assume(difference != 0)
    # Not by the engine's own reasoning: a value of the difference that is not zero.
    value = complex(difference.subs({X: sympy.Rational(17, 13), Y: sympy.Rational(-5, 7)}).evalf())
    assume(abs(value) > 1e-9)
    status = decided(sympy.latex(answer), sympy.latex(gold))
    assert status is WRONG or (status is None and not difference.is_polynomial())


@settings(max_examples=200)
@given(st.lists(st.integers(-20, 20), min_size=2, max_size=5, unique=True), st.randoms())
def test_sets_have_no_order_and_points_have(values, random):
    shuffled = values[:]
    random.shuffle(shuffled)

    def written(items, brackets):
        return brackets[0] + ", ".join(map(str, items)) + brackets[1]

    for brackets in (("", ""), ("\\{", "\\}")):
        assert decided(written(shuffled, brackets), written(values, brackets)) is CORRECT
        assert decided(written([*values, 99], brackets), written(values, brackets)) is WRONG
        assert decided(written(values[1:], brackets), written(values, brackets)) is WRONG
    point = decided(written(shuffled, "()"), written(values, "()"))
    assert point is (CORRECT if shuffled == values else WRONG)
    if shuffled != values:
        assert decided(written(shuffled, ("", "")), written(values, "()")) is WRONG


@settings(max_examples=200)
@given(
    st.tuples(st.integers(-9, 9), st.integers(1, 9), st.integers(-9, 9), st.integers(1, 9)),
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
)
def test_unions_of_intervals_equal_sympys(places, closed):
    a, c = places[0], places[2]
    b, d = a + places[1], c + places[3]
    first = sympy.Interval(a, b, not closed[0], not closed[1])
    second = sympy.Interval(c, d, not closed[2], not closed[3])

    def written(low, high, low_closed, high_closed):
        return f"{'[' if low_closed else '('}{low}, {high}{']' if high_closed else ')'}"

    gold = f"{written(a, b, *closed[:2])} \\cup {written(c, d, *closed[2:])}"
    union = sympy.Union(first, second)
    pieces = union.args if isinstance(union, sympy.Union) else (union,)
    answer = " \\cup ".join(
        written(piece.start, piece.end, not piece.left_open, not piece.right_open)
        if isinstance(piece, sympy.Interval)
        else "\\{" + ", ".join(map(str, piece)) + "\\}"
        for piece in pieces
    )
    assert decided(answer, gold) is CORRECT
    assert decided(gold, answer) is CORRECT
    assert decided(answer + " \\cup (20, 21)", gold) is WRONG


def test_one_match_among_several_golds_suffices(pool):
    assert math_answer.verify(boxed("7"), ["5", "7"], NoPool()).status is CORRECT
    assert math_answer.verify(boxed("6"), ["5", "7"], NoPool()).status is WRONG
    assert math_answer.verify(boxed("1+x"), ["5", "x+1"], NoPool()).status is CORRECT
    assert math_answer.verify(boxed("5, 7"), ["5", "7"], NoPool()).status is WRONG
    assert math_answer.verify(boxed("5 or 7"), ["5", "7"], NoPool()).status is WRONG
    unread = "\\int_0^1 x\\,dx"
    assert math_answer.verify(boxed(unread), [f"{unread} + 0", "7"], pool).status is CORRECT


@pytest.mark.parametrize(
    ("response", "extracted"),
    [
        ("\\boxed{1} then \\boxed{2}", "2"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed {3}", "3"),
        ("\\fbox{3}", "3"),
        ("so $\\boxed 5$, done", "5"),
        ("\\boxed 42. Done.", "42"),
        ("\\boxed{\\boxed{4}}", "4"),
        ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"),
        ("\\boxed{é\ud800}", "é\ud800"),
        ("$\\boxed{1}$ and $\\boxed{2}$", "1, 2"),
        ("\\boxed{1} or \\boxed{2}", "1 or 2"),
        ("\\boxed{5} or 6.", "5 or 6"),
        ("\\boxed{5}, so \\boxed{5}", "5"),
        ("The answer is 42.", "42"),
        ("Final Answer: The final answer is $42$. I hope it is correct.", "$42$"),
        ("**Answer:** (B)", "(B)"),
        ("The correct answer is **B**.", "B"),
        ("Therefore the answer is: \\[ \\frac{3}{4} \\]", "\\frac{3}{4}"),
        ("The answer is 3.5, since 7/2 is.", "3.5"),
        ("The answer is 41. No, the answer is 42.", "42"),
        ("48/2 = 24\n#### 1,234", "1,234"),
        ("Final answer: the largest n is 34.", "34"),
        ("We add.\nTherefore, the chance is 2/3. I hope it is correct.", "2/3"),
        ("We add.\nWe find that $x < 3$.", "x < 3"),
        ("Answer\n\\[\n9\n\\]", "9"),
        ("We add.\n\n**Final Answer**\n\n42", "42"),
        ("We add.\n## Answer:\n42\n", "42"),
        ("The correct option is (C).", "(C)"),
        ("Hence the correct choice is C, since the others are odd.", "C"),
        ("<think>It may be \\boxed{41}.</think> It is \\boxed{42}.", "42"),
        ("<think>It is \\boxed{42}.</think>\n", "42"),
        ("<think>41</think><answer>42</answer>", "42"),
        ("<answer>\n\\boxed{42}\n</answer>", "42"),
        ("We find \\boxed{41}. <answer>The answer is 42.</answer>", "42"),
        ("<answer>41</answer> No: <answer>42</answer>", "42"),
        ("<answer>41</answer> or rather \\boxed{42}", "42"),
        ("\\frac{1}{2}", "\\frac{1}{2}"),
    ],
)
def test_the_final_answer_is_found(response, extracted):
    verification = math_answer.begin_verification(response, "77", Accepts())
    assert verification.extracted == extracted


@pytest.mark.parametrize(
    "response",
    [
        "",
        "\\boxed{42} or rather \\boxed{42",
        "The answer is 42, that is \\boxed{42",
        "\\boxed{}",
        "\\boxed{ }",
        "The answer is not 42.",
        "The answer isn't 42.",
        "The answer is not $\\boxed{42}$.",
        "\\boxed{42} is wrong.",
        "Is the answer 42?",
        "We find 41 first.\nThen 42 appears.",
        "It is not $42$.",
        "We try $41$ and $42$.",
        "We try $42$, then 43.",
        "The answer is 42 or 43.",
        "The answer is either 42 or 43.",
        "\\boxed{42} or \\boxed{43}",
        "<answer>42</answer> or <answer>43</answer>",
        "<answer>43</answer>, <answer>42</answer>",
        "<answer>42 or 43</answer>",
        "<answer></answer> 41",
        "<think>It is \\boxed{42}.</think> I do not know.",
        "The correct answer\n42 or 43",
        "\\boxed{43}, \\boxed{42}",
        "\\boxed{43}, or it may be \\boxed{42}",
        "\\boxed{42} or 43",
        "\\boxed{42, 43, 44}",
        "\\boxed{42 \\text{ or maybe not}}",
    ],
)
def test_no_credit_without_one_final_answer(response):
    assert math_answer.verify(response, "42", NoPool()).status is WRONG


# A sentence, and what it gives: the one number or letter in it, or nothing.
SENTENCES = [
    ("Thus Mia packs 18 boxes before the three trucks leave.", "18", CORRECT),
    ("Final answer: the farm sold 1,250 eggs in June.", "1250", CORRECT),
    ("Hence the price falls by 15%.", "15\\%", CORRECT),
    ("So the lowest reading was -4 degrees.", "-4", CORRECT),
    ("So the lowest reading was -4 degrees.", "4", WRONG),
    ("Therefore 7 birds join the 11 that are there.", "7", WRONG),
    ("Therefore there are 12 thousand seeds.", "12", WRONG),
    ("Therefore half of 12 seeds are left.", "12", WRONG),
    ("So I guess that 12 seeds are left.", "12", WRONG),
    ("Hence at least 12 seeds are left.", "12", WRONG),
    ("Hence it isn't 12 seeds.", "12", WRONG),
    ("So she came 12th.", "12", WRONG),
    ("So row x12 is full.", "12", WRONG),
    ("Hence step 12 explains the others.", "12", WRONG),
    ("So there are 12 steps.", "12", CORRECT),
    ("Therefore twelve of the 5 x 4 seeds are left.", "5", WRONG),
    ("The answer is C, since the others are odd.", "C", CORRECT),
    ("The answer is C, since the others are odd.", "B", WRONG),
    ("The answer is C, D.", "C", WRONG),
    ("The answer is C, or maybe D.", "C", WRONG),
    # Reasons, conditions, remarks and restatements.
    ("So the slope is $4$, because the other slope is $-3$.", "4", CORRECT),
    ("So the slope is $4$, because the other slope is $-3$.", "-3", WRONG),
    ("Thus we need 20 seats, as each of the 5 rows has 4.", "20", CORRECT),
    ("Thus we need 20 seats, as each of the 5 rows has 4.", "4", WRONG),
    ("So there are $9$ pens, unless one is lost, in which case there are $8$.", "9", WRONG),
    ("So there are $9$ pens, unless one is lost, in which case there are $8$.", "8", WRONG),
    ("The only root is $x=4$, as $x=-4$ is extraneous.", "4", CORRECT),
    ("The answer is $18$ (twice $9$).", "18", CORRECT),
    ("The answer is $18$ (twice $9$).", "9", WRONG),
    ("The answer is 18 (or 19).", "18", WRONG),
    ("The answer is $5$ times $8$, i.e. $40$.", "40", CORRECT),
    ("The answer is $5$ times $8$, i.e. $40$.", "5", WRONG),
    ("A pen costs $1.25, i.e. **125 cents**.", "1.25", CORRECT),
    ("So the chance is $\\frac14$, or equivalently $0.25$.", "\\frac14", CORRECT),
    ("The answer is not 10, it's 12.", "12", CORRECT),
    ("The answer is not 10, it's 12.", "10", WRONG),
    ("the number is not 10 which is 2,000.99\u20ac", "2000.99", CORRECT),
    ("The sum is 4. No wait, it is 5.", "5", CORRECT),
    ("The sum is 4. No wait, it is 5.", "4", WRONG),
    # What is no statement.
    ("Hence the answer exceeds $12$.", "12", WRONG),
    ("Hence the answer is a multiple of $12$.", "12", WRONG),
    ("So the answer has 12 digits.", "12", WRONG),
    ("The answer could be 12. It may also be 13.", "13", WRONG),
    ("That gives 12, which is wrong.", "12", WRONG),
    ("This contradicts x = 12.", "12", WRONG),
    ("**12** is too large.", "12", WRONG),
    ("It's A, B, C or **D**.", "D", WRONG),
    ("So the total is just under 12.", "12", WRONG),
    ("If the answer is $12$, the sum is odd.", "12", WRONG),
    ("Is the answer $12$?", "12", WRONG),
    ("A common wrong answer is $12$.", "12", WRONG),
    ("Suppose that the answer is 12.", "12", WRONG),
    ("We add.\nSo it could be 12.", "12", WRONG),
    ("We add.\nLet x = 12.", "12", WRONG),
    ("We add.\nThen x + 3 = 12.", "12", WRONG),
    ("We add.\nThere are 5 cats and there are 12 dogs.", "12", WRONG),
    ("We add.\nHe has **12** pens. That is wrong.", "12", WRONG),
    # Last sentences that announce nothing.
    ("We add.\n12 + 30 + 5 = 47 hens.", "47", CORRECT),
    ("We add.\nSo Ada earns **$18** a day. Hope this helps!", "18", CORRECT),
    ("We add.\nIt began with **35** pens.", "35", CORRECT),
    ("We add.\nThe fastest is **Ada**.", "\\text{Ada}", CORRECT),
    ("We add.\nThe fastest is not **Ada**.", "\\text{Ada}", WRONG),
    ("We add.\nI think it is option E.", "E", CORRECT),
    ("We add.\n**36** is the correct answer.", "36", CORRECT),
    ("We add.\nResult: 36", "36", CORRECT),
    ("We add.\nThe solution is x = 36. $\\blacksquare$", "36", CORRECT),
    ("We add.\nAnswer: `36`", "36", CORRECT),
    ("We add.\nFinal answer: <b>36</b>", "36", CORRECT),
    ("We add.\n\\[\\therefore\\; x = 36\\]", "36", CORRECT),
    ("We add.\nHence the equation has no solution.", "\\text{no solution}", CORRECT),
    ("We add.\nIf she sells 9 at $2 each, she makes 9 * 2 = $18 a day.", "18", CORRECT),
    ("We add.\nIf x = 3, then y = 12.", "12", WRONG),
    ("We add.\nSo each of them pays 60/1.5=40 more than before.", "40", CORRECT),
    ("We add.\nHe drops 3 when he trips, leaving him with 7-3 = 4 balls.", "4", CORRECT),
    ("We add.\nHe drops 3 when he trips, leaving him with 7-3 = 4 balls.", "3", WRONG),
    ("We have $2x=8$ which implies $x=4$.", "4", CORRECT),
    ("We add.\nSo 3y = 12.", "12", WRONG),
    ("We add.\nShe paid 3*4=$<<3*4=12>>12 in all.", "12", CORRECT),
    ("We add.\nHe has 3 pens for a total of $36 so 36/3 = $12", "12", CORRECT),
    ("We add.\nHe has 3 pens for a total of $36 so 36/3 = $12", "3", WRONG),
    ("So he leaves 7 + 5 = 12 minutes early to get to school 5 minutes sooner.", "5", WRONG),
    ("We add.\nHalf of 24 is 12.", "12", CORRECT),
    ("We add.\nHalf of 24 is 12.", "24", WRONG),
    ("We add.\nIt is half of 12.", "12", WRONG),
    ("We add.\nI'm not sure it's 12.", "12", WRONG),
    ("12 (maybe)", "12", WRONG),
    ("We add.\nSo 12 = 13.", "13", WRONG),
    ("So $V = Bh = 30(6.5) = 195$.", "195", CORRECT),
    ("\\begin{align*}\nx &= 3 + 9 \\\\\n&= 12.\n\\end{align*}", "12", CORRECT),
    ("\\begin{align*}\nx &= 3 \\\\\n&\\approx 12\n\\end{align*}", "12", WRONG),
    ("There are as many as 12.", "12", WRONG),
    ("There are up to 12.", "12", WRONG),
    ("The value is different from 12.", "12", WRONG),
    ("We add.\n12; 13; 14", "14", WRONG),
    ("A: 12. B: 13. C: 14.", "14", WRONG),
    # Units of a sentence.
    ("We add.\nThe side is 25 cm.", "25\\text{ m}", WRONG),
    ("We add.\nShe pays 600 cents.", "\\$6", CORRECT),
    ("We add.\nShe pays 6 cents.", "\\$6", WRONG),
    # Other languages.
    ("\u56e0\u6b64\uff0c\u4e00\u5171\u6709 3 + 4 + 6 = 13 \u53ea\u9e1f\u3002", "13", CORRECT),
    ("\u56e0\u6b64\uff0c\u81f3\u5c11\u670913\u53ea\u9e1f\u3002", "13", WRONG),
    ("\u6240\u4ee5\u7b54\u6848\u662f13\u3002", "13", CORRECT),
    ("\u7b54\u6848\u4e0d\u662f13\u3002", "13", WRONG),
    ("\u3010\u7b54\u6848\u30113\uff0e\uff15", "3.5", CORRECT),
    ("\u6545\u9009\uff1aA\uff0e", "A", CORRECT),
    ("La respuesta es 36.", "36", CORRECT),
    ("La respuesta no es 36.", "36", WRONG),
    ("Die Antwort ist 36.", "36", CORRECT),
    ("Die Antwort ist nicht 36.", "36", WRONG),
    ("\u041e\u0442\u0432\u0435\u0442: 36", "36", CORRECT),
    ("\u7b54\u3048\u306f 36 \u3067\u3059\u3002", "36", CORRECT),
    ("\uc815\ub2f5: 36", "36", CORRECT),
]


@pytest.mark.parametrize(("response", "gold", "status"), SENTENCES)
def test_a_sentence_gives_what_it_holds_one_of(response, gold, status):
    assert math_answer.verify(response, gold, NoPool()).status is status


@pytest.mark.parametrize(
    ("response", "gold", "status"),
    [
        ("They need $\\boxed{6}$ minutes.", "6\\text{ hours}", WRONG),
        ("They need $\\boxed{6}$ hours.", "6\\text{ hours}", CORRECT),
        ("It is $\\boxed{0.06}$ meters long.", "6\\text{ cm}", CORRECT),
        ("It costs $\\boxed{600}$ cents.", "\\$6", CORRECT),
        ("It costs $\\boxed{6}$ cents.", "\\$6", WRONG),
        ("It costs \\$$\\boxed{6}$.", "6\\text{ cents}", WRONG),
        ("\\[\\boxed{36}\\] square feet", "36\\text{ ft}^2", CORRECT),
        ("\\[\\boxed{36}\\] feet", "36\\text{ ft}^2", WRONG),
        ("$\\boxed{18}$ km/h", "5\\text{ m/s}", CORRECT),
        ("$\\boxed{20}$ out of 50", "20\\%", WRONG),
        ("$\\boxed{6}$ in total", "6\\text{ cm}", CORRECT),
        ("$\\boxed{6}$ apples", "6\\text{ cm}", CORRECT),
        ("$\\boxed{6}$ minutes", "6", CORRECT),
        ("$\\boxed{6\\text{ cm}}$ in 5 minutes", "6\\text{ cm}", CORRECT),
    ],
)
def test_the_unit_beside_a_box_counts_if_the_gold_has_one(response, gold, status):
    assert math_answer.verify(response, gold, NoPool()).status is status


def test_a_box_is_no_sentence():
    answer = boxed("there are 18 boxes")
    assert math_answer.verify(answer, "18", NoPool()).status is WRONG


@pytest.mark.parametrize(
    "gold", ["D Dorothea", "She works it out.\n#### D", "The answer is (D) Dora"]
)
def test_golds_that_say_more_than_their_letter(gold):
    for letter in "DC":
        status = math_answer.verify(boxed(letter), gold, NoPool()).status
        assert status is (CORRECT if letter == "D" else WRONG)


def test_joined_boxes_are_the_set_that_the_gold_is():
    for response in ("\\boxed{1} and \\boxed{2}", "$\\boxed{2}$, $\\boxed{1}$"):
        assert math_answer.verify(response, "1, 2", NoPool()).status is CORRECT
        assert math_answer.verify(response, "2", NoPool()).status is WRONG
    loose = "There are \\boxed{1} cow and \\boxed{2} pigs."
    assert math_answer.verify(loose, "1, 2", NoPool()).status is CORRECT
    assert math_answer.verify(loose, "2", NoPool()).status is CORRECT
    assert math_answer.verify(loose, "1", NoPool()).status is WRONG
    apart = "\\boxed{1} cow. And \\boxed{2} pigs."
    assert math_answer.verify(apart, "1, 2", NoPool()).status is WRONG


def test_many_responses_are_judged_like_one_by_one():
    responses = [boxed("1/2"), boxed("2"), "no answer\n", boxed("0.5"), boxed("\\int x\\,dx")]
    golds = ["\\frac12", "\\int x\\,dx + 0"]
    pool = Accepts()
    many = math_answer.begin_verifications(responses, golds, pool)
    one_by_one = [math_answer.begin_verification(each, golds, pool) for each in responses]
    assert many == one_by_one
    assert [each.status for each in many] == [CORRECT, WRONG, WRONG, CORRECT, None]


def test_a_gold_the_library_cannot_read_is_an_error(pool):
    assert math_answer.verify(boxed("5"), "\\frac{", pool).status is VerifierStatus.ERROR


@pytest.mark.parametrize(
    ("answer", "gold", "status"),
    [
        ("9^{9^{9}} - 1", "x + 1", WRONG),
        ("(x+1)^{10000} - x", "x^2 + 1", WRONG),
        ("5", "9^{9^{9}} - 1", VerifierStatus.TIMEOUT),
    ],
)
def test_a_computation_without_end_is_the_answer_s_fault_or_the_gold_s(answer, gold, status):
    pool = WorkerPool(math_answer.WORKER_TARGET, workers=1, timeout_seconds=3.0)
    try:
        outcome = math_answer.verify(boxed(answer), gold, pool)
    finally:
        pool.close()
    assert outcome == math_answer.AnswerOutcome(status, answer)


def test_it_needs_no_set_up():
    assert math_answer.verify(boxed("\\int x\\,dx"), "\\int x\\,dx + 0").status is CORRECT


@pytest.mark.parametrize(
    ("gold", "message"), [([], "no gold"), ("  ", "is empty"), (["1", ""], "''")]
)
def test_missing_golds_are_refused(gold, message):
    with pytest.raises(ValueError, match=message):
        math_answer.verify(boxed("1"), gold)


GOLDS = ("5", "paris", "2024-05-06", "x^2+1", "\\{1, 2\\}", "\\frac{1}{2}", "(B)", "[0, 1)")
MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    "fragment",
    ["1,", "1,111", "a ", "~", "\\text{x", " -", "1 ", "1 +", "é'", "9", "\\boxed{1}", "{", "}"]
    + [
        "\\frac{1}{",
        "\\left(",
        "(",
        "x^",
        "9^{",
        "!",
        "|",
        "\\\\",
        "1 or ",
        "answer is ",
        "\u00b2",
    ],
)
def test_megabytes_of_hostile_answer_are_refused_in_linear_time(fragment):
    """Quadratic reading would take hours here."""
    text = fragment * (MEGABYTE // len(fragment))
    for gold in GOLDS:
        for response in (boxed(text), text):
            verification = math_answer.begin_verification(response, gold, Accepts())
            assert verification.status in (WRONG, None)


@pytest.mark.parametrize(
    "answer",
    [
        "9^{9^{9^{9}}}",
        "2^{10^{9}}",
        "((((((((((x+y+1)^{60})^{60})^{60})^{60})^{60})^{60})^{60})^{60})^{60})^{60}",
        "(a+b+c+d+e+f+g+h)^{64}",
        "\\frac{1}{" * 5000 + "2" + "}" * 5000,
        "(" * 9000 + "5" + ")" * 9000,
        "\\sqrt{" * 3000 + "5" + "}" * 3000,
        "-" * 15000 + "5",
        "1" * 19000 + "^{" + "1" * 900 + "}",
        "99999!" + "!" * 50,
        "\\binom{999999999}{500000000}",
        "e^{e^{e^{e^{9}}}}",
        "\\sin(10^{400})",
        "1" + "/3" * 5000,
        "x" + "+x" * 5000,
        ",".join(map(str, range(3000))),
        "\\{" + ",".join(f"\\sqrt{{{n}}}" for n in range(400)) + "\\}",
        "\\cup".join(f"({n},{n + 1})" for n in range(900)),
        "\\begin{pmatrix}" + "1&" * 4000,
        "\\text{" * 4000 + "}" * 4000,
        "x'" + "'" * 15000,
        "\\pm" * 5000 + "1",
        "1\\pm 1" * 2000,
        "|" * 5000,
        "0." + "0" * 15000 + "1",
        "1e9999",
        "\\log_{1} 1",
        "\\frac{0}{0}",
        "0^0",
        "0^{-1}",
        "\\left.\\right.",
        "\x01\x02\x00",
    ],
)
def test_hostile_answers_are_bounded_and_never_right(answer):
    for gold in GOLDS:
        verification = math_answer.begin_verification(boxed(answer), gold, Accepts())
        assert verification.status in (WRONG, None)


@settings(max_examples=500)
@given(
    st.text(alphabet="0123456789abxyei+-*/^_(){}[]\\,;.=<>|!%$&~ \u2212\u00b2\u00bd"),
    st.sampled_from(GOLDS),
)
def test_any_text_is_judged(text, gold):
    for response in (boxed(text), text):
        verification = math_answer.begin_verification(response, gold, Accepts())
        assert verification.status in (CORRECT, WRONG, None)


def golds_of(directory):
    """Golds of public sets, once each, with what tells them apart in a failure."""
    fields = {
        "math500": "answer",
        "math_train_2000": "answer",
        "hmmt_feb_2024": "expected_answer",
        "hmmt_feb_2025": "expected_answer",
        "hmmt_other_2024_2025": "expected_answer",
    }
    golds = {}
    for name, field in fields.items():
        for line in (directory / f"{name}.jsonl").read_text().splitlines():
            golds.setdefault(str(json.loads(line)[field]).strip(), name)
    for name in ("gsm8k_test_500", "gsm8k_train_1000"):
        for line in (directory / f"{name}.jsonl").read_text().splitlines():
            golds.setdefault(json.loads(line)["answer"].split("####")[1].strip(), name)
    return golds


def test_golds_of_public_sets_equal_themselves(real_data):
    golds = golds_of(real_data)
    assert len(golds) > 1300
    for gold in golds:
        assert math_answer.verify(boxed(gold), gold, NoPool()).status is CORRECT, gold


def test_golds_of_public_sets_survive_other_notation(real_data):
    failed = [
        (gold, variant)
        for gold in golds_of(real_data)
        for variant in rewritten(gold)
        if decided(variant, gold) is not CORRECT
    ]
    assert failed == []


def test_no_neighbour_of_a_gold_is_accepted(real_data):
    accepted = [
        (gold, variant)
        for gold in golds_of(real_data)
        if "approx" not in gold  # says two values of its own
        for variant in perturbed(gold)
        if decided(variant, gold) is CORRECT
    ]
    assert accepted == []
