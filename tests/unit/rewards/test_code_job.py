"""Verdicts on real problems and on all encodings of tests."""

import ast
import json
import os
import subprocess
import sys
import textwrap
import time

import pytest

from megatron_urpo.code_tests.records import CodeFailure, CodeResult, Language, write_tests
from megatron_urpo.config import RewardsConfig
from megatron_urpo.rewards.sandbox.pressure import is_under_pressure
from tests.unit.rewards.code_answers import SMALL, judged

pytestmark = pytest.mark.usefixtures("bubblewrap")

DEFAULT = RewardsConfig()
PATIENT = {"code_test_seconds": 2.0, "code_memory_mib": 512}


def humaneval(directory):
    """Name, solution, name of its function, encoded tests."""
    for line in (directory / "humaneval_164.jsonl").open():
        row = json.loads(line)
        encoded = {name: row[name] for name in ("prompt", "test", "entry_point")}
        solution = row["prompt"] + row["canonical_solution"]
        yield row["task_id"], solution, row["entry_point"], encoded


def leetcode(directory):
    for number, line in enumerate((directory / "leetcode_60.jsonl").open()):
        row = json.loads(line)
        call = ast.parse(row["tests"]["functional"]).body[-1].value.args[0]
        yield f"leetcode-{number}", row["solutions"], call.attr, row["tests"]


PROBLEMS = {"humaneval": (humaneval, 164), "leetcode": (leetcode, 60)}

# What runs a solution without a sandbox, as a reference.
PRELUDE = """
from typing import *
from collections import *
from itertools import *
from bisect import *
from heapq import *
from math import inf
"""


def runs_plainly(solution, encoded):
    """Whether solution and tests run to the end in an interpreter of their own."""
    test = encoded.get("functional") or f"{encoded['test']}\ncheck({encoded['entry_point']})"
    program = f"{PRELUDE}\n{solution}\n{test}"
    try:
        return (
            subprocess.run(
                [sys.executable, "-c", program], capture_output=True, timeout=20, check=False
            ).returncode
            == 0
        )
    except subprocess.TimeoutExpired:
        return False


def returning(solution, function, replace):
    """The solution with its function's return statements changed."""

    class Change(ast.NodeTransformer):
        def visit_Return(self, node):
            return ast.copy_location(ast.Return(replace(node.value)), node)

    tree = ast.parse(solution)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            node.body = [Change().visit(statement) for statement in node.body]
    return ast.unparse(ast.fix_missing_locations(tree))


def return_none(solution, function):
    return returning(solution, function, lambda value: ast.Constant(None))


OFF_BY_ONE = """
def off_by_one(value):
    if isinstance(value, bool): return not value
    if isinstance(value, (int, float)): return value + 1
    if isinstance(value, str): return value + "x"
    if isinstance(value, (list, tuple)): return value + type(value)([0])
    if isinstance(value, dict): return value | {"x": 0}
    return 0
"""


def off_by_one(solution, function):
    """Every result is wrong by one, or by one more item."""

    def call(value):
        return ast.Call(ast.Name("off_by_one", ast.Load()), [value or ast.Constant(None)], [])

    return OFF_BY_ONE + returning(solution, function, call)


def swapped_branch(solution, function):
    """The first condition turned over; None where there is none."""
    tree = ast.parse(solution)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            for inner in ast.walk(node):
                if isinstance(inner, ast.If | ast.IfExp | ast.While):
                    inner.test = ast.UnaryOp(ast.Not(), inner.test)
                    return ast.unparse(ast.fix_missing_locations(tree))
    return None


@pytest.mark.parametrize("name", PROBLEMS)
def test_all_reference_solutions_pass(name, real_data):
    problems, count = PROBLEMS[name]
    results = {
        key: judged(solution, encoded, config=DEFAULT)
        for key, solution, _, encoded in problems(real_data)
    }
    assert len(results) == count
    assert {key for key, result in results.items() if result.failure} == set()
    assert all(result.passed == result.total for result in results.values())


def assert_broken_variants_fail(problems, step):
    """No variant that is wrong passes, and the sandbox agrees with a plain run about each."""
    swapped = 0
    for number, (key, solution, function, encoded) in enumerate(problems):
        if number % step:
            continue
        for mutate in (return_none, off_by_one):
            result = judged(mutate(solution, function), encoded, **PATIENT)
            assert result.failure is not None, (key, mutate)
        variant = swapped_branch(solution, function)
        if variant is not None:
            result = judged(variant, encoded, **PATIENT)
            assert (result.failure is None) == runs_plainly(variant, encoded), key
            swapped += result.failure is not None
    assert swapped > 0


