"""The child side of a WorkerPool: reads JSON jobs from a pipe, answers in JSON, one at a time.

Imports nothing but the standard library and the function it serves, so that a worker is ready
quickly and never loads torch.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys

MEMORY_LIMIT_BYTES = 4 << 30
# The pool kills a worker at its wall clock; this much later the worker ends by itself, for the case
# that the pool's own process is gone. The default action of SIGALRM interrupts even C code.
ALARM_MARGIN_SECONDS = 5.0


def serve(target: str) -> None:
    """Serve `target` ("module:function", JSON values in, JSON value out) until stdin closes.

    The first line written says that the function is loaded. Then each line read is `{"job": ...,
    "timeout_seconds": ..., "is_attached": ...}`, where that is true followed by a line with a
    second argument, and each line written its result. An exception ends the process: its
    traceback goes to stderr, and the pool starts another.
    """
    # Replies have a descriptor of their own: what the function prints must not mix with them.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Slurm signals all processes of a step to have the run saved. The step that is under way still
    # needs its verdicts; afterwards the pool kills its workers.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    module, function = target.split(":")
    run = getattr(importlib.import_module(module), function)
    print(json.dumps("ready"), file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, request["timeout_seconds"] + ALARM_MARGIN_SECONDS)
        attached = [json.loads(next(sys.stdin))] if request["is_attached"] else []
        result = run(request["job"], *attached)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(result), file=replies, flush=True)
