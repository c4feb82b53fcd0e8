"""Programs that attack the machine, the verifier or the tests: none does harm, none is rewarded."""

import contextlib
import os
import re
import socket
import textwrap
import threading
from pathlib import Path

import psutil
import pytest

from megatron_urpo.code_tests.records import CodeFailure, Language
from tests.unit.rewards.code_answers import judged

pytestmark = pytest.mark.usefixtures("bubblewrap")

STDIO = [{"input": "3\n", "output": "9\n"}]
CALL = {"inputs": [[3]], "outputs": [9], "fn_name": "square"}
ASSERT = {"assert_case": ["assert square(3) == 9"]}
CHECK = {
    "import_prefix": "import math\n",
    "test_code": "def check(candidate):\n    assert candidate(3) == 9\n",
    "entry_point": "square",
}
OBJECTS = {
    "import_prefix": "class Node:\n    def __init__(self, value):\n        self.value = value\n",
    "test_code": "def check(candidate):\n    assert candidate(3).value == 9\n",
    "entry_point": "square",
}
FUNCTION_TESTS = {"call": CALL, "assert": ASSERT, "check": CHECK, "objects": OBJECTS}


# What the programs below call their files; others use the machine's /tmp too.
FILE_NAMES = re.compile(r"\d+|written|program.*|urpo-code-.*|sem\..*")


def processes_and_files():
    """What an attack could leave behind on the machine."""
    names = [*os.listdir("/tmp"), *os.listdir("/dev/shm"), *os.listdir("/")]
    children = psutil.Process().children(recursive=True)
    return {child.pid for child in children}, {n for n in names if FILE_NAMES.fullmatch(n)}


@pytest.fixture(autouse=True)
def _nothing_stays():
    """The sandbox is warm before; afterwards there is not a process or a file more."""
    assert judged("print(int(input()) ** 2)", STDIO).failure is None
    before = processes_and_files()
    yield
    assert processes_and_files() == before
    assert judged("print(int(input()) ** 2)", STDIO).failure is None


