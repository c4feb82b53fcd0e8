"""The C++ extension against brute-force references in Python."""

import json
import math
import re
import sys
import threading
import time
from collections import defaultdict
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_urpo import _core

SPACE = " \t\n\v\f\r"

# Few distinct values, so that ties are common, and some at the ends of the range.
values = st.sampled_from([-1.0, 0.0, -0.0, 0.5, 1.0, 2.0, 1e308, -1e308, 5e-324, math.inf]) | (
    st.floats(allow_nan=False)
)
group = st.lists(st.tuples(values, values), min_size=2, max_size=12)
numbers = ["1", "2.5", "-3e1", "+.5", "7.", " 8 ", "-0"]
not_numbers = ["", "x", "nan", "inf", "1e999", "0x1", "1_0", "５", "--1", "e5", "1e", ".", "1 2"]
wrappers = [("\\boxed{", "}"), ("\\boxed {", "}"), ("Scores:[", "]"), ("Scores: [", "]"), ("", "")]
wrapped_list = st.builds(
    lambda parts, wrapper: wrapper[0] + ",".join(parts) + wrapper[1],
    st.lists(st.sampled_from(numbers * 3 + not_numbers), max_size=4),
    st.sampled_from(wrappers),
)
judgement_text = st.lists(
    wrapped_list
    | st.sampled_from(["\\boxed{", "}", "{", "Scores:", " ", "[", "]", ",", "\\", *not_numbers]),
    max_size=6,
).map("".join)


def tau_of_all_pairs(scores, truth):
    """The formula of section 3.2.1, sign of a product taken as the product of the signs."""
    n = len(scores)
    total = 0
    for i in range(n):
        for j in range(i + 1, n):
            sign_s = (scores[i] > scores[j]) - (scores[i] < scores[j])
            sign_g = (truth[i] > truth[j]) - (truth[i] < truth[j])
            total += sign_s * sign_g
    return 2 * total / (n * (n - 1))


def last_boxed_reference(text):
    openings = list(re.finditer(r"\\boxed[ \t\n\v\f\r]*\{", text))
    if not openings:
        return None
    begin = openings[-1].end()
    depth, at = 1, begin
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[begin:at]
        at += 1
    return None


def parse_scores_reference(text, count):
    if re.search(r"\\boxed[ \t\n\v\f\r]*\{", text):
        content = last_boxed_reference(text)
    else:
        openings = list(re.finditer(r"Scores:[ \t\n\v\f\r]*\[", text))
        rest = text[openings[-1].end() :] if openings else ""
        content = rest.split("]")[0] if "]" in rest else None
    if content is None:
        return None
    parts = [part.strip(SPACE) for part in content.split(",")]
    number = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
    if len(parts) != count or not all(number.fullmatch(part) for part in parts):
        return None
    scores = [float(part) for part in parts]
    return scores if all(map(math.isfinite, scores)) else None


def offsets_of(lengths):
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


@given(st.lists(group, max_size=6))
def test_tau_of_ragged_groups_equals_all_pairs(groups):
    pairs = np.array([pair for group in groups for pair in group], dtype=float).reshape(-1, 2)
    offsets = offsets_of([len(group) for group in groups])
    tau = _core.kendall_tau(pairs[:, 0], pairs[:, 1], offsets)
    expected = [tau_of_all_pairs(*zip(*group, strict=True)) for group in groups]
    assert tau.dtype == np.float64
    assert tau.tolist() == expected


@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
@given(st.data())
def test_tau_of_rows_equals_all_pairs(lanes, data):
    """Every width of vector, with and without a remainder, unrolled (to 8) and not."""
    n = data.draw(st.integers(2, 12))
    rows = data.draw(st.lists(st.lists(st.tuples(values, values), min_size=n, max_size=n)))
    pairs = np.array(rows, dtype=float).reshape(-1, n, 2)
    tau = _core.kendall_tau_rows(pairs[..., 0], pairs[..., 1], lanes)
    assert tau.dtype == np.float64
    assert tau.tolist() == [tau_of_all_pairs(*zip(*row, strict=True)) for row in rows]


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7, 8, 9, 33, 64, 65])
@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
def test_every_row_of_a_large_batch_is_right(n, lanes):
    rng = np.random.default_rng(n)
    scores, truth = rng.integers(4, size=(2, 203, n)).astype(float)
    product = np.sign(scores[:, :, None] - scores[:, None]) * np.sign(
        truth[:, :, None] - truth[:, None]
    )
    expected = product.sum((1, 2)) / (n * (n - 1))
    assert _core.kendall_tau_rows(scores, truth, lanes).tolist() == expected.tolist()


