"""The encodings of tests, in rows of their own schemas, and what bad ones are answered with."""

import json

import pytest

from megatron_urpo.code_tests.encodings import CodeTestsError, parse_code_tests
from megatron_urpo.code_tests.records import (
    AssertTests,
    CallCase,
    CallTests,
    CheckTests,
    StdioCase,
    StdioTests,
)

CHECK = "def check(candidate):\n    assert candidate(nums = [3, 1]) == 4\n"


def test_programs():
    cases = StdioTests((StdioCase("1 2\n", "3\n"), StdioCase("x\ny", "z")))
    encoded = {"inputs": ["1 2\n", ["x", "y"]], "outputs": ["3\n", "z"]}
    assert parse_code_tests(encoded) == cases
    assert parse_code_tests(json.dumps(encoded)) == cases
    pairs = [{"input": "1 2\n", "output": "3\n"}, {"input": "x\ny", "output": "z"}]
    assert parse_code_tests(pairs) == cases


def test_functions_with_lists_of_arguments():
    """As in APPS: the result may stand in a list of its own, or may be that list."""
    tests = parse_code_tests(
        {"fn_name": "f", "inputs": [[1, "a"], [[2]], []], "outputs": [[5], [1, 2], None]}
    )
    assert tests == CallTests(
        "f",
        (
            CallCase('[1, "a"]', ("[5]", "5")),
            CallCase("[[2]]", ("[1, 2]",)),
            CallCase("[]", ("null",)),
        ),
    )


def test_functions_with_lines_of_arguments():
    """As in LiveCodeBench: one JSON value a line."""
    tests = parse_code_tests({"fn_name": "f", "inputs": ['[1, 2]\n"a"\n'], "outputs": ["[5]"]})
    assert tests == CallTests("f", (CallCase('[[1, 2], "a"]', ("[5]",)),))


@pytest.mark.parametrize(
    ("statements", "names"),
    [
        (["assert f(1) == 2"], ("f",)),
        (["assert f(1) == 2", "assert g(1) == 2", "assert h"], ("f", "g", "h")),
        (["assert f([Pair(1, 2)], 3) == f(f(4), 5)"], ("Pair", "f")),
        (["x = [1]\nassert f(*x) == sorted(x)"], ("f",)),
        (["assert [f(x) for x in range(3)] == [0]"], ("f",)),
        (["assert isclose(area(2), math.pi)"], ("area",)),
        # Names of the standard library are the answer's where nothing else is.
        (["assert gcd(4, 6) == 2", "assert gcd(4, 5) == 1"], ("gcd",)),
        (["from math import gcd\nassert gcd(f(4), 6) == 2"], ("f",)),
        (["with open(f()) as g:\n    assert g.read() == h(lambda y: y)"], ("f", "h")),
    ],
)
def test_names_that_asserts_take_from_the_answer(statements, names):
    tests = parse_code_tests({"assert_case": statements})
    assert tests == AssertTests("", tuple(statements), names)


def test_names_of_a_prefix_are_not_the_answers():
    prefix = "import numpy as np\nfrom math import gcd\nclass Node: pass\n"
    statement = "assert np.all(f(Node(), gcd(2, 4)))"
    tests = parse_code_tests({"import_prefix": prefix, "assert_case": [statement]})
    assert tests == AssertTests(prefix, (statement,), ("f",))


@pytest.mark.parametrize(
    ("prefix", "statement", "names"),
    [
        ("from string import *", "assert f(punctuation) == [32]", ("f",)),
        ("", "from operator import *\nassert f(add, 3) == 5", ("f",)),
        # Where nothing else is tested it is what an answer defines.
        ("from operator import *", "assert add(1, 2) == 3", ("add",)),
    ],
)
def test_names_of_a_whole_module_are_not_the_answers(prefix, statement, names):
    encoded = {"import_prefix": prefix, "assert_case": [statement]}
    assert parse_code_tests(encoded) == AssertTests(prefix, (statement,), names)


@pytest.mark.parametrize(
    ("statement", "imports"),
    [
        ("assert np.allclose(f(3), 9)", "import numpy as np"),
        ("assert f(3) == Fraction(1, 2)", "from fractions import Fraction"),
        ("assert statistics.mean(f(3)) == 2", "import statistics"),
        ("assert f(3) in ascii_lowercase", "from string import ascii_lowercase"),
        ("assert math.isclose(f(3), 2)", ""),  # there without an import
    ],
)
def test_well_known_modules_are_never_the_answers(statement, imports):
    setup = "x = 1" + (f"\n{imports}" if imports else "")
    tests = parse_code_tests({"import_prefix": "x = 1", "assert_case": [statement]})
    assert tests == AssertTests(setup, (statement,), ("f",))
    check = f"def check(candidate):\n    {statement.replace('f(', 'candidate(', 1)}\n"
    encoded = {"import_prefix": "x = 1", "test_code": check, "entry_point": "f"}
    assert parse_code_tests(encoded) == CheckTests(setup, check, "f", ())


