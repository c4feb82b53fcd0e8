"""What an interpreter does around a Python program, for one that was forked and not started.

A program must find what it would find in `python program.py`: the names that the module site adds,
its own __file__, streams of its own. At its end all that it wrote has to leave the process, from
buffers of Python and of the C library alike.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import gc
import io
import os
import site
import sys
import threading
import traceback
from types import ModuleType
from typing import IO, Any

from megatron_urpo.rewards.sandbox import kernel

STDIN, STDOUT, STDERR = range(3)
_NAME = "program.py"
_FLUSH_FAILED = 120  # the exit code that the interpreter has for it
# A box has no /proc, through which the kernel would find them.
_STREAM_FILES = {
    name: descriptor
    for descriptor, stream in ((STDOUT, "stdout"), (STDERR, "stderr"))
    for name in (f"/dev/{stream}", f"/dev/fd/{descriptor}", f"/proc/self/fd/{descriptor}")
}


def add_site_names() -> None:
    """Give exit, quit, help and their like, which the interpreter leaves out without site."""
    site.setquit()
    site.setcopyright()
    site.sethelper()


def open_streams() -> None:
    """Fresh standard streams: those of this process belong to descriptors that are gone."""
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(  # type: ignore[misc]
        io.BufferedReader(io.FileIO(STDIN, "r", closefd=False)), encoding="utf-8"
    )
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(  # type: ignore[misc]
        io.BufferedWriter(io.FileIO(STDOUT, "w", closefd=False), 1 << 16), encoding="utf-8"
    )
    sys.stderr = sys.__stderr__ = io.TextIOWrapper(  # type: ignore[misc]
        io.BufferedWriter(io.FileIO(STDERR, "w", closefd=False)),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )


def run_program(source: bytes) -> int:
    """Run a program as the module __main__, to the end of its threads; the exit code."""
    module = ModuleType("__main__")
    vars(module).update(__file__=os.path.join(os.getcwd(), _NAME), __builtins__=builtins)
    sys.modules["__main__"] = module
    sys.argv = [_NAME]
    open_streams()
    _know_stream_files()
    try:
        exec(compile(source, _NAME, "exec", dont_inherit=True), vars(module))
        code = 0
    except SystemExit as error:
        code = _exit_code(error.code)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    return _finish(module) or code


def _exit_code(code: object) -> int:
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else 1


def _know_stream_files() -> None:
    """Let open() find the standard streams under their names in /dev."""
    genuine = io.open

    def open_file(file: Any, *arguments: Any, **named: Any) -> IO[Any]:
        descriptor = _STREAM_FILES.get(str(file))
        return genuine(file if descriptor is None else os.dup(descriptor), *arguments, **named)

    builtins.open = io.open = open_file  # type: ignore[assignment]


def _finish(module: ModuleType) -> int:
    """The end of a program, in the order of the interpreter's; an exit code if it fails, or 0."""
    threading._shutdown()  # type: ignore[attr-defined] # waits for its threads
    atexit._run_exitfuncs()
    code = _flush()
    # Files that the program left open write their buffers when they go, and so may objects.
    names = vars(module)
    for name in [name for name in names if name.startswith("_") and name[1:2] != "_"]:
        names[name] = None
    for name in [name for name in names if name != "__builtins__"]:
        names[name] = None
    gc.collect()
    code = _flush() or code
    kernel.flush_c_streams()
    return code


def _flush() -> int:
    code = 0
    for stream in (sys.stdout, sys.__stdout__):
        # None, closed or detached: what it held is written, or belongs to another stream.
        with contextlib.suppress(ValueError, AttributeError):
            try:
                stream.flush()  # type: ignore[union-attr]
            except OSError:
                code = _FLUSH_FAILED
    return code