@pytest.mark.parametrize("n", range(2, 10))
@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
def test_every_row_is_right_at_the_ends_of_the_numbers(n, lanes):
    """Neighbouring subnormals, differences that overflow, both zeros, infinities."""
    rng = np.random.default_rng(n)
    ends = [-math.inf, -1e308, -1e-323, -5e-324, -0.0, 0.0, 5e-324, 1e-323, 1e308, math.inf]
    scores, truth = rng.choice(ends, size=(2, 203, n))
    expected = [tau_of_all_pairs(*row) for row in zip(scores.tolist(), truth.tolist(), strict=True)]
    assert _core.kendall_tau_rows(scores, truth, lanes).tolist() == expected


@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
@pytest.mark.parametrize("row", [0, 7, 8, 18])
def test_nan_is_found_in_any_lane_and_infinities_are_not_mistaken_for_it(row, lanes):
    scores, truth = np.random.default_rng(row).random((2, 19, 5))
    scores[:, 2] = np.inf
    assert np.isfinite(_core.kendall_tau_rows(scores, truth, lanes)).all()
    truth[row, 3] = np.nan
    with pytest.raises(ValueError, match=f"group {row}, item 3: truth is NaN"):
        _core.kendall_tau_rows(scores, truth, lanes)


@pytest.mark.parametrize(
    ("scores", "truth", "message"),
    [
        (np.zeros((2, 3)), np.zeros((2, 4)), "of one shape"),
        (np.zeros(3), np.zeros(3), "of one shape"),
        (np.zeros((2, 1)), np.zeros((2, 1)), r"group 0 has 1 item\(s\)"),
    ],
)
def test_bad_rows_raise(scores, truth, message):
    with pytest.raises(ValueError, match=message):
        _core.kendall_tau_rows(scores, truth)


@pytest.mark.parametrize("n", [63, 64, 65, 66, 127, 128, 129, 1000, 3001])
@pytest.mark.parametrize("distinct", [2, 10, 10**6])
def test_tau_of_large_groups_equals_all_pairs(n, distinct):
    """Both algorithms and their border, with many and few ties."""
    rng = np.random.default_rng((n, distinct))
    scores, truth = rng.integers(distinct, size=(2, n)).astype(float)
    truth += scores * (n % 2)  # correlated in half of the cases
    signs = np.sign(scores[:, None] - scores) * np.sign(truth[:, None] - truth)
    expected = signs.sum() / (n * (n - 1))
    assert _core.kendall_tau(scores, truth, np.array([0, n])).tolist() == [expected]


def test_tau_of_a_hundred_thousand_sorted_and_reversed():
    up = np.arange(100_000.0)
    tau = _core.kendall_tau(
        np.concatenate([up, up]), np.concatenate([up, -up]), np.array([0, 100_000, 200_000])
    )
    assert tau.tolist() == [1.0, -1.0]


@pytest.mark.parametrize(
    ("scores", "truth", "offsets", "message"),
    [
        ([1, 2], [1, 2, 3], [0, 2], "scores has 2 values, truth has 3"),
        ([1, 2], [1, 2], [0, 1, 2], r"group 0 has 1 item\(s\)"),
        ([1, 2], [1, 2], [0, 2, 2], r"group 1 has 0 item\(s\)"),
        ([1, math.nan], [1, 2], [0, 2], "group 0, item 1: score is NaN"),
        ([1, 2, 3, 4], [1, 2, math.nan, 4], [0, 2, 4], "group 1, item 0: truth is NaN"),
        ([1, 2], [1, 2], [0, 3], "offsets must run from 0 to the number of values, 2"),
        ([1, 2], [1, 2], [1, 2], "offsets must run from 0"),
        ([1, 2], [1, 2], [], "offsets must run from 0"),
        ([1, 2], [1, 2], [0, 3, 2], "offsets decrease after group 1"),
        ([[1, 2]], [[1, 2]], [0, 2], "one-dimensional"),
    ],
)
def test_bad_groups_raise(scores, truth, offsets, message):
    with pytest.raises(ValueError, match=message):
        _core.kendall_tau(np.array(scores), np.array(truth), np.array(offsets, dtype=np.int64))


def test_the_gil_is_released():
    """With forced switches off, another thread advances only while the GIL is given up."""
    beats, stop = [0], threading.Event()

    def beat():
        while not stop.is_set():
            beats[0] += 1
            time.sleep(0)

    rng = np.random.default_rng(0)
    scores, truth = rng.random((2, 300_000))
    offsets = np.array([0, len(scores)])
    thread = threading.Thread(target=beat)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    try:
        thread.start()
        before = beats[0]
        _core.kendall_tau(scores, truth, offsets)
        after = beats[0]
    finally:
        stop.set()
        sys.setswitchinterval(interval)
        thread.join()
    assert after > before