@pytest.mark.parametrize("name", PROBLEMS)
def test_broken_variants_fail(name, real_data):
    assert_broken_variants_fail(PROBLEMS[name][0](real_data), step=12)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBLEMS)
def test_all_broken_variants_fail(name, real_data):
    assert_broken_variants_fail(PROBLEMS[name][0](real_data), step=1)


MINIMUM_MAXIMUM = {
    Language.PYTHON: """
        for _ in range(int(input())):
            x, y = map(int, input().split())
            print({0}(x, y), max(x, y))
        """,
    Language.CPP: """
        #include <iostream>
        int main() {{
            int n, x, y;
            for (std::cin >> n; n-- && std::cin >> x >> y;)
                std::cout << std::{0}(x, y) << ' ' << std::max(x, y) << '\\n';
        }}
        """,
}


@pytest.mark.parametrize("language", Language)
def test_programs_of_a_real_problem(language, real_data):
    row = json.loads((real_data / "codeforces_60.jsonl").open().readline())
    code = textwrap.dedent(MINIMUM_MAXIMUM[language])
    options = {"language": language, "config": DEFAULT}
    assert judged(code.format("min"), row["tests"], **options) == CodeResult(1, 1, None)
    wrong = judged(code.format("max"), row["tests"], **options)
    assert wrong == CodeResult(0, 1, CodeFailure.WRONG_RESULT)


@pytest.mark.parametrize(
    "code",
    [
        "#include <span>\nint main() { std::span<int> x; int n; std::cin >> n; std::cout << n*n; }",
        "int main() { int concept; std::cin >> concept; std::cout << concept * concept; }",
    ],
)
def test_programs_of_two_standards(code):
    result = judged(f"#include <iostream>\n{code}", SQUARES, Language.CPP, config=DEFAULT)
    assert result == CodeResult(3, 3, None)


def test_numbers_and_dates_of_the_standard_library():
    statements = [
        "assert half(3) == 1.5",
        "import fractions\nassert half(3) == fractions.Fraction(3, 2)",
        "assert leap(2020) == datetime.date(2020, 2, 29)",
    ]
    code = (
        "from fractions import Fraction\nimport datetime\n"
        "def half(x): return Fraction(x, 2)\n"
        "def leap(year): return datetime.date(year, 2, 29)\n"
    )
    assert judged(code, {"assert_case": statements}) == CodeResult(3, 3, None)


SQUARES = {"inputs": ["1\n", "2\n", "3\n"], "outputs": ["1\n", "4\n", "9\n"]}


@pytest.mark.parametrize(
    ("code", "passed", "failure"),
    [
        ("print(int(input()) ** 2)", 3, None),
        ("print(min(4, int(input()) ** 2))", 2, CodeFailure.WRONG_RESULT),
        ("x = int(input())\nassert x < 2\nprint(x * x)", 1, CodeFailure.RUNTIME_ERROR),
        ("x = int(input())\nwhile x > 2: pass\nprint(x * x)", 2, CodeFailure.TIME_LIMIT),
        ("print(int(input()) ** 2)\nraise SystemExit(1)", 0, CodeFailure.RUNTIME_ERROR),
        ("print(int(input()) ** 2)\nraise SystemExit", 3, None),
        ("print(", 0, CodeFailure.RUNTIME_ERROR),
    ],
)
def test_tests_of_a_program_stop_at_the_first_failure(code, passed, failure):
    assert judged(code, SQUARES) == CodeResult(passed, 3, failure)


def test_all_tests_of_a_program_share_its_seconds():
    code = "import time\ntime.sleep(0.6)\nprint(int(input()) ** 2)"
    assert judged(code, SQUARES, code_test_seconds=5.0).failure is None
    result = judged(code, SQUARES, code_test_seconds=5.0, code_program_seconds=0.9)
    assert result == CodeResult(1, 3, CodeFailure.TIME_LIMIT)


