"""The tests' side: runs test code that calls an answer in another process.

The answer never sees the test code, and what comes back from it is plain data (wire), so that an
answer can neither replace the comparison nor make an object that compares as it likes. An answer's
own objects stay where they are and are stood for by a Remote, which refuses to be compared, hashed
or taken for true. An object that was returned where a test expects a text or a list would say yes
to startswith or issubset: what such an object says of itself is hearsay.
"""

from __future__ import annotations

import ast
import builtins
import collections
import random
from collections.abc import Callable
from enum import Enum
from typing import Any, NoReturn

from megatron_urpo.code_tests.names import PRELUDE
from megatron_urpo.rewards.sandbox.answer import module_namespace, run_code, setup_classes
from megatron_urpo.rewards.sandbox.channel import Channel, ChannelClosedError, LineTooLongError
from megatron_urpo.rewards.sandbox.hearsay import ArgumentWriter, StandIn, heard
from megatron_urpo.rewards.sandbox.wire import Reader, WireError

_COUNTER = "__count_passed__"
_OF_ANSWER = "__raised_by_answer__"
# A StopIteration would end a loop of the test early, as if all of it had passed.
_NOT_RAISED_AGAIN = (StopIteration, StopAsyncIteration, UnicodeError, BaseExceptionGroup)
_EXCEPTIONS = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type)
    and issubclass(kind, Exception)
    and not issubclass(kind, _NOT_RAISED_AGAIN)
}


class Standing(Enum):
    """What a Remote is to the test."""

    FUNCTION = "function"  # a name that the test calls
    CLASS = "class"  # the same, with a capital letter
    OBJECT = "object"  # the test made it from a class, or it is part of one that it made
    RESULT = "result"  # returned by what the test called
    PART = "part"  # an attribute of a result, or what came of one


# Their results have a type of Python's own, which the built-in function insists on.
_CONVERSIONS = ("length", "text", "representation")


def _standing_of_outcome(standing: Standing, operation: str) -> Standing:
    if standing is Standing.FUNCTION:
        return Standing.RESULT
    if standing is Standing.CLASS:
        return Standing.OBJECT
    if standing is Standing.OBJECT:
        return Standing.RESULT if operation == "call" else Standing.OBJECT
    return Standing.PART if operation == "attribute" else standing


# Both are no Exception: test code that expects one must not take them for it.
class AnswerLostError(BaseException):
    """The answer's process ended, or does not keep to the protocol."""


class UnsupportedTestError(BaseException):
    """The test passes on what cannot travel: no answer can be judged by it."""


def judge(
    document: dict[str, Any],
    channel: Channel,
    begin: Callable[[int], None],
    count: Callable[[], None],
) -> dict[str, Any]:
    """Run test code on the answer at the other end.

    Args:
        document: "setup"; "names", what the tests take from the answer; and either "statements" or
            "check" and "entry_point" (megatron_urpo.code_tests.records.AssertTests, CheckTests).
        begin: called with the number of tests after the setup, before anything comes from the
            answer.
        count: called after each test that was passed.

    Returns:
        "passed" and "total" tests; "failure": a value of CodeFailure in
        megatron_urpo.code_tests.records, or None; "reason": the exception, for people.
    """
    random.seed(0)  # tests that draw their cases draw the same ones for every answer
    namespace = module_namespace("tests", dict(PRELUDE))
    run_code(document["setup"], "<setup>", namespace)
    calls = _Calls(channel, setup_classes(namespace))
    for name in document["names"]:
        namespace[name] = _named(calls, name)
    passed = 0

    def count_passed() -> None:
        nonlocal passed
        passed += 1
        count()

    if "check" in document:
        tree, total = _counted(document["check"])
        namespace[_COUNTER] = count_passed
        candidate = _named(calls, document["entry_point"])
    else:
        total = len(document["statements"])
    begin(total)
    try:
        if "check" in document:
            run_code(tree, "<check>", namespace)
            if namespace["check"](candidate) is False:
                raise AssertionError("check returned False")
            passed = total
        else:
            for statement in document["statements"]:
                run_code(statement, "<assert>", namespace)
                count_passed()
        if calls.lost is not None:  # and test code went on all the same
            raise calls.lost
        failure, reason = None, ""
    except AnswerLostError as error:
        too_long = isinstance(error.__cause__, LineTooLongError)
        failure, reason = ("output_limit" if too_long else "runtime_error"), repr(error)
    except (ImportError, UnsupportedTestError) as error:
        # A module that the sandbox does not have, unless it is the answer that misses it.
        failure = "runtime_error" if hasattr(error, _OF_ANSWER) else "verifier"
        reason = repr(error)
    except BaseException as error:  # noqa: BLE001 - whatever test code raises says that it failed
        failure = "runtime_error" if hasattr(error, _OF_ANSWER) else "wrong_result"
        reason = repr(error)
    return {"passed": passed, "total": total, "failure": failure, "reason": reason[:200]}