HARMFUL = {
    "fork bomb": ("import os\nwhile True: os.fork()", CodeFailure.PROCESS_LIMIT),
    "quiet fork bomb": (
        """
        import os, time
        for _ in range(1000):
            try:
                if os.fork() == 0: time.sleep(100)
            except OSError: pass
        """,
        None,  # the watcher sees it, or the kernel refuses until it has nothing to say
    ),
    "thread bomb": (
        """
        import threading, time
        while True:
            try: threading.Thread(target=time.sleep, args=(100,)).start()
            except RuntimeError: pass
        """,
        None,
    ),
    "memory bomb": ("x = []\nwhile True: x.append(bytearray(1 << 20))", CodeFailure.RUNTIME_ERROR),
    "memory bomb of many processes": (
        """
        import os, time
        for _ in range(8):
            if os.fork() == 0: break
        x = b"1" * (60 << 20)
        time.sleep(100)
        """,
        CodeFailure.MEMORY_LIMIT,
    ),
    "memory that no process shows": (
        """
        import mmap, os, time
        for _ in range(8):
            if os.fork() == 0: break
        x = mmap.mmap(-1, 60 << 20)
        for i in range(60):
            x[i << 20 : (i + 1) << 20] = b"1" * (1 << 20)
            x.madvise(mmap.MADV_DONTNEED, i << 20, 1 << 20)
        print(9)
        """,
        CodeFailure.RUNTIME_ERROR,
    ),
    "memory of the device zero": (
        "import mmap, os\nmmap.mmap(os.open('/dev/zero', os.O_RDWR), 60 << 20)\nprint(9)",
        CodeFailure.RUNTIME_ERROR,
    ),
    "shared memory bomb": (
        """
        import mmap, os, time
        os.truncate(os.open("x", os.O_RDWR | os.O_CREAT), 3 << 20)
        for _ in range(15):
            if os.fork() == 0: break
        x = [mmap.mmap(os.open("x", os.O_RDWR), 3 << 20) for _ in range(4)]
        for each in x: each.write(b"1" * (3 << 20))
        y = b"1" * (10 << 20)
        time.sleep(100)
        """,
        CodeFailure.MEMORY_LIMIT,
    ),
    "large socket buffers": (
        """
        import socket
        socket.socketpair()[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
        print(9)
        """,
        CodeFailure.RUNTIME_ERROR,
    ),
    "memory of connections that nobody accepts": (
        """
        import socket
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("\\0listener")
            listener.listen()
        print(9)
        """,
        CodeFailure.RUNTIME_ERROR,
    ),
    "infinite output": ("while True: print('x' * 1000)", CodeFailure.OUTPUT_LIMIT),
    "endless loop": ("while True: pass", CodeFailure.TIME_LIMIT),
    "endless loop that ignores signals": (
        """
        import signal
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True: pass
        """,
        CodeFailure.TIME_LIMIT,
    ),
    "endless sleep": ("import time\ntime.sleep(1000)", CodeFailure.TIME_LIMIT),
    "endless loop in children that take turns": (
        """
        import os
        while True:
            if os.fork() == 0:
                for _ in range(3_000_000): pass
                os._exit(0)
            os.wait()
        """,
        CodeFailure.TIME_LIMIT,
    ),
    "children that nobody counts": (
        """
        import contextlib, os, signal, time
        with contextlib.suppress(OSError): signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        for _ in range(10):
            if os.fork() == 0:
                while time.process_time() < 0.3: pass
                os._exit(0)
            with contextlib.suppress(ChildProcessError): os.wait()
        print(9)
        """,
        CodeFailure.TIME_LIMIT,
    ),
    "waiting for a vfork": (
        """
        import ctypes, os, platform, time
        number = {"x86_64": 56, "aarch64": 220}[platform.machine()]
        if ctypes.CDLL(None).syscall(number, 0x4000 | 17, 0, 0, 0, 0) == 0:
            time.sleep(1000)
            os._exit(0)
        print(9)
        """,
        CodeFailure.TIME_LIMIT,
    ),
    "low priority": ("import os\nos.nice(1)\nprint(9)", CodeFailure.RUNTIME_ERROR),
    "idle priority": (
        "import os\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nprint(9)",
        CodeFailure.RUNTIME_ERROR,
    ),
    "endless loop in C": ("print(len(str(7 ** (7 ** 9))))", None),
    "recursion bomb": (
        "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()",
        None,
    ),
    "recursion in C": (
        "x = []\nfor _ in range(10 ** 6): x = [x]\nprint(repr(x) == repr(x))",
        None,
    ),
    "scratch filled": (
        "for i in range(10 ** 9): open(str(i), 'wb').write(bytes(1 << 20))",
        CodeFailure.RUNTIME_ERROR,
    ),
    "scratch filled with names": (
        "for i in range(10 ** 9): open(str(i), 'wb').close()",
        CodeFailure.RUNTIME_ERROR,
    ),
    "descriptors taken": ("import os\nwhile True: os.dup(0)", CodeFailure.RUNTIME_ERROR),
    "descriptors closed": ("import os\nos.closerange(0, 1000)\nprint(9)", None),
    "memory of no process": (
        "import os\nfds = [os.memfd_create('x') for _ in range(9)]",
        CodeFailure.RUNTIME_ERROR,
    ),
    "parent killed": (
        "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nos.kill(1, signal.SIGKILL)",
        None,
    ),
    "everybody killed": ("import os, signal\nos.kill(-1, signal.SIGKILL)\nprint(9)", None),
    "interpreter replaced": (
        "import os\nos.execv('/bin/sleep', ['sleep', '1000'])",
        CodeFailure.TIME_LIMIT,
    ),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_programs_end_and_are_wrong(name):
    code, failure = HARMFUL[name]
    result = judged(textwrap.dedent(code), STDIO)
    assert result.failure is not None
    assert result.failure not in (CodeFailure.STARVED, CodeFailure.VERIFIER)
    assert result.failure is (failure or result.failure)
    assert result.passed == 0


@pytest.mark.parametrize("name", ["fork bomb", "endless sleep", "everybody killed"])
@pytest.mark.parametrize("tests", FUNCTION_TESTS)
def test_harmful_functions_end_and_are_wrong(name, tests):
    body = textwrap.indent(textwrap.dedent(HARMFUL[name][0]), "    ")
    result = judged(f"def square(x):\n{body}\n    return 0", FUNCTION_TESTS[tests])
    assert result.failure not in (None, CodeFailure.STARVED, CodeFailure.VERIFIER)


def test_a_child_does_not_outlive_its_program():
    code = """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.closerange(0, 3)
                time.sleep(1000)
            os._exit(0)
        print(int(input()) ** 2)
        """
    assert judged(textwrap.dedent(code), STDIO).failure is None  # and then nothing stays


def test_the_network_is_not_there():
    """A server on this machine hears nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(1.0)
        heard = []

        def listen():
            with contextlib.suppress(TimeoutError):
                heard.append(server.accept())

        listener = threading.Thread(target=listen)
        listener.start()
        code = f"""
            import socket
            socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), timeout=1)
            print(9)
            """
        result = judged(textwrap.dedent(code), STDIO)
        listener.join()
    assert result.failure is CodeFailure.RUNTIME_ERROR
    assert heard == []


def test_nothing_is_written_outside():
    target = Path(__file__).parent / "written"
    code = f"""
        import os

        def write(path):
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                open(path, "w").write("x")
            except OSError:
                return False
            return True

        write({str(target)!r})  # in a /tmp of its own where this file lies under /tmp
        places = ["/usr/written", "/written", "/dev/written", "/opt/written"]
        print([place for place in places if write(place)] or 9)
        """
    assert judged(textwrap.dedent(code), STDIO).failure is None
    assert not target.exists()


def test_files_of_the_machine_are_not_there(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("9")
    for path in (
        secret,
        "/etc/passwd",
        "/etc/shadow",
        "/proc/1/environ",
        "/proc/self/maps",
        "/sys",
    ):
        code = f"import os\nprint(9 if os.path.exists({str(path)!r}) else 0)"
        assert judged(code, STDIO).failure is CodeFailure.WRONG_RESULT


# Looks for a number through everything that Python knows, through the memory it lies in (also what
# was freed), and through all files and descriptors. Its digits stand next to each other nowhere in
# the search itself.
SEARCH = """
import ctypes, gc, os, sys
LEFT, RIGHT = "73915", "50826"