@pytest.mark.parametrize(
    "code",
    [
        "import sys\nprint(int(sys.stdin.buffer.read()) ** 2)",
        "import os\nos.write(1, str(int(os.read(0, 9)) ** 2).encode())",
        "print(int(open(0).read()) ** 2)",
        "if __name__ == '__main__':\n    print(int(input()) ** 2)",
        "import threading\nthreading.Thread(target=lambda: print(int(input()) ** 2)).start()",
        "import atexit\nx = int(input())\natexit.register(lambda: print(x * x))",
        (
            "import sys, threading\nsys.setrecursionlimit(10 ** 6)\n"
            "threading.stack_size(32 << 20)\n"
            "def f(n): return n and 1 + f(n - 1)\n"
            "t = threading.Thread(target=lambda: print(int(input()) * f(5000) // 5000 * 1))\n"
            "x = int(open(0).read())\nprint(x * x)"
        ),
        (
            "from multiprocessing import Pool\n"
            "def f(x): return x * x\n"
            "if __name__ == '__main__':\n"
            "    with Pool(2) as pool: print(pool.map(f, [int(input())])[0])"
        ),
        "open('x', 'w').write(str(int(input()) ** 2))\nprint(open('x').read())",
        (
            "import threading, time\n"
            "def later():\n    time.sleep(0.1)\n    print(int(input()) ** 2)\n"
            "threading.Thread(target=later).start()\nraise SystemExit"
        ),
        (
            "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n"
            "assert P.__annotations__ == {'x': int}\nprint(P(int(input())).x ** 2)"
        ),
    ],
)
def test_ways_to_read_and_write(code):
    assert judged(code, SQUARES, code_memory_mib=512) == CodeResult(3, 3, None)


PAIRS = {"inputs": [[[1, 2], "a"], [[3], "b"]], "outputs": [[[2, "a"]], [[1, "b"]]], "fn_name": "f"}


@pytest.mark.parametrize(
    ("code", "passed", "failure"),
    [
        ("def f(x, y): return [len(x), y]", 2, None),
        ("def f(x, y): return len(x), y", 2, None),
        ("class Solution:\n    def f(self, x: List[int], y): return [len(x), y]", 2, None),
        (
            "from __future__ import annotations\nfrom dataclasses import dataclass\n"
            "@dataclass\nclass P:\n    x: int\ndef f(x, y): return [P(len(x)).x, y]",
            2,
            None,
        ),
        ("def f(x, y): return [2, y]", 1, CodeFailure.WRONG_RESULT),
        ("def f(x, y): return [len(x), None]", 0, CodeFailure.WRONG_RESULT),
        ("def f(x, y): return [True + 1, 'a' if x[1] else y]", 1, CodeFailure.RUNTIME_ERROR),
        ("def g(x, y): return [len(x), y]", 0, CodeFailure.RUNTIME_ERROR),
        ("def f(x, y): return object()", 0, CodeFailure.WRONG_RESULT),
        ("def f(x, y): return 'x' * (1 << 20)", 0, CodeFailure.OUTPUT_LIMIT),
    ],
)
def test_functions(code, passed, failure):
    assert judged(code, PAIRS) == CodeResult(passed, 2, failure)


LEETCODE = "from string import *\nfrom operator import *\nfrom math import *\n"


@pytest.mark.parametrize("prefix", ["", LEETCODE])
@pytest.mark.parametrize(
    "code",
    [
        "def f(x): return ascii_lowercase.index('d') * x",
        "def f(x): return reduce(mul, [1, 3, x]) if digits else add",
        "def f(x): return max(enumerate([1, 3 * x]), key=itemgetter(1))[1]",
        "def f(x): return pow(3 * x, 1, 10)",
        "from math import *\nfrom operator import *\ndef f(x): return mul(3, x)",
    ],
)
def test_names_that_are_there_without_an_import(prefix, code):
    encoded = {"import_prefix": prefix, "assert_case": ["assert f(3) == 9"]}
    assert judged(code, encoded) == CodeResult(1, 1, None)


def test_an_import_of_the_tests_is_no_answer():
    encoded = {"import_prefix": LEETCODE, "assert_case": ["assert gcd(4, 6) == 2"]}
    for code in ("", "class Solution: pass"):
        assert judged(code, encoded) == CodeResult(0, 1, CodeFailure.RUNTIME_ERROR)
    for code in ("from math import gcd", "def gcd(a, b): return a if b == 0 else gcd(b, a % b)"):
        assert judged(code, encoded) == CodeResult(1, 1, None)


