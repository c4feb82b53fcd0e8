"""Programs found in responses, and their outcomes through the pool of workers."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.code_tests.encodings import parse_code_tests
from megatron_urpo.code_tests.records import CodeFailure, CodeResult, Language
from megatron_urpo.rewards.code_answer import (
    WORKER_TARGET,
    Program,
    begin_verification,
    extract_program,
    open_pool,
)
from megatron_urpo.rewards.workers import WorkerPool
from megatron_urpo.types import VerifierStatus
from tests.unit.rewards.code_answers import SMALL

SQUARES = parse_code_tests({"inputs": ["2", "3"], "outputs": ["4", "9"]})


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited 60 s in vain"
        time.sleep(0.01)


def python(code):
    return Program(Language.PYTHON, code)


@pytest.mark.parametrize(
    ("response", "program"),
    [
        ("So:\n```python\nx = 1\n```\nDone.", python("x = 1\n")),
        ("```python\na\n```\ntext\n```py\nb\n```", python("b\n")),
        ("```\nx\n```", python("x\n")),
        ("``` Python3 title=x\nx\n```  ", python("x\n")),
        ("~~~python\n```\nx\n```\n~~~", python("```\nx\n```\n")),
        ("````python\n```\nx\n````", python("```\nx\n")),
        ("```python\nx\n`````", python("x\n")),
        ("- so:\n  ```python\n  if x:\n    y\n\n  ```", python("if x:\n  y\n\n")),
        ("```python\r\nx\r\n```\r\n", python("x\r\n")),
        ("```c++\nint x;\n```", Program(Language.CPP, "int x;\n")),
        ("```cpp\nint x;\n```", Program(Language.CPP, "int x;\n")),
        ("```python\n```", python("\n")),
        ("no code", None),
        ("```python\nx", None),  # cut off
        ("```python\nx\n```\nand better:\n```python\ny", None),
        ("```python\nx\n```\n```java\ny\n```", None),
        ("```python\nx``` and more", None),
        ("`x`", None),
        ("", None),
    ],
)
def test_the_last_fenced_block(response, program):
    assert extract_program(response) == program


@given(st.text(st.sampled_from("`~ \npx"), max_size=60))
def test_any_text_has_at_most_one_program_that_stands_in_it(text):
    program = extract_program(text)
    if program is not None:
        for line in program.code.splitlines():
            assert line.strip() in text


@given(st.text(max_size=50), st.text(st.characters(exclude_characters="`~\r\n"), max_size=50))
def test_what_is_fenced_last_is_found(before, code):
    fence = "`" * 60
    response = f"{before.replace('`', '').replace('~', '')}\n{fence}python\n{code}\n{fence}\n"
    assert extract_program(response) == python(code + "\n")


def test_a_long_response():
    """Looked through once; from every fence to the end this would take hours."""
    fences = "```python\nx\n" * 200_000
    assert extract_program(fences) is None
    assert extract_program(fences + "```").code.count("x") == 200_000


@pytest.fixture
def pool(bubblewrap):
    pool = open_pool(replace(SMALL, code_workers=1))
    yield pool
    pool.close()


def outcomes(pool, *codes, tests=SQUARES):
    pending = [begin_verification(f"```python\n{code}\n```", tests, pool, SMALL) for code in codes]
    return [verification.outcome() for verification in pending]


def test_outcomes(pool):
    right, wrong, slow = outcomes(pool, "print(int(input()) ** 2)", "print(4)", "while True: pass")
    assert (right.status, right.result) == (VerifierStatus.CORRECT, CodeResult(2, 2, None))
    assert right.extracted == "print(int(input()) ** 2)\n"
    assert wrong.status is VerifierStatus.WRONG
    assert wrong.result == CodeResult(1, 2, CodeFailure.WRONG_RESULT)
    # Too slow is wrong, not a failure of the verifier.
    assert slow.status is VerifierStatus.WRONG
    assert slow.result == CodeResult(0, 2, CodeFailure.TIME_LIMIT)


def test_a_response_without_code_is_wrong_and_runs_nothing(pool):
    before = psutil.Process().children()
    verification = begin_verification("The answer is 4.", SQUARES, pool, SMALL)
    assert verification.done()
    outcome = verification.outcome()
    assert (outcome.status, outcome.extracted) == (VerifierStatus.WRONG, None)
    assert outcome.result == CodeResult(0, 2, CodeFailure.NO_CODE)
    assert psutil.Process().children() == before


def test_what_the_verifier_cannot_do_is_an_error(pool):
    tests = parse_code_tests({"assert_case": ["assert f(lambda: 1)"]})
    (outcome,) = outcomes(pool, "def f(x): return True", tests=tests)
    assert outcome.status is VerifierStatus.ERROR
    assert outcome.result == CodeResult(0, 1, CodeFailure.VERIFIER)


def test_a_worker_that_dies_is_an_error_and_leaves_nothing(pool):
    """Its sandbox, and the program in it, end with it."""
    others = set(psutil.Process().children())
    (ready,) = outcomes(pool, "print(int(input()) ** 2)")
    assert ready.status is VerifierStatus.CORRECT
    verification = begin_verification(
        "```\nimport time\ntime.sleep(100)\n```",
        SQUARES,
        pool,
        replace(SMALL, code_test_seconds=90),
    )
    (worker,) = set(psutil.Process().children()) - others
    # bwrap twice, the spawner, and the two processes of a box.
    while len(inside := worker.children(recursive=True)) < 5:
        time.sleep(0.01)
    worker.kill()
    outcome = verification.outcome()
    assert outcome.status is VerifierStatus.ERROR
    assert outcome.result == CodeResult(0, 2, CodeFailure.VERIFIER)
    psutil.wait_procs(inside, timeout=30)
    assert [child for child in inside if child.is_running()] == []
    (again,) = outcomes(pool, "print(int(input()) ** 2)")
    assert again.status is VerifierStatus.CORRECT


def test_a_worker_that_is_held_up_is_held_up_by_the_answer(bubblewrap):
    """Programs that the machine holds up are found out before."""
    pool = WorkerPool(WORKER_TARGET, 1, 10.0)
    try:
        code = "```\nimport time\ntime.sleep(100)\n```"
        config = replace(SMALL, code_test_seconds=90)
        outcome = begin_verification(code, SQUARES, pool, config).outcome()
    finally:
        pool.close()
    assert outcome.status is VerifierStatus.WRONG
    assert outcome.result == CodeResult(0, 2, CodeFailure.TIME_LIMIT)


def test_closing_the_pool_ends_its_sandboxes(pool):
    others = set(psutil.Process().children(recursive=True))
    outcomes(pool, *["print(int(input()) ** 2)"] * 4)
    below = set(psutil.Process().children(recursive=True)) - others
    assert any("bwrap" in child.name() for child in below)
    pool.close()
    psutil.wait_procs(below, timeout=30)
    assert [child for child in below if child.is_running()] == []


LIVES_ON = """
import os, time
child = os.fork()
if child == 0:
    os.setsid()
    if os.fork() != 0: os._exit(0)