def test_a_well_known_class_alone_is_what_is_tested():
    tests = parse_code_tests({"assert_case": ["assert Fraction(1, 2).half() == 3"]})
    assert tests == AssertTests("", ("assert Fraction(1, 2).half() == 3",), ("Fraction",))


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (["assert helpers.same(f(3), 9)"], "helpers.same, looks like a module"),
        (["assert is_same(f(3), 9)"], "is_same is called with what f returned"),
        (["assert is_same(9, x=[f(3)])"], "is_same is called with what f returned"),
        (["x = f(3)", "y, z = x\nassert is_same(z, 9)"], "is_same is called with what f returned"),
        (["for x in f(3): assert is_same(x, 9)"], "is_same is called with what f returned"),
        (["assert (x := f(3)) and is_same(x, 9)"], "is_same is called with what f returned"),
        (["assert is_same(Solution().f(3), 9)"], "is_same is called with what Solution returned"),
        (["assert decode(encode('x')) == 'x'"], "decode is called with what encode returned"),
        (["assert sub(add(1, 2), 2) == 1"], "sub is called with what add returned"),
        (["assert f(3) == g(3)"], "what f, g returned is compared"),
        (["assert isinstance(f(), P)"], "P is a class of the answer's own"),
        (["try: f()\nexcept E: pass"], "E is a class of the answer's own"),
    ],
)
def test_tests_that_leave_their_helper_to_the_answer(statements, message):
    with pytest.raises(CodeTestsError, match=f"assert_case: .*{message}"):
        parse_code_tests({"assert_case": statements})


def test_checks_that_leave_their_helper_to_the_answer():
    check = "def check(candidate):\n    x = candidate(3)\n    assert is_same(x, 9)\n"
    encoded = {"import_prefix": "", "test_code": check, "entry_point": "f"}
    with pytest.raises(CodeTestsError, match="test_code: .* is_same is not tested"):
        parse_code_tests(encoded)
    encoded["import_prefix"] = "def is_same(a, b):\n    return a == b\n"
    assert parse_code_tests(encoded).names == ()


def test_checks():
    encoded = {"import_prefix": "import math\n", "test_code": CHECK, "entry_point": "Solution().f"}
    assert parse_code_tests(encoded) == CheckTests("import math\n", CHECK, "Solution().f", ())


def test_checks_of_humaneval_may_call_the_answer_by_name():
    prompt = "def helper(x):\n    return x\n\ndef f(x):\n    '''Doubles.'''\n"
    check = "def check(candidate):\n    assert candidate(1) == f(helper(1)) == 2\n"
    tests = parse_code_tests({"prompt": prompt, "test": check, "entry_point": "f"})
    assert tests == CheckTests(prompt, check, "f", ("f",))


def test_checks_with_their_call():
    tests = parse_code_tests({"functional": f"{CHECK}\n\ncheck(Solution().minOperations)\n"})
    assert isinstance(tests, CheckTests)
    assert tests.entry_point == "Solution().minOperations"
    assert tests.check == "def check(candidate):\n    assert candidate(nums=[3, 1]) == 4"
    assert (tests.setup, tests.names) == ("", ())


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        ("{", "not JSON"),
        (7, "7: give an object or a list"),
        ([], "at least one test"),
        ([{"input": "1"}], r"\[0\] = .*: give input and output"),
        ([{"input": 1, "output": "1"}], r"input\[0\] = 1: give a text"),
        ({"question_id": 3}, "unknown set of fields question_id: give one of"),
        ({"inputs": ["1"], "outputs": []}, "1 inputs, but 0 outputs"),
        ({"inputs": [], "outputs": []}, "at least one test"),
        ({"inputs": [[1, 2]], "outputs": ["3"]}, r"inputs\[0\] = \[1, 2\]: give a text"),
        ({"inputs": [[1]], "outputs": [1], "fn_name": "a b"}, "fn_name = 'a b'"),
        ({"inputs": ["{"], "outputs": ["1"], "fn_name": "f"}, r"inputs\[0\] = '{': not JSON"),
        ({"inputs": ["1"], "outputs": [1], "fn_name": "f"}, r"outputs\[0\] = 1: not JSON"),
        ({"inputs": [1], "outputs": [1], "fn_name": "f"}, r"inputs\[0\] = 1: give the list"),
        ({"assert_case": []}, r"assert_case = \[\]: give a list"),
        ({"assert_case": ["assert f(1"]}, r"assert_case\[0\] = .*: not Python"),
        ({"assert_case": ["assert max(1, 2) == 2"]}, "name nothing that an answer could define"),
        ({"assert_case": ["assert isclose(dist(1), 2)"]}, "cannot tell which of dist, isclose"),
        (
            {"import_prefix": "", "test_code": "x = 1", "entry_point": "f"},
            "test_code: it must define a function check",
        ),
        (
            {"import_prefix": "", "test_code": CHECK, "entry_point": "f("},
            r"entry_point = 'f\(': give an expression",
        ),
        (
            {"import_prefix": "import", "test_code": CHECK, "entry_point": "f"},
            "import_prefix = 'import': not Python",
        ),
        ({"functional": CHECK}, "its last statement must be check"),
    ],
)
def test_bad_tests_are_named(encoded, message):
    with pytest.raises(CodeTestsError, match=message):
        parse_code_tests(encoded)