def test_arguments_a_line_as_in_livecodebench():
    encoded = {"inputs": ['[1, 2]\n"a"'], "outputs": ['[2, "a"]'], "fn_name": "f"}
    assert judged("def f(x, y): return [len(x), y]", encoded) == CodeResult(1, 1, None)


@pytest.mark.parametrize(
    ("code", "passed", "failure"),
    [
        ("def add(a, b): return a + b", 3, None),
        ("def add(a, b): return a + b if a < 5 else 0", 2, CodeFailure.WRONG_RESULT),
        ("def add(a, b): return a - b", 0, CodeFailure.WRONG_RESULT),
        ("def add(a, b): raise ValueError", 0, CodeFailure.RUNTIME_ERROR),
        ("def add(a, b): return 'x' * (1 << 20)", 0, CodeFailure.OUTPUT_LIMIT),
        ("", 0, CodeFailure.RUNTIME_ERROR),
    ],
)
def test_asserts(code, passed, failure):
    encoded = {
        "assert_case": [
            "assert add(1, 2) == 3",
            "assert isclose(add(0.1, 0.2), 0.3)",
            "x = [add(5, i) for i in range(2)]\nassert x == [5, 6]",
        ]
    }
    assert judged(code, encoded) == CodeResult(passed, 3, failure)


SPEND = """
import time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
    return 1
def sleep(seconds):
    time.sleep(seconds)
    return 1
"""


def calls_of(name, kind, seconds):
    """Tests that have a function spend so many seconds each, in one of the encodings."""
    if kind == "call":
        return {
            "inputs": [[each] for each in seconds],
            "outputs": [1] * len(seconds),
            "fn_name": name,
        }
    if kind == "assert":
        return {"assert_case": [f"assert {name}({each}) == 1" for each in seconds]}
    asserts = "".join(f"    assert candidate({each}) == 1\n" for each in seconds)
    check = f"def check(candidate):\n{asserts}"
    return {"import_prefix": "", "test_code": check, "entry_point": name}


@pytest.mark.parametrize("name", ["burn", "sleep"])
@pytest.mark.parametrize("kind", ["call", "assert", "check"])
def test_each_call_has_the_seconds_of_a_test(kind, name):
    """And all share those of the program, in whatever encoding they are."""
    options = {"code_test_seconds": 1.0}
    encoded = calls_of(name, kind, [0.4] * 3)
    assert judged(SPEND, encoded, **options) == CodeResult(3, 3, None)
    shared = judged(SPEND, encoded, code_program_seconds=1.0, **options)
    assert (shared.total, shared.failure) == (3, CodeFailure.TIME_LIMIT)
    assert 1 <= shared.passed <= 2
    slow = judged(SPEND, calls_of(name, kind, [0.4, 9, 0.4]), **options)
    assert slow == CodeResult(1, 3, CodeFailure.TIME_LIMIT)


def test_asserts_on_objects_of_the_answer():
    encoded = {
        "assert_case": [
            "stack = Stack()\nstack.push(4)\nstack.push(5)\nassert stack.pop() == 5",
            "assert len(stack) == 1 and stack[0] == 4 and list(stack) == [4] and 4 in stack",
            "assert str(stack) == '[4]'",
        ]
    }
    code = """
        class Stack:
            def __init__(self): self.items = []
            def push(self, x): self.items.append(x)
            def pop(self): return self.items.pop()
            def __len__(self): return len(self.items)
            def __getitem__(self, i): return self.items[i]
            def __str__(self): return str(self.items)
        """
    assert judged(textwrap.dedent(code), encoded) == CodeResult(3, 3, None)


def test_checks_count_their_outermost_asserts():
    encoded = {
        "import_prefix": "",
        "test_code": (
            "def check(candidate):\n"
            "    assert candidate(0) == 0\n"
            "    assert candidate(1) == 2\n"
            "    for x in range(4):\n"
            "        assert candidate(x) == 2 * x\n"
            "    assert candidate(5) == 10\n"
        ),
        "entry_point": "double",
    }
    assert judged("def double(x): return 2 * x", encoded) == CodeResult(3, 3, None)
    wrong = judged("def double(x): return min(2 * x, 4)", encoded)
    assert wrong == CodeResult(2, 3, CodeFailure.WRONG_RESULT)


