"""Programs that are right under `python program.py` are right in a box."""

import textwrap

import pytest

from megatron_urpo.code_tests.records import CodeFailure, Language
from tests.unit.rewards.code_answers import judged

pytestmark = pytest.mark.usefixtures("bubblewrap")

SQUARE = [{"input": "3\n", "output": "9\n"}]
HONEST = {
    "exit": "print(int(input()) ** 2)\nexit()",
    "quit": "print(int(input()) ** 2)\nquit()",
    "exit in a function": "def main():\n    print(int(input()) ** 2)\n    exit(0)\nmain()",
    "other names of site": "help, copyright, credits, license\nprint(int(input()) ** 2)",
    "its own file": "import os\nassert os.path.isabs(__file__)\nprint(int(input()) ** 2)",
    "builtins are a module": "__builtins__.print(int(input()) ** 2)",
    "/dev/stdin": "print(int(open('/dev/stdin').read()) ** 2)",
    "/dev/stdin for input": "import sys\nsys.stdin = open('/dev/stdin')\nprint(int(input()) ** 2)",
    "/dev/stdin of a child": (
        "import subprocess\nprint(int(subprocess.check_output(['cat', '/dev/stdin'])) ** 2)"
    ),
    "/dev/stdout": "open('/dev/stdout', 'w').write(str(int(input()) ** 2))",
    "/proc/self/fd/1": "with open('/proc/self/fd/1', 'w') as out: out.write('9')",
    "written at exit": """
        import atexit, io, sys
        sys.stdout = buffer = io.StringIO()
        atexit.register(lambda: sys.__stdout__.write(buffer.getvalue()))
        print(int(input()) ** 2)
        """,
    "written to the first stdout": """
        import io, sys
        sys.stdout = io.StringIO()
        print(int(input()) ** 2)
        sys.__stdout__.write(sys.stdout.getvalue())
        """,
    "a file of its own": "out = open(1, 'w')\nout.write(str(int(input()) ** 2))",
    "stdout replaced afterwards": """
        import io, sys
        print(int(input()) ** 2)
        sys.stdout = io.StringIO()
        print("debug")
        """,
    "stdout detached": """
        import io, sys
        out = io.TextIOWrapper(sys.stdout.detach())
        print(int(input()) ** 2, file=out)
        """,
    "stdout closed": "import sys\nprint(int(input()) ** 2)\nsys.stdout.close()",
    "written by a finalizer": """
        class Late:
            def __init__(self, x): self.x = x
            def __del__(self): print(self.x ** 2)
        late = Late(int(input()))
        """,
    "written by a finalizer in a cycle": """
        class Late:
            def __init__(self, x): self.x, self.self = x, self
            def __del__(self): print(self.x ** 2)
        Late(int(input()))
        """,
    "written by the C library": """
        import ctypes
        ctypes.CDLL(None).printf(b"%d", int(input()) ** 2)
        """,
    "stack without end": """
        import resource, threading
        resource.setrlimit(resource.RLIMIT_STACK, (resource.RLIM_INFINITY,) * 2)
        threading.stack_size(32 << 20)
        print(int(input()) ** 2)
        """,
    "a larger stack": """
        import resource, sys
        resource.setrlimit(resource.RLIMIT_STACK, (1 << 29, -1))
        sys.setrecursionlimit(10 ** 6)
        def f(n): return n and 1 + f(n - 1)
        f(20_000)
        print(int(input()) ** 2)
        """,
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_programs_pass(name):
    code = textwrap.dedent(HONEST[name])
    assert judged(code, SQUARE, code_memory_mib=512).failure is None


@pytest.mark.parametrize(
    "code",
    [
        "print(9)\nexit(1)",
        "print(9)\nexit('an error')",
        "print(9)\nimport os\nos.closerange(0, 64)",  # the output is lost
    ],
)
def test_programs_that_fail_still_fail(code):
    assert judged(code, SQUARE).failure is CodeFailure.RUNTIME_ERROR


def test_cpp_reads_dev_stdin():
    code = """
        #include <cstdio>
        int main() {
            int n;
            freopen("/dev/stdin", "r", stdin);
            scanf("%d", &n);
            printf("%d", n * n);
        }
        """
    assert judged(code, SQUARE, Language.CPP, code_memory_mib=512).failure is None


def test_dev_stdin_is_read_only_and_whole():
    """More than a pipe holds; and a program that may write there would have memory of no limit."""
    text = "12345678\n" * 100_000
    code = """
        import os
        try: os.chmod("/dev/stdin", 0o666)
        except OSError: pass
        try: os.open("/dev/stdin", os.O_WRONLY)
        except OSError: print(len(open("/dev/stdin").read()))
        """
    tests = [{"input": text, "output": str(len(text))}]
    assert judged(textwrap.dedent(code), tests).failure is None