STUB = "def check(candidate):\n    pass\n"


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        ({"assert_case": ["f(1) == 2"]}, "assert_case: no statement can fail"),
        ({"assert_case": ["x = f(1)", "x == 2"]}, "assert_case: no statement can fail"),
        ({"assert_case": ["f(1)\nassert True"]}, "assert_case: no statement can fail"),
        ({"assert_case": ["assert (f(1) == 2, 'one')"]}, "assert_case: no statement can fail"),
        (
            {"import_prefix": "def other():\n    assert 0", "assert_case": ["f(1) == 2"]},
            "assert_case: no statement can fail",
        ),
        (
            {"import_prefix": "", "test_code": STUB, "entry_point": "f"},
            "test_code: check cannot fail",
        ),
        (
            {
                "prompt": "def f(x):\n    assert x\n",
                "test": STUB.replace("pass", "return candidate(1) == 2"),
                "entry_point": "f",
            },
            "test: check cannot fail",
        ),
        ({"functional": f"{STUB}\ncheck(f)"}, "functional: check cannot fail"),
        ({"inputs": ["1"], "outputs": ["\n"]}, "outputs: every expected output is blank"),
        ({"inputs": ["1", "2"], "outputs": ["", ["", " "]]}, "outputs: every expected output"),
        ([{"input": "1", "output": ""}], "output: every expected output is blank"),
        (
            {"inputs": [[[3, 1]], [[2]]], "outputs": [None, None], "fn_name": "f"},
            "outputs: every expected output is null",
        ),
        (
            {"inputs": [[1], [2]], "outputs": [[None], None], "fn_name": "f"},
            "outputs: every expected output is null",
        ),
        (
            {"inputs": ["1"], "outputs": ["null"], "fn_name": "f"},
            "outputs: every expected output is null",
        ),
        (
            {
                "kind": "call",
                "function": "f",
                "cases": [{"arguments": "[1]", "results": ["null\n"]}],
            },
            "kind = 'call': every expected output is null",
        ),
        (
            {"kind": "stdio", "cases": [{"input": "1", "output": ""}]},
            "kind = 'stdio': every expected output is blank",
        ),
        (
            {"kind": "assert", "setup": "", "statements": ["f(1)"], "names": ["f"]},
            "kind = 'assert': no statement can fail",
        ),
        (
            {"kind": "check", "setup": "", "check": "def (", "entry_point": "f", "names": []},
            "kind = 'check': invalid syntax",
        ),
    ],
)
def test_tests_that_cannot_fail(encoded, message):
    with pytest.raises(CodeTestsError, match=message):
        parse_code_tests(encoded)


@pytest.mark.parametrize(
    ("prefix", "statements"),
    [
        ("", ["f(1)", "assert f(2) == 3"]),
        ("", ["if f(1) != 2: raise ValueError"]),
        ("", ["try:\n    f(1)\nexcept ValueError:\n    pass\nelse:\n    assert False"]),
        ("", ["np.testing.assert_allclose(f(1), 2)"]),
        ("", ["import unittest\nunittest.TestCase().assertEqual(f(1), 2)"]),
        ("from numpy.testing import assert_equal", ["assert_equal(f(1), 2)"]),
        (
            "def same(x, y):\n    holds(x == y)\ndef holds(x):\n    assert x",
            ["same(f(1), 2)"],
        ),
    ],
)
def test_tests_that_can_fail(prefix, statements):
    encoded = {"import_prefix": prefix, "assert_case": statements}
    assert parse_code_tests(encoded).names == ("f",)


@pytest.mark.parametrize("output", [0, False, "", [], [None, None]])
def test_one_result_that_is_not_null_is_enough(output):
    encoded = {"inputs": [[1], [2]], "outputs": [None, output], "fn_name": "f"}
    assert len(parse_code_tests(encoded).cases) == 2


def test_one_output_that_is_not_blank_is_enough():
    tests = parse_code_tests({"inputs": ["1", "2"], "outputs": ["", "3"]})
    assert tests == StdioTests((StdioCase("1", ""), StdioCase("2", "3")))


def test_test_code_is_never_run(tmp_path):
    """Not even what would run when a module is imported."""
    write = f"open({str(tmp_path / 'written')!r}, 'w')"
    parse_code_tests({"assert_case": [f"assert f({write})"], "import_prefix": write})
    parse_code_tests({"functional": f"{write}\n{CHECK}\ncheck({write})"})
    assert list(tmp_path.iterdir()) == []


def test_real_rows(real_data):
    rows = [json.loads(line) for line in (real_data / "codeforces_60.jsonl").open()]
    assert sum(len(parse_code_tests(row["tests"]).cases) for row in rows) == 70