def test_checks_that_return_their_verdict():
    encoded = {
        "import_prefix": "",
        "test_code": "def check(f):\n    assert f(0) == 0\n    return f(1) == 2 and f(2) == 4\n",
        "entry_point": "double",
    }
    assert judged("def double(x): return 2 * x", encoded) == CodeResult(1, 1, None)
    for wrong in ("x", "min(2 * x, 2)"):
        result = judged(f"def double(x): return {wrong}", encoded)
        assert result == CodeResult(1, 1, CodeFailure.WRONG_RESULT)


LONG = list(range(20_000, -1, -1))  # more than 64 KiB as JSON
LISTS = """
class ListNode:
    def __init__(self, val=0, next=None):
        self.val = val
        self.next = next

def list_node(values):
    head = None
    for value in reversed(values):
        head = ListNode(value, head)
    return head

def values_of(node):
    values = []
    while node is not None:
        values.append(node.val)
        node = node.next
    return values
"""
REVERSE = """
class Solution:
    def reverse(self, head: Optional[ListNode]) -> Optional[ListNode]:
        previous = None
        while head is not None:
            head.next, previous, head = previous, head, head.next
        return previous
"""


@pytest.mark.parametrize("own_class", ["", LISTS.partition("\n\n")[0]])
def test_linked_lists_long_and_circular(own_class):
    encoded = {
        "import_prefix": LISTS,
        "test_code": (
            "def check(candidate):\n"
            "    assert values_of(candidate(list_node([1, 2, 3]))) == [3, 2, 1]\n"
            "    assert values_of(candidate(list_node(list(range(5000))))) == "
            "list(range(4999, -1, -1))\n"
            "    assert candidate(None) is None\n"
        ),
        "entry_point": "Solution().reverse",
    }
    assert judged(own_class + REVERSE, encoded, config=DEFAULT) == CodeResult(3, 3, None)
    too_long = judged(own_class + REVERSE, encoded, code_output_kib=64)
    assert too_long.passed == 1 and too_long.failure is not None
    broken = REVERSE.replace("return previous", "return head")
    assert judged(own_class + broken, encoded).failure is CodeFailure.WRONG_RESULT
    cycle = {
        "import_prefix": LISTS,
        "test_code": (
            "def check(candidate):\n"
            "    head = list_node([1, 2])\n"
            "    assert candidate(head) == False\n"
            "    head.next.next = head\n"
            "    assert candidate(head) == True\n"
        ),
        "entry_point": "has_cycle",
    }
    code = """
        def has_cycle(head):
            seen = set()
            while head is not None and id(head) not in seen:
                seen.add(id(head))
                head = head.next
            return head is not None
        """
    assert judged(own_class + textwrap.dedent(code), cycle) == CodeResult(2, 2, None)


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        ({"inputs": [[LONG]], "outputs": [len(LONG)], "fn_name": "f"}, "def f(x): return len(x)"),
        ({"assert_case": [f"assert f({LONG}) == {len(LONG)}"]}, "def f(x): return len(x)"),
        (
            {"assert_case": [f"x = {LONG}\nf(x)\nassert x == list(range(len(x)))"]},
            "def f(x): x.sort()",
        ),
    ],
)
def test_arguments_are_no_output(encoded, code):
    assert judged(code, encoded, code_output_kib=64) == CodeResult(1, 1, None)
    for longer in ("def f(x): return x", "def f(x): x += x"):
        assert judged(longer, encoded, code_output_kib=64).failure is not None
    result = judged("def f(x): return 100_000 * 'x'", encoded, code_output_kib=64)
    assert result == CodeResult(0, 1, CodeFailure.OUTPUT_LIMIT)


def test_functions_that_work_in_place():
    encoded = {"assert_case": ["x = [3, 1, 2]\nsort(x)\nassert x == [1, 2, 3]"]}
    assert judged("def sort(x): x.sort()", encoded) == CodeResult(1, 1, None)
    # One that returns something does not: emptying its argument makes this one easy.
    encoded = {"assert_case": ["x = [3, 1, 2]\nassert sort(x) == sorted(x)"]}
    assert judged("def sort(x):\n    x.clear()\n    return []", encoded).failure is not None
    assert judged("def sort(x): return sorted(x)", encoded).failure is None


