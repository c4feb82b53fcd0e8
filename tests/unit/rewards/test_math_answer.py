"""The rule verifier: what each step decides, and what hostile answers come to."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.rewards import math_answer
from megatron_urpo.rewards.workers import WorkerPool
from megatron_urpo.types import VerifierStatus

CORRECT, WRONG = VerifierStatus.CORRECT, VerifierStatus.WRONG


@pytest.fixture(scope="module")
def pool():
    pool = WorkerPool(math_answer.WORKER_TARGET, workers=1, timeout_seconds=20.0)
    yield pool
    pool.close()


class NoPool:
    """Stands where no worker may be asked."""

    def submit(self, job):
        raise AssertionError(f"not decided without a worker: {job}")


def boxed(answer):
    return f"Some reasoning with \\boxed{{0}}. So the answer is \\boxed{{{answer}}}."


@pytest.mark.parametrize(
    ("answer", "gold", "status"),
    [
        ("42", "42", CORRECT),
        ("42.", "42", CORRECT),
        ("42.0", "42", CORRECT),
        ("42", "43", WRONG),
        ("-5", "5", WRONG),
        ("- 5", "-5", CORRECT),
        ("\u22125", "-5", CORRECT),
        ("0.5", "\\frac{1}{2}", CORRECT),
        ("\\dfrac{ 1 }{2}", "1/2", CORRECT),
        ("-\\frac12", "-0.5", CORRECT),
        ("2/4", "1/2", CORRECT),
        ("0.333", "1/3", WRONG),
        ("0.1", "0.10000000000000000001", WRONG),  # equal as doubles
        ("1,234,567", "1234567", CORRECT),
        ("1{,}234", "1234", CORRECT),
        ("1\\,234", "1234", CORRECT),
        ("\\$1,234.50", "1234.5", CORRECT),
        ("$7$", "7", CORRECT),
        ("(1, 2)", "\\left(1,2\\right)", CORRECT),
        ("x + 1", "x+1", CORRECT),
        ("\\text{Paris}", "paris", CORRECT),
        ("New  York.", "new york", CORRECT),
        ("listen", "silent", WRONG),
        ("nineteen", "19", WRONG),
        ("2024-05-06", "2024-05-06", CORRECT),
        ("2013", "2024-05-06", WRONG),
        ("12 + 30", "42", WRONG),  # restates the problem
        ("6 \\times 7", "42", WRONG),
        ("(50 - 8)", "42", WRONG),
        ("42", "\\boxed{42}", CORRECT),
        ("42", "so $\\boxed{42}$", CORRECT),
    ],
)
def test_text_and_numbers_are_decided_without_a_worker(answer, gold, status):
    outcome = math_answer.verify(boxed(answer), gold, NoPool())
    assert outcome == math_answer.AnswerOutcome(status, answer)


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
    assert math_answer.verify(boxed(text + "1"), str(Fraction(text)), NoPool()).status is WRONG


@pytest.mark.parametrize(
    ("answer", "gold", "status"),
    [
        ("1+x", "x+1", CORRECT),
        ("x-1", "x+1", WRONG),
        ("2\\sqrt{2}", "\\sqrt{8}", CORRECT),
        ("\\frac{\\sqrt{3}}{3}", "\\frac{1}{\\sqrt{3}}", CORRECT),
        ("x = 5", "5", CORRECT),
        ("50\\%", "0.5", CORRECT),
        ("5 \\text{ cm}", "5", CORRECT),
        ("\\{2, 1\\}", "\\{1, 2\\}", CORRECT),
        ("B", "A", WRONG),
        ("2^{10}", "1024", CORRECT),
        ("\\frac{1}{0}", "1", WRONG),
        ("$$$", "1", WRONG),
        ("__import__('os').abort()", "1", WRONG),
    ],
)
def test_formulas_are_decided_by_the_library(pool, answer, gold, status):
    assert math_answer.verify(boxed(answer), gold, pool).status is status


def test_one_match_among_several_golds_suffices(pool):
    assert math_answer.verify(boxed("7"), ["5", "7"], NoPool()).status is CORRECT
    assert math_answer.verify(boxed("6"), ["5", "7"], NoPool()).status is WRONG
    assert math_answer.verify(boxed("1+x"), ["5", "x+1"], pool).status is CORRECT
    assert math_answer.verify(boxed("7"), ("x+1", "7"), NoPool()).status is CORRECT


@pytest.mark.parametrize(
    ("response", "extracted"),
    [
        ("The answer is 42.", None),
        ("\\boxed{42} or rather \\boxed{42", None),
        ("\\boxed{}", ""),
        ("\\boxed{ }", " "),
        ("", None),
    ],
)
def test_without_a_final_answer_it_is_wrong(response, extracted):
    outcome = math_answer.verify(response, "42", NoPool())
    assert outcome == math_answer.AnswerOutcome(WRONG, extracted)


def test_a_gold_the_library_cannot_read_is_an_error(pool):
    assert math_answer.verify(boxed("x"), "\\frac{", pool).status is VerifierStatus.ERROR


def test_a_power_tower_times_out():
    pool = WorkerPool(math_answer.WORKER_TARGET, workers=1, timeout_seconds=1.0)
    try:
        outcome = math_answer.verify(boxed("9^{9^{9}}"), "7", pool)
    finally:
        pool.close()
    assert outcome == math_answer.AnswerOutcome(VerifierStatus.TIMEOUT, "9^{9^{9}}")


def test_it_needs_no_set_up():
    assert math_answer.verify(boxed("1+x"), "x+1").status is CORRECT


@pytest.mark.parametrize(
    ("gold", "message"), [([], "no gold"), ("  ", "is empty"), (["1", ""], "''")]
)
def test_missing_golds_are_refused(gold, message):
    with pytest.raises(ValueError, match=message):
        math_answer.verify(boxed("1"), gold)


@pytest.mark.parametrize(
    "fragment", ["1,", "1,111", "a ", "~", "\\text{x", " -", "1 ", "1 +", "é'"]
)
def test_megabytes_of_answer_are_read_in_linear_time(fragment):
    """Quadratic reading would take hours here; what is undecided goes to the wall clock."""

    class Accepts:
        def submit(self, job):
            return None

    text = fragment * ((1 << 20) // len(fragment))
    for gold in ("5", "paris", "2024-05-06"):
        verification = math_answer.begin_verification(boxed(text), gold, Accepts())
        assert verification.status in (WRONG, None)