def holds(text):
    left, right = (LEFT.encode(), RIGHT.encode()) if isinstance(text, bytes) else (LEFT, RIGHT)
    place = text.find(left)
    while place >= 0:
        if text[place + 5 : place + 10] == right: return True
        place = text.find(left, place + 1)
    return False

def in_objects():
    seen, queue = set(), [*gc.get_objects(), sys.modules]
    frame = sys._getframe()
    while frame is not None:
        queue += [frame.f_locals, frame.f_globals]
        frame = frame.f_back
    while queue:
        thing = queue.pop()
        if id(thing) not in seen:
            seen.add(id(thing))
            if isinstance(thing, (str, bytes)) and holds(thing): return True
            queue += gc.get_referents(thing)
    return False

def in_memory():
    # Pages with objects, and those between them that are not too far from either side.
    things = gc.get_objects()
    things += [inner for thing in things for inner in gc.get_referents(thing)]
    pages = {id(thing) >> 12 for thing in things}
    spans = []
    for page in sorted(pages):
        if spans and page - spans[-1][1] <= 64: spans[-1][1] = page
        else: spans.append([page, page])
    for first, last in spans:
        child = os.fork()  # some pages between may not be mapped
        if child == 0:
            memory = ctypes.string_at(first << 12, (last + 1 - first) << 12)
            os._exit(7 if holds(memory) else 0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7: return True
    return False

def in_files():
    for directory in ("/tmp", "/dev/shm", "/opt", "/proc", "/run", "/var"):
        for base, _, names in os.walk(directory):
            for name in names:
                try: data = open(os.path.join(base, name), "rb").read()
                except OSError: continue
                if holds(data): return True
    for descriptor in (0, *range(6, 128)):
        try: data = os.read(descriptor, 1 << 16)
        except OSError: continue
        if holds(data): return True
    return False

def search():
    return int(LEFT + RIGHT) if in_objects() or in_memory() or in_files() else 0
"""
EXPECTED = 7391550826
PATIENT = {"code_test_seconds": 8.0, "code_memory_mib": 512}


def test_a_program_finds_no_expected_output_in_reach():
    """Not even that of an answer that was right, just before, in the same sandbox."""
    tests = [{"input": "", "output": str(EXPECTED)}]
    assert judged(f"print({EXPECTED})", tests).failure is None
    result = judged(f"{SEARCH}\nprint(search())", tests, **PATIENT)
    assert result.failure is CodeFailure.WRONG_RESULT


@pytest.mark.parametrize(
    ("where", "hidden"),
    [
        ("in_objects()", "hidden = str(73915) + str(50826)"),
        ("in_memory()", "hidden = str(73915) + str(50826)"),
        ("in_memory()", "hidden = [str(73915) + str(50826) for _ in range(1000)]\ndel hidden"),
        ("in_files()", "open('x', 'w').write(str(73915) + str(50826))"),
    ],
)
def test_the_search_finds_what_is_in_reach(where, hidden):
    code = f"{SEARCH}\n{hidden}\nprint(9 if {where} else 0)"
    assert judged(code, STDIO, **PATIENT).failure is None


@pytest.mark.parametrize("tests", FUNCTION_TESTS)
def test_a_function_finds_no_expected_result_in_reach(tests):
    encoded = eval(repr(FUNCTION_TESTS[tests]).replace("9", str(EXPECTED)))
    node = "Node" if tests == "objects" else ""
    assert judged(f"def square(x): return {node}({EXPECTED})", encoded).failure is None
    code = f"{SEARCH}\ndef square(x): return {node}(search())"
    assert judged(code, encoded, **PATIENT).failure is CodeFailure.WRONG_RESULT


FORGERIES = {
    "sys.exit(0)": "import sys\nsys.exit(0)",
    "os._exit(0)": "import os\nos._exit(0)",
    "sys.exit(0) in the function": "import sys\ndef square(x): sys.exit(0)",
    "os._exit(0) in the function": "import os\ndef square(x): os._exit(0)",
    "prints the answer": "print(9)\ndef square(x): print(9)",
    "prints marks of success": (
        'print(\'{"passed": 1, "total": 1, "failure": null}\')\nprint(\'OK\')\n'
        "def square(x): print('1 passed')"
    ),
    "object equal to everything": (
        "class Same:\n"
        "    def __eq__(self, other): return True\n"
        "    def __ne__(self, other): return False\n"
        "    def __hash__(self): return 9\n"
        "    def __bool__(self): return True\n"
        "    value = property(lambda self: self)\n"
        "def square(x): return Same()"
    ),
    "number equal to everything": (
        "class Same(int):\n"
        "    def __eq__(self, other): return True\n"
        "    value = property(lambda self: self)\n"
        "def square(x): return Same(0)"
    ),
    "class of the tests redefined": (
        "class Same:\n    def __eq__(self, other): return True\n"
        "class Node:\n"
        "    def __init__(self, value=0): self.value = Same()\n"
        "    def __eq__(self, other): return True\n"
        "def square(x): return Node()"
    ),
    "builtins patched": (
        "import builtins\n"
        "builtins.AssertionError = type('Quiet', (BaseException,), {})\n"
        "builtins.abs = builtins.len = builtins.isinstance = lambda *_: True\n"
        "builtins.__build_class__ = None\n"
        "def square(x): return 0"
    ),
    "json patched": (
        "import json\n"
        'json.dumps = lambda *_, **__: \'{"result": {"values": [9, null], "objects": []}} \'[:0]\n'
        "json.loads = lambda *_, **__: 9\n"
        "def square(x): return 0"
    ),
    "writer patched": (
        "import sys\n"
        "for module in list(sys.modules.values()):\n"
        "    for name in ('judge', 'serve', 'same_result', 'check'):\n"
        "        if hasattr(module, name): setattr(module, name, lambda *_, **__: True)\n"
        "def square(x): return 0"
    ),
    "assert switched off": "import sys\nsys.flags\n__debug__\ndef square(x): return 0",
    "exit handler": ("import atexit, os\natexit.register(os._exit, 0)\ndef square(x): return 0"),
    "check redefined": (
        "def check(candidate): pass\ndef candidate(*_): return 9\ndef square(x): return 0"
    ),
    "frames of the caller": (
        "import sys\n"
        "def square(x):\n"
        "    frame = sys._getframe()\n"
        "    while frame is not None:\n"
        "        for name in ('passed', 'total', 'failure', 'result', 'verdict', 'reply'):\n"
        "            frame.f_locals[name] = 9 if name == 'result' else None\n"
        "        frame = frame.f_back\n"
        "    return 0"
    ),
    "writes a verdict on all descriptors": (
        "import os\n"
        "def square(x):\n"
        "    for descriptor in range(64):\n"
        '        for text in (b\'{"passed": 1, "total": 1, "failure": null, "reason": ""}\\n\',):\n'
        "            try: os.write(descriptor, text)\n"
        "            except OSError: pass\n"
        "    return 0"
    ),
    "StopIteration": "def square(x): raise StopIteration",
    "AssertionError of its own": "def square(x): raise AssertionError",
    "stops the checker": (
        "import os, signal\n"
        "def square(x):\n"
        "    for pid in range(1, 50):\n"
        "        if pid != os.getpid():\n"
        "            try: os.kill(pid, signal.SIGKILL)\n"
        "            except OSError: pass\n"
        "    return 0"
    ),
    "nothing": "",
    "no Python": "def square(x) return 9",
    "infinite": "def square(x):\n    while True: yield 9",
    "not a number": "def square(x): return float('nan')",
}


@pytest.mark.parametrize("tests", FUNCTION_TESTS)
@pytest.mark.parametrize("name", FORGERIES)
def test_forged_success_is_wrong(name, tests):
    result = judged(FORGERIES[name], FUNCTION_TESTS[tests])
    assert result.failure not in (None, CodeFailure.STARVED, CodeFailure.VERIFIER)
    assert result.passed == 0


@pytest.mark.parametrize("name", ["sys.exit(0)", "os._exit(0)", "exit handler", "nothing"])
def test_forged_success_of_a_program_is_wrong(name):
    assert judged(FORGERIES[name], STDIO).failure is CodeFailure.WRONG_RESULT


def test_exceptions_cannot_end_the_loop_of_a_test():
    check = CHECK | {"test_code": "def check(f):\n    assert all(map(lambda x: f(x) == 9, [3]))\n"}
    for error in ("StopIteration", "StopAsyncIteration", "GeneratorExit"):
        result = judged(f"def square(x): raise {error}", check)
        assert result.failure is CodeFailure.RUNTIME_ERROR
    assert judged("def square(x): return x * x", check).failure is None


def test_an_answer_does_not_say_what_it_contains():
    check = CHECK | {"test_code": "def check(f):\n    assert 9 in f(3)\n"}
    everything = (
        "class Everything:\n"
        "    def __contains__(self, item): return True\n"
        "    def __iter__(self): return iter([1, 2])\n"
        "def square(x): return Everything()"
    )
    assert judged(everything, check).failure is CodeFailure.WRONG_RESULT
    assert judged(everything.replace("[1, 2]", "[9]"), check).failure is None


def test_a_test_that_expects_an_exception_is_not_passed_by_ending():
    check = CHECK | {
        "test_code": (
            "def check(candidate):\n"
            "    try:\n"
            "        candidate(-1)\n"
            "    except Exception:\n"
            "        return\n"
            "    assert False\n"
        )
    }
    assert judged("import os\ndef square(x): os._exit(0)", check).failure is not None
    assert judged("def square(x): raise ValueError", check).failure is None


CPP_ATTACKS = {
    "include of a file": ('#include "/etc/passwd"\nint main() {}', CodeFailure.COMPILE_ERROR),
    "bomb of templates": (
        "template <int n> struct F { static const int v = F<n - 1>::v + F<n - 2>::v; };\n"
        "template <class T, int n> struct G { G<G<T, n>, n + 1> x; };\n"
        "int main() { return sizeof(G<int, 0>); }",
        None,
    ),
    "endless loop": (
        "int main() { for (volatile int x = 0;; x = x + 1); }",
        CodeFailure.TIME_LIMIT,
    ),
    "segmentation fault": ("int main() { *(volatile int*)0 = 1; }", CodeFailure.RUNTIME_ERROR),
    "abort": ("#include <cstdlib>\nint main() { abort(); }", CodeFailure.RUNTIME_ERROR),
    "fork bomb": (
        "#include <unistd.h>\nint main() { while (1) fork(); }",
        CodeFailure.PROCESS_LIMIT,
    ),
}


@pytest.mark.parametrize("name", CPP_ATTACKS)
def test_harmful_cpp_programs_end_and_are_wrong(name):
    code, failure = CPP_ATTACKS[name]
    result = judged(code, STDIO, Language.CPP, code_memory_mib=512)
    assert result.failure not in (None, CodeFailure.STARVED, CodeFailure.VERIFIER)
    assert result.failure is (failure or result.failure)


@pytest.mark.parametrize("name", ["ptmx", "tty", "zero", "pts/0"])
def test_programs_in_cpp_include_no_device_that_waits(name):
    code = f'#include "/dev/{name}"\nint main() {{}}'
    result = judged(code, STDIO, Language.CPP, code_memory_mib=512)
    assert result.failure is CodeFailure.COMPILE_ERROR


YES = """
class Yes:
    def __getattr__(self, name): return lambda *_, **__: {said}
def f(*_): return Yes()
class Solution:
    def f(self, *_): return Yes()
"""
NODE = """
class Node:
    def __init__(self, value): self.value = value
    def same(self, other): return self.value == other.value
"""


METHOD_TESTS = [
    "f('abc').startswith('x')",
    "f('12').isdigit()",
    "f([1]).issubset({1, 2})",
    "f(3)[0].isdigit()",
    "f(3).isdigit() is True",
    "f(3).isdigit() == True",
    "True == f(3).isdigit()",
    "not f('abc').startswith('x')",
    "f('abc').startswith('x') == False",
    "all(f(i).isdigit() for i in range(3))",
    "any(map(lambda i: f(i).isdigit(), range(3)))",
    "sum(f(i).isdigit() for i in range(3)) in (0, 3)",
    "any(f(3).split())",
    "f(3).partition('x')[0] or not f(3).partition('x')[0]",
    "f('abc').find('x') >= f('abc').find('c')",
    "-1 < f('abc').find('x') or f('abc').find('x') < 1",
    "f('abc').lower() == f('abc').lower()",
    "Solution().f(3).is_integer()",
]


@pytest.mark.parametrize("test", METHOD_TESTS)
def test_an_object_that_was_returned_does_not_say_yes_or_no(test):
    """Whatever it says: one of the values would be right."""
    wrong = (CodeFailure.WRONG_RESULT, CodeFailure.RUNTIME_ERROR)
    for said in ("True", "False", "1", "0", "'yes'", "''", "[0]", "[]", "None", "2.5", "Yes()"):
        result = judged(YES.format(said=said), {"assert_case": [f"assert {test}"]})
        assert result.failure in wrong, said
    if "Solution" not in test:
        check = f"def check(candidate):\n    assert {test.replace('f(', 'candidate(')}\n"
        encoded = {"import_prefix": "", "test_code": check, "entry_point": "f"}
        assert judged(YES.format(said="1"), encoded).failure in wrong


def test_what_an_object_that_was_returned_says_is_compared():
    code = """
        class Circle:
            def __init__(self, radius): self.radius, self.next, self.name = radius, None, "circle"
            def area(self): return 3.14159 * self.radius ** 2
            def grow(self): self.radius += 1
            def times(self, numbers): return self.radius * numbers[0]
            def corners(self): return []
            def sizes(self): return [self.radius, 2 * self.radius]
        def f(radius): return Circle(radius)
        """
    statements = [
        "c = f(2)\nassert c.radius == 2 and 2 == c.radius and c.radius != 3",
        "assert abs(c.area() - 12.566) < 1e-3 and abs(12.566 - c.area()) < 1e-3",
        "assert round(c.area(), 1) == 12.6 and isclose(c.area(), 12.56636)",
        "assert f'{c.area():.2f}' == '12.57' and str(c.radius) == '2'",
        "c.grow()\nassert c.radius == 3 and {c.radius: 1}[3] == 1",
        "assert c.next is None and c.name.startswith('cir') and isinstance(c.radius, int)",
        "assert c.sizes() == [3, 6] and list(c.sizes()) == [3, 6] and len(c.sizes()) == 2",
        "assert c.sizes()[1] == 6 and 6 in c.sizes() and (c.radius, c.name) == (3, 'circle')",
        "assert c.corners() == []",
        "assert c.times([c.radius]) == 9",
    ]
    result = judged(textwrap.dedent(code), {"assert_case": statements})
    assert (result.passed, result.failure) == (len(statements), None)


def test_an_object_that_the_test_made_does():
    code = """
        class Stack:
            def __init__(self): self.items = []
            def push(self, x): self.items.append(x)
            def is_empty(self): return not self.items
        def adder(x): return lambda y: x + y > 3
        """
    statements = [
        "stack = Stack()\nassert stack.is_empty()\nstack.push(3)\nassert not stack.is_empty()",
        "assert adder(2)(2) and not adder(1)(2)",
    ]
    assert judged(textwrap.dedent(code), {"assert_case": statements}).failure is None


def test_methods_of_the_tests_classes_are_theirs():
    check = "def check(candidate):\n    assert candidate(3).same(Node(9))\n"
    encoded = {"import_prefix": NODE, "test_code": check, "entry_point": "f"}
    assert judged("def f(x): return Node(x * x)", encoded).failure is None
    wrong = "def f(x):\n    node = Node(0)\n    {}\n    return node"
    for forgery in (
        "node.same = lambda other: True",
        "node.__dict__ = {'same': lambda other: True}",
        "node.same = True",
    ):
        result = judged(wrong.format(forgery), encoded)
        assert result.failure not in (None, CodeFailure.VERIFIER)


def test_an_answer_that_returns_something_changes_no_argument():
    """One that patches its own process would empty what says what is right."""
    encoded = {"assert_case": ["x = [3, 1, 2]\nassert sort(x) == sorted(x)"]}
    code = """
        import sys
        wire = sys.modules["megatron_urpo.rewards.sandbox.wire"]
        write = wire.Writer.write
        wire.Writer.write = lambda self, *values: write(self, [], [[[]], {}])
        def sort(x): return []
        """
    result = judged(textwrap.dedent(code), encoded)
    assert result.failure is CodeFailure.WRONG_RESULT
    assert judged("def sort(x):\n    x.clear()\n    return x", encoded).failure is not None
