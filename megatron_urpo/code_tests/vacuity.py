"""Tests that cannot fail, which would reward every program.

Data sets lose asserts: a comparison whose value nobody looks at, a check that returns its verdict
or is a stub, outputs that were never recorded.
"""

from __future__ import annotations

import ast

from megatron_urpo.code_tests.names import loaded_names
from megatron_urpo.code_tests.records import (
    AssertTests,
    CallTests,
    CheckTests,
    CodeTests,
    StdioTests,
)


def find_vacuity(tests: CodeTests) -> str:
    """Why no answer fails the tests; empty: one may.

    Raises SyntaxError or ValueError where the test code is no Python.
    """
    match tests:
        case StdioTests(cases):
            if not any(case.output.strip() for case in cases):
                return "every expected output is blank, as that of a program that does nothing"
        case CallTests(_, cases):
            # What a function does to its arguments in place is not looked at.
            if all("null" in map(str.strip, case.results) for case in cases):
                return "every expected output is null, as that of a function that does nothing"
        case AssertTests(setup, statements):
            trees = [ast.parse(statement) for statement in statements]
            whole = ast.Module([node for tree in trees for node in tree.body], type_ignores=[])
            if not _can_fail(whole, setup):
                return "no statement can fail: write `assert` before what has to hold"
        case CheckTests(setup, check):
            if not _can_fail(ast.parse(check), setup):
                return "check cannot fail: have it `assert` what has to hold"
    return ""


def _can_fail(tree: ast.Module, setup: str) -> bool:
    """Whether test code, or what it uses of its setup, asserts or raises anything."""
    unused = ast.parse(setup).body
    used: list[ast.AST] = [tree]
    for each in used:  # grows while it is read
        if any(map(_is_failing, ast.walk(each))):
            return True
        names = loaded_names(each)
        found = [node for node in unused if getattr(node, "name", None) in names]
        unused = [node for node in unused if node not in found]
        used += found
    return False


def _is_failing(node: ast.AST) -> bool:
    match node:
        case ast.Raise():
            return True
        case ast.Assert(test=ast.Constant(value=value)):
            return not value
        case ast.Assert(test=ast.Tuple(elts=[_, *_])):
            return False  # assert (f(1) == 2, "a message"): true, whatever is in it
        case ast.Assert():
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name.startswith("assert")  # of unittest or numpy.testing
    return False