with open({path!r}, "a") as file:
    file.write(f"{{os.getpid()}} {{os.getcwd()}}\\n")
time.sleep(10**9)
"""


@pytest.mark.parametrize("end", ["closed", "timeout"])
def test_programs_without_a_sandbox_end_with_their_worker(end, tmp_path):
    """And so do their files, though nothing but their spawner can find either."""
    path = tmp_path / "processes"
    config = replace(SMALL, sandbox="none", code_test_seconds=1000.0, code_program_seconds=1000.0)
    pool = WorkerPool(WORKER_TARGET, 1, 10.0 if end == "timeout" else 300.0)
    try:
        code = f"```\n{LIVES_ON.format(path=str(path))}\n```"
        verification = begin_verification(code, SQUARES, pool, config)
        wait_until(lambda: path.exists() and path.read_text().count("\n") == 2)
        first, second = (line.split() for line in path.read_text().splitlines())
        started = [psutil.Process(int(pid)) for pid, _ in (first, second)]
        if end == "timeout":
            verification.outcome()
    finally:
        pool.close()
    psutil.wait_procs(started, timeout=30)
    assert [process for process in started if process.is_running()] == []
    wait_until(lambda: not Path(first[1]).exists())


def test_programs_without_a_sandbox_end_with_their_spawner(tmp_path):
    path = tmp_path / "process"
    code = (
        f"import os, time\nopen({str(path)!r}, 'w').write(f'{{os.getpid()}} {{os.getcwd()}}\\n')\n"
    )
    config = replace(SMALL, sandbox="none", code_test_seconds=1000.0, code_program_seconds=1000.0)
    pool = WorkerPool(WORKER_TARGET, 1, 300.0)
    try:
        code = f"```\n{code}time.sleep(10**9)\n```"
        verification = begin_verification(code, SQUARES, pool, config)
        wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
        pid, directory = path.read_text().split()
        program = psutil.Process(int(pid))
        program.parent().parent().kill()
        assert verification.outcome().status is VerifierStatus.ERROR
    finally:
        pool.close()
    psutil.wait_procs([program], timeout=30)
    assert not program.is_running()
    shutil.rmtree(directory)


def test_unusual_text_reaches_the_program_and_comes_back(pool):
    tests = parse_code_tests([{"input": "é\ud800\n", "output": "é\ud800|\U0001f600"}])
    code = "import sys\nx = sys.stdin.buffer.readline()\n"
    code += "sys.stdout.buffer.write(x[:-1] + '|😀'.encode())"
    (outcome,) = outcomes(pool, code, tests=tests)
    # Half of a surrogate pair is no text that a program could write: judged, and wrong.
    assert outcome.status is VerifierStatus.WRONG
    tests = parse_code_tests([{"input": "é\n", "output": "é|\U0001f600"}])
    (outcome,) = outcomes(pool, code, tests=tests)
    assert outcome.status is VerifierStatus.CORRECT
