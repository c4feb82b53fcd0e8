"""Functions that the tests of the worker pool run in workers."""

import os
import subprocess
import sys
import time


def echo(job):
    print("a function may print")
    return job


def pair(job, attached):
    return [job, attached]


def process_id(job):
    return os.getpid()


def loaded(job):
    return [name for name in job if name in sys.modules]


def behave(job):
    """Do what the job says: answer, die, raise, hang, hang in C or hang with a child."""
    if job == "die":
        os._exit(3)
    if job == "raise":
        raise RuntimeError("raised on purpose")
    if job == "hang":
        time.sleep(3600)
    if job == "hang in C":
        return len(str(7 ** (7**9)))  # one uninterruptible operation
    if isinstance(job, dict):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        with open(job["child_file"], "w") as file:
            file.write(str(child.pid))
        time.sleep(3600)
    return job


def take_memory(job):
    return len(bytearray(job))
