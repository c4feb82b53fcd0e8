"""What runs in a box, in the process that confine left without rights."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable

from megatron_urpo.rewards.sandbox import answer, checker, interpreter
from megatron_urpo.rewards.sandbox.channel import Channel, ChannelClosedError

# Descriptors, by what they are for. A program has the first three only.
STDIN, STDOUT, STDERR = interpreter.STDIN, interpreter.STDOUT, interpreter.STDERR
DOCUMENT, RECEIVE, SEND, RESULT = range(3, 7)
COMPILER = ("g++", "-O2", "-pipe", "-w", "-x", "c++")
# Tried in this order: compilers lack the newer one, and programs may use its keywords as names.
_STANDARDS = ("-std=gnu++20", "-std=gnu++17")
NO_COMPILER = 3  # exit code of the compiler's box


def run(role: str, max_line_bytes: int) -> int:
    """Do what the role says with the descriptors as named above; the exit code."""
    random.seed(0)  # the same answer gets the same verdict
    for name, function in _ROLES.items():
        if name == role:
            return function(max_line_bytes)
    raise ValueError(f"role = {role!r}: one of {', '.join(_ROLES)} is known")


def _document() -> bytes:
    with open(DOCUMENT, "rb") as file:
        return file.read()


def _program(max_line_bytes: int) -> int:
    """A Python program, as if the interpreter had been started for it."""
    return interpreter.run_program(_document())


def _functions(max_line_bytes: int) -> int:
    """An answer whose functions are called through the channel."""
    document = json.loads(_document())
    interpreter.open_streams()
    try:
        answer.serve(document, Channel(RECEIVE, SEND, max_line_bytes))
    except ChannelClosedError:
        return 0
    except BaseException:  # noqa: BLE001 - the answer itself failed
        return 1
    return 0


def _checker(max_line_bytes: int) -> int:
    """Test code that calls an answer through the channel.

    The result is a line with the number of tests, an empty one for each that was passed, and the
    verdict.
    """
    document = json.loads(_document())
    interpreter.open_streams()
    with open(RESULT, "w", encoding="utf-8") as file:

        def write_line(content: object = "") -> None:
            print(content, file=file, flush=True)

        channel = Channel(RECEIVE, SEND, max_line_bytes)
        verdict = checker.judge(document, channel, begin=write_line, count=write_line)
        json.dump(verdict, file)
    return 0


def _compiler(max_line_bytes: int) -> int:
    """g++ on a C++ program; the binary goes to the descriptor for results."""
    with open("program.cpp", "wb") as file:
        file.write(_document())
    for standard in _STANDARDS:
        command = [*COMPILER, standard, "program.cpp", "-o", "program"]
        try:
            pid = os.posix_spawnp(command[0], command, dict(os.environ))
        except FileNotFoundError:
            return NO_COMPILER
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0:
            with open("program", "rb") as binary, open(RESULT, "wb") as result:
                result.write(binary.read())
            return 0
    return 1


def _binary(max_line_bytes: int) -> int:
    """A compiled program."""
    with open("program", "wb") as file:
        file.write(_document())
    os.chmod("program", 0o755)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it
    os.execve("program", ["program"], dict(os.environ))


_ROLES: dict[str, Callable[[int], int]] = {
    "program": _program,
    "functions": _functions,
    "checker": _checker,
    "compiler": _compiler,
    "binary": _binary,
}
