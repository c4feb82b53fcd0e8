"""An answer whose functions are called from outside its process.

A request names a target (an expression, or the number of an object handed out before), an operation
and arguments. A reply holds the result, or names the exception that was raised. Where the result is
None, another message follows with the arguments as they are now: a function that works in place
returns nothing. They come apart because what a test passes is no output of the answer's.
"""

from __future__ import annotations

import ast
import builtins
import operator
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from megatron_urpo.code_tests.names import PRELUDE, bound_names, starred_names
from megatron_urpo.rewards.sandbox.channel import Channel
from megatron_urpo.rewards.sandbox.wire import Reader, Writer


def define(setup: str, code: str) -> tuple[dict[str, Any], dict[str, type]]:
    """Run setup and answer as a module; its names, and the classes of the setup."""
    # As builtins, for use without counting as the answer's own: an empty answer has no `gcd`.
    given = vars(builtins) | PRELUDE
    namespace = module_namespace("answer", {"__builtins__": given})
    run_code(setup, "<setup>", namespace)
    tree = ast.parse(setup)
    for name in (starred_names(tree) - bound_names(tree)) & namespace.keys():
        value = namespace.pop(name)
        if not hasattr(builtins, name):  # pow with a modulus is one of them
            given[name] = value
    classes = setup_classes(namespace)
    run_code(code, "<answer>", namespace)
    return namespace, classes


def module_namespace(name: str, content: dict[str, Any]) -> dict[str, Any]:
    """The namespace of a new module. Dataclasses look for theirs among the loaded modules."""
    module = sys.modules[name] = ModuleType(name)
    vars(module).update(content)
    return vars(module)


def run_code(code: str | ast.Module, name: str, namespace: dict[str, Any]) -> None:
    """Run Python code, without what this file imports from the future."""
    exec(compile(code, name, "exec", dont_inherit=True), namespace)


def setup_classes(namespace: dict[str, Any]) -> dict[str, type]:
    """Classes that the code run in a namespace defined itself, by name."""
    return {
        name: value
        for name, value in namespace.items()
        if isinstance(value, type) and value.__module__ == namespace["__name__"]
    }


def serve(document: dict[str, str], channel: Channel) -> None:
    """Answer requests until the other side ends."""
    namespace, classes = define(document["setup"], document["code"])
    # The answer's own class of that name, if it has one, is what its functions expect.
    classes = {name: namespace.get(name, kind) for name, kind in classes.items()}
    handed_out: list[Any] = []
    evaluated: dict[str, Any] = {}

    def hand_out(value: Any) -> list[Any]:
        handed_out.append(value)
        return ["handle", len(handed_out) - 1]

    reader = Reader(classes, handed_out.__getitem__)
    writer = Writer(classes, hand_out)
    while True:
        request = channel.receive()
        try:
            kind, name = request["target"]
            if kind == "handle":
                target = handed_out[name]
            else:
                if name not in evaluated:
                    evaluated[name] = _find(namespace, name)
                target = evaluated[name]
            positional, named = reader.read(request["arguments"])
            result = _OPERATIONS[request["operation"]](target, positional, named)
            replies: list[dict[str, Any]] = [{"result": writer.write(result)}]
            if result is None:
                replies.append({"arguments": writer.write(positional, named)})
        except Exception as error:  # noqa: BLE001 - whatever an answer raises is its result
            replies = [{"raised": [each.__name__ for each in type(error).__mro__]}]
        for reply in replies:
            channel.send(reply)


def _find(namespace: dict[str, Any], expression: str) -> Any:
    """An expression's value; a bare name may also be a method of class Solution."""
    if not expression.isidentifier():
        return eval(expression, namespace)
    if expression not in namespace and "Solution" in namespace:
        return getattr(namespace["Solution"](), expression)
    return namespace[expression]


def _call(target: Any, positional: list[Any], named: dict[str, Any]) -> Any:
    return target(*positional, **named)


def _apply(function: Callable[..., Any]) -> Callable[[Any, list[Any], dict[str, Any]], Any]:
    return lambda target, positional, named: function(target, *positional)


_OPERATIONS: dict[str, Callable[[Any, list[Any], dict[str, Any]], Any]] = {
    "call": _call,
    "attribute": _apply(getattr),
    "item": _apply(operator.getitem),
    "length": _apply(len),
    "list": _apply(list),
    "text": _apply(str),
    "representation": _apply(repr),
}