@settings(max_examples=1000)
@given(judgement_text, st.integers(1, 4))
def test_parse_scores_equals_the_reference(text, count):
    assert _core.parse_scores(text, count) == parse_scores_reference(text, count)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_written_scores_are_read_back_exactly(scores):
    text = "\\boxed{" + ", ".join(map(repr, scores)) + "}"
    assert _core.parse_scores(text, len(scores)) == scores


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_one_raises(count):
    with pytest.raises(ValueError, match=f"count = {count}"):
        _core.parse_scores("\\boxed{1}", count)


def test_answers_are_judged_without_the_gil_and_in_order():
    golds = [["1/2"], ["2"], ["x+1", "3"], ["\\int x + 0"]]
    responses = ["\\boxed{0.5}", "\\boxed{3}", "#### 3", "\\boxed{\\int x}"]
    expected = [("0.5", 1, []), ("3", 0, []), ("3", 1, []), ("\\int x", 2, ["\\int x + 0"])]
    assert [_core.judge_answer(*pair) for pair in zip(responses, golds, strict=True)] == expected
    for threads in (1, 2, 7):
        assert _core.judge_answers(responses, golds, threads) == expected
    assert _core.judge_answers([], []) == []


@pytest.mark.parametrize(
    ("responses", "golds", "threads", "message"),
    [
        (["a"], [], 1, "1 responses, golds of 0"),
        (["a"], [["b"]], 0, "threads = 0"),
        (["a"], [[]], 1, "no gold"),
        (["a", "b"], [["1"], ["\\boxed{ }"]], 2, "is empty"),
    ],
)
def test_bad_answers_to_judge_raise(responses, golds, threads, message):
    with pytest.raises(ValueError, match=message):
        _core.judge_answers(responses, golds, threads)


@pytest.mark.parametrize(
    "alike",
    [
        ["0.5", "\\frac12", "\\dfrac{1}{2}", "$x = 1/2$", "\\boxed{.50}", "50\\%"],
        ["1,024", "1024.0", "2^{10}", "#### 1024"],
        ["(0.5, 2)", "\\left(\\frac{1}{2}, 2\\right)"],
        ["\\{1, 2\\}", "2, 1", "{2,1}"],
        ["\\sqrt{2} + x", "\\sqrt{2}+x"],
    ],
)
def test_answers_that_say_the_same_have_one_canonical_form(alike):
    assert len(set(map(_core.canonical_answer, alike))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "-1"),
        ("1/2", "2"),
        ("(1, 2)", "(2, 1)"),
        ("[0, 1]", "(0, 1)"),
        ("x", "y"),
        ("11_2", "11"),
    ],
)
def test_other_answers_have_other_canonical_forms(one, other):
    assert _core.canonical_answer(one) != _core.canonical_answer(other)


@given(st.text() | st.text("0123456789.,/%\\{}()[]^_-+=$x frac"))
def test_every_text_has_a_canonical_form(text):
    assert _core.canonical_answer(text) == _core.canonical_answer(text)


@given(st.fractions(max_denominator=10**6))
def test_fractions_have_the_canonical_form_of_their_value(value):
    form = _core.canonical_answer(f"{value.numerator}/{value.denominator}")
    assert (
        _core.canonical_answer(f"\\frac{{{3 * value.numerator}}}{{{3 * value.denominator}}}")
        == form
    )
    assert _core.canonical_answer(f"{value + 1}") != form


def test_canonical_forms_join_only_answers_that_the_judge_finds_equivalent(real_data):
    by_form = defaultdict(set)
    for name in ("math500.jsonl", "math_train_2000.jsonl"):
        for line in (real_data / name).read_text().splitlines():
            if answer := json.loads(line)["answer"]:
                by_form[_core.canonical_answer(answer)].add(answer)
    joined = [answers for answers in by_form.values() if len(answers) > 1]
    assert len(joined) > 20
    for answers in joined:
        for one, other in permutations(answers, 2):
            assert _core.judge_answer(f"\\boxed{{{one}}}", [other])[1] == 1, (one, other)


MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    "fragment",
    [
        "\\boxed{",
        "\\boxed",
        "\\boxed ",
        "{",
        "}",
        "\\",
        "\\boxed{{",
        "Scores:",
        "Scores: [",
        "Scores: ",
    ]
    + ["\\boxed{1,", "\\boxed{0." + "1" * 99],
)
def test_megabytes_of_hostile_text_hold_no_scores(fragment):
    """Quadratic reading would take hours here."""
    text = fragment * (8 * MEGABYTE // len(fragment))
    assert _core.parse_scores(text, 2) is None


def test_megabytes_around_an_answer():
    text = "{" * MEGABYTE + "\\boxed{" + " " * MEGABYTE + "1,2" + " " * MEGABYTE + "}" * MEGABYTE
    assert _core.parse_scores(text, 2) == [1.0, 2.0]
    assert _core.parse_scores("\\boxed{" + "9" * MEGABYTE + "}", 1) is None  # not finite
    assert _core.parse_scores("\\boxed{0." + "0" * MEGABYTE + "}", 1) == [0.0]
