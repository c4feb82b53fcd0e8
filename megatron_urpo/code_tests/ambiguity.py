"""Names of tests that an answer could define so that the tests find it right.

What test code uses and does not define comes from the answer. That is meant for what it tests; a
helper that compares results, or a module that the data set forgot to import, would let an answer
bring its own `np.allclose` that always says yes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set
from types import MappingProxyType
from typing import TypeGuard

# Names that mean a module or something of one wherever tests use them, and how they are imported.
IMPORTS = MappingProxyType(
    {
        "np": "import numpy as np",
        "pd": "import pandas as pd",
        **{
            name: f"import {name}"
            for name in (
                *("array", "cmath", "decimal", "enum", "fractions", "inspect", "io", "json"),
                *("numpy", "os", "pandas", "queue", "scipy", "statistics", "sympy", "textwrap"),
                *("time", "unittest", "warnings"),
            )
        },
        "Decimal": "from decimal import Decimal",
        "Fraction": "from fractions import Fraction",
        "date": "from datetime import date",
        "timedelta": "from datetime import timedelta",
        **{
            name: f"from string import {name}"
            for name in ("ascii_letters", "ascii_lowercase", "ascii_uppercase")
        },
        **{name: f"from operator import {name}" for name in ("attrgetter", "itemgetter")},
    }
)


def find_ambiguity(tree: ast.AST, names: Set[str], candidates: Set[str] = frozenset()) -> str:
    """Why the tests cannot judge an answer that has its own names; empty: they can.

    A name that begins with a capital letter is a class of the answer's; others are functions.

    Args:
        tree: the test code.
        names: those that it takes from the answer.
        candidates: names of what is tested; empty: it may be any of the names.
    """
    functions = {name for name in names if not name[:1].isupper()} - candidates
    if candidates and functions:
        return f"{_list(functions)} is not tested, and neither the tests nor their setup define it"
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=root)) if root in functions:
                return f"{root}, of which they use {root}.{node.attr}, looks like a module"
            case (
                ast.ExceptHandler(type=ast.Name(id=kind))
                | ast.Call(func=ast.Name(id="isinstance"), args=[_, ast.Name(id=kind)])
            ) if kind in names:
                return f"{kind} is a class of the answer's own, which stays in its process"
    results = _results(tree, names)
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=judge)) if judge in functions:
                parts: list[ast.expr] = [*node.args, *(each.value for each in node.keywords)]
                judged = {name for part in parts for name in _sources(part, names, results)}
                if judged - {judge}:
                    return f"{judge} is called with what {_list(judged - {judge})} returned"
    for node in ast.walk(tree):
        match node:
            case ast.Compare():
                compared = {
                    name
                    for part in (node.left, *node.comparators)
                    for name in _sources(part, functions, {})
                }
                if len(compared) > 1:
                    return f"what {_list(compared)} returned is compared with each other"
    return ""


def _list(names: Set[str]) -> str:
    return ", ".join(sorted(names))


def _results(tree: ast.AST, names: Set[str]) -> dict[str, set[str]]:
    """Variables of the tests that hold what functions of the answer returned, and which."""
    held: dict[str, set[str]] = {}
    known = -1
    while known != (known := sum(map(len, held.values()))):  # until nothing more is found
        for node in ast.walk(tree):
            targets: list[ast.expr] = []
            match node:
                case ast.Assign(targets=targets, value=value):
                    pass
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    targets = [target]
                case ast.For(target=target, iter=value) | ast.NamedExpr(target=target, value=value):
                    targets = [target]
            stored = {
                each.id for target in targets for each in ast.walk(target) if _is_stored(each)
            }
            for name in stored:
                held.setdefault(name, set()).update(_sources(value, names, held))
    return held


def _is_stored(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _sources(part: ast.AST, names: Set[str], held: dict[str, set[str]]) -> Iterator[str]:
    """Functions of the answer from whose results an expression is made."""
    for node in ast.walk(part):
        match node:
            case ast.Name(id=name) if name in held:
                yield from held[name]
            case ast.Call(func=ast.Name(id=name)) if name in names and not name[:1].isupper():
                yield name
            case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id=name)))):
                if name in names:
                    yield name