def _counted(check: str) -> tuple[ast.Module, int]:
    """The check with a count after each assert of its outermost block, and their number."""
    tree = ast.parse(check)
    count = ast.parse(f"{_COUNTER}()").body[0]
    total = 0
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and function.name == "check":
            body: list[ast.stmt] = []
            for statement in function.body:
                body.append(statement)
                if isinstance(statement, ast.Assert):
                    body.append(count)
                    total += 1
            function.body = body
    return ast.fix_missing_locations(tree), max(1, total)


class _Calls:
    """Requests to the answer's process."""

    def __init__(self, channel: Channel, classes: dict[str, type]) -> None:
        self._channel = channel
        self._standing = Standing.RESULT  # of what is being read
        self._reader = Reader(
            classes, lambda number: Remote(self, ["handle", number], self._standing)
        )
        self._writer = ArgumentWriter(classes, _write_handle)
        self.lost: AnswerLostError | None = None

    def request(
        self, remote: Remote, operation: str, positional: tuple[Any, ...], named: dict[str, Any]
    ) -> Any:
        target = object.__getattribute__(remote, "_target")
        standing = object.__getattribute__(remote, "_standing")
        self._standing = _standing_of_outcome(standing, operation)
        arguments = self._writer.write(list(positional), named)
        message = {"target": target, "operation": operation, "arguments": arguments}
        try:
            sent_bytes = self._channel.send(message)
            reply = self._channel.receive()
            raised = _exception(reply["raised"]) if "raised" in reply else None
            if raised is None:
                result = self._reader.read(reply["result"])[0]
                # With a result an answer could change what the test compares the result with.
                if result is None:
                    now = self._channel.receive(more_bytes=sent_bytes)
                    changed, changed_named = self._reader.read(now["arguments"])
        except (
            ChannelClosedError,
            WireError,
            RecursionError,
            KeyError,
            TypeError,
            ValueError,
        ) as error:
            self.lost = AnswerLostError(repr(error))
            raise self.lost from error
        if raised is not None:
            setattr(raised, _OF_ANSWER, True)  # a test may keep it, and raise it later
            raise raised
        if result is None:
            for before, after in zip(positional, changed, strict=False):
                _update(before, after)
            for name, before in named.items():
                _update(before, changed_named.get(name, before))
        if self._standing is not Standing.PART or operation in _CONVERSIONS:
            return result
        # A list of nodes ends in an attribute that `is None`; a method of a text has no such.
        return None if result is None and operation == "attribute" else heard(result)


def _write_handle(value: Any) -> list[Any]:
    if type(value) is Remote:
        kind, number = object.__getattribute__(value, "_target")
        if kind == "handle":
            return [kind, number]
    raise UnsupportedTestError(f"an argument of type {type(value).__name__} cannot be passed on")


def _exception(names: list[str]) -> Exception:
    kinds = (_EXCEPTIONS[name] for name in names if name in _EXCEPTIONS)
    return next(kinds, RuntimeError)(f"the answer raised {names[0]}")


def _update(before: Any, after: Any) -> None:
    """Give an argument the content it has after a call that worked in place."""
    if type(before) is not type(after):
        return
    match before:
        case list():
            before[:] = after
        case dict() | set() | collections.deque():
            before.clear()
            (before.extend if isinstance(before, collections.deque) else before.update)(after)
        case _ if hasattr(before, "__dict__"):
            vars(before).clear()
            vars(before).update(vars(after))


class Remote(StandIn):
    """Stands for a function or an object of the answer."""

    __slots__ = ("_calls", "_standing", "_target")

    def __init__(self, calls: _Calls, target: list[Any], standing: Standing) -> None:
        object.__setattr__(self, "_calls", calls)
        object.__setattr__(self, "_target", target)
        object.__setattr__(self, "_standing", standing)

    def __call__(self, *positional: Any, **named: Any) -> Any:
        return _request(self, "call", positional, named)

    def __getattr__(self, name: str) -> Any:
        return _request(self, "attribute", (name,), {})

    def __getitem__(self, key: Any) -> Any:
        return _request(self, "item", (key,), {})

    def __contains__(self, item: Any) -> bool:
        return item in list(self)  # an answer does not get to say yes

    def __len__(self) -> int:
        return _request(self, "length", (), {})

    def __iter__(self) -> Any:
        return iter(_request(self, "list", (), {}))

    def __str__(self) -> str:
        return _request(self, "text", (), {})

    def __repr__(self) -> str:
        return _request(self, "representation", (), {})

    def _refuse(self, *_: Any) -> NoReturn:
        raise TypeError("an object of the answer's own class cannot be compared")

    __eq__ = __ne__ = __bool__ = __hash__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = _refuse


def _request(
    remote: Remote, operation: str, positional: tuple[Any, ...], named: dict[str, Any]
) -> Any:
    calls: _Calls = object.__getattribute__(remote, "_calls")
    return calls.request(remote, operation, positional, named)


def _named(calls: _Calls, expression: str) -> Remote:
    """A name of the answer's, or the expression for what is tested."""
    is_class = expression.isidentifier() and expression[0].isupper()
    standing = Standing.CLASS if is_class else Standing.FUNCTION
    return Remote(calls, ["expression", expression], standing)