def test_a_test_that_cannot_be_run_says_nothing_about_the_answer():
    encoded = {"assert_case": ["assert twice(lambda x: x + 1, 3) == 5"]}
    result = judged("def twice(f, x): return f(f(x))", encoded)
    assert result == CodeResult(0, 1, CodeFailure.VERIFIER)


def test_tests_that_end_of_what_the_answer_sent_say_that_it_is_wrong():
    """Their process may die of an answer, which must not choose not to be judged."""
    encoded = {"assert_case": ["import os\nif f(1) == 2: os._exit(1)\nassert f(1) == 1"]}
    result = judged("def f(x): return 2", encoded)
    assert result == CodeResult(0, 1, CodeFailure.RUNTIME_ERROR)
    assert judged("def f(x): return 1", encoded).failure is None


def test_modules_that_are_not_there():
    """Missed by a test: not judged. Missed by an answer: wrong."""
    encoded = {"assert_case": ["import numpy\nassert f(1) == 1"]}
    assert judged("def f(x): return x", encoded) == CodeResult(0, 1, CodeFailure.VERIFIER)
    encoded = {"assert_case": ["assert f(1) == 1"]}
    answer = "def f(x):\n    import numpy\n    return x"
    assert judged(answer, encoded) == CodeResult(0, 1, CodeFailure.RUNTIME_ERROR)
    # The first of two, which the test raises again.
    check = """
        def check(candidate):
            kept = []
            for x in range(2):
                try: candidate(x)
                except ImportError as error: kept.append(error)
            raise kept[0]
        """
    again = {"import_prefix": "", "test_code": textwrap.dedent(check), "entry_point": "f"}
    assert judged(answer, again) == CodeResult(0, 1, CodeFailure.RUNTIME_ERROR)
    prefix = {"import_prefix": "import numpy", "assert_case": ["assert f(1) == 1"]}
    assert judged("def f(x): return x", prefix) == CodeResult(0, 1, CodeFailure.VERIFIER)


def test_functions_in_cpp_are_no_code_for_these_tests():
    for encoded, total in ((PAIRS, 2), ({"assert_case": ["assert f(1)"]}, 1)):
        result = judged("int f(int x) { return x; }", encoded, Language.CPP)
        assert result == CodeResult(0, total, CodeFailure.NO_CODE)


SLEEPING_CHILDREN = """
import os, time
for _ in range(40):
    if os.fork() == 0:
        os.setsid()
        time.sleep(100)
time.sleep(100)
"""


def test_without_a_sandbox_verdicts_and_limits_are_the_same():
    options = {"sandbox": "none"}
    assert judged("print(int(input()) ** 2)", SQUARES, **options) == CodeResult(3, 3, None)
    assert judged("def f(x, y): return [len(x), y]", PAIRS, **options) == CodeResult(2, 2, None)
    for code, failure in (
        ("while True: pass", CodeFailure.TIME_LIMIT),
        (SLEEPING_CHILDREN, CodeFailure.PROCESS_LIMIT),
        ("import time\ntime.sleep(100)", CodeFailure.TIME_LIMIT),
    ):
        assert judged(code, SQUARES, **options).failure is failure
    assert [name for name in os.listdir("/tmp") if name.startswith("urpo-code-")] == []


def test_a_starved_program_is_not_judged():
    """Neither CPU time nor waiting is used up when the wall clock ends, for others take it."""
    from megatron_urpo.code_tests.encodings import parse_code_tests
    from megatron_urpo.rewards.code_answer import Program, make_job
    from megatron_urpo.rewards.code_job import judge

    loop = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(loop) for _ in range(os.cpu_count() + 1)]
    try:
        deadline = time.monotonic() + 60
        while not is_under_pressure("cpu") and time.monotonic() < deadline:
            time.sleep(1)
        tests = write_tests(parse_code_tests(SQUARES))
        job = make_job(Program(Language.PYTHON, "while True: pass"), SMALL)
        job["limits"]["wall_seconds"] = 0.1
        assert judge(job, tests) == {"passed": 0, "total": 3, "failure": "starved"}
        job["limits"]["wall_seconds"] = 300.0
        job["wall_seconds"] = 0.1
        assert judge(job, tests) == {"passed": 0, "total": 3, "failure": "starved"}
    finally:
        for other in others:
            other.kill()
            other.wait()
