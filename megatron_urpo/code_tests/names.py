"""Names in Python code: those that it binds and reads, and those that answers may take for granted.

Imports nothing but the standard library: the sandbox loads it too.
"""

from __future__ import annotations

import ast
import bisect
import builtins
import collections
import copy
import datetime
import functools
import heapq
import itertools
import math
import operator
import random
import re
import string
import sys
import typing
from types import MappingProxyType, ModuleType

_MODULES: tuple[ModuleType, ...] = (
    bisect,
    collections,
    copy,
    datetime,
    functools,
    heapq,
    itertools,
    math,
    operator,
    random,
    re,
    string,
    sys,
    typing,
)
# Modules whose public names are taken for granted too, as on LeetCode.
_OPEN_MODULES = (math, itertools, functools, bisect, heapq, collections, typing)


def _prelude() -> dict[str, object]:
    names: dict[str, object] = {module.__name__: module for module in _MODULES}
    for module in _OPEN_MODULES:
        public = getattr(module, "__all__", [name for name in dir(module) if name[0] != "_"])
        # Python's own pow stays what it is: math.pow takes no modulus.
        names |= {name: getattr(module, name) for name in public if not hasattr(builtins, name)}
    return names


# What answers and tests of functions may use without an import. Programs import for themselves.
PRELUDE = MappingProxyType(_prelude())
PRELUDE_NAMES = frozenset(PRELUDE)


def bound_names(tree: ast.AST) -> set[str]:
    """Names that code binds anywhere: assigned, imported, defined, or an argument."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name):
                names.add(name)
            case ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.alias(name=name, asname=asname):
                names.add(asname or name.partition(".")[0])
    return names


def loaded_names(tree: ast.AST) -> set[str]:
    """Names that code reads anywhere."""
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
