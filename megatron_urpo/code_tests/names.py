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
import decimal
import fractions
import functools
import heapq
import itertools
import math
import operator
import random
import re
import statistics
import string
import sys
import typing
from collections.abc import Sequence
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
# Modules whose public names are taken for granted too, as on LeetCode; the order is that in which
# Skywork-OR1's judge imports all of them, so that a name of two modules is the last one's.
_OPEN_MODULES = (typing, functools, collections, itertools, heapq, bisect, math)
# The same, but for answers only: in tests, names as ordinary as add or digits are the answer's.
_OPEN_TO_ANSWERS = (string, operator)
# Modules whose names are known where all of them are imported.
_STARRED = {module.__name__: module for module in (*_MODULES, decimal, fractions, statistics)}


def _public_names(module: ModuleType) -> set[str]:
    return set(getattr(module, "__all__", [name for name in dir(module) if name[0] != "_"]))


def _prelude(open_modules: Sequence[ModuleType]) -> dict[str, object]:
    names: dict[str, object] = {module.__name__: module for module in _MODULES}
    for module in open_modules:
        # Python's own pow stays what it is: math.pow takes no modulus.
        public = [name for name in _public_names(module) if not hasattr(builtins, name)]
        names |= {name: getattr(module, name) for name in public}
    return names


# What answers and tests of functions may use without an import. Programs import for themselves.
PRELUDE = MappingProxyType(_prelude((*_OPEN_TO_ANSWERS, *_OPEN_MODULES)))
# Those that tests mean by the name, unless they name nothing else.
PRELUDE_NAMES = frozenset(_prelude(_OPEN_MODULES))


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


def starred_names(tree: ast.AST) -> set[str]:
    """Names that code binds by importing all of a well-known module."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(name), names=[ast.alias(name="*")], level=0):
                names |= _public_names(_STARRED[name]) if name in _STARRED else set()
    return names


def loaded_names(tree: ast.AST) -> set[str]:
    """Names that code reads anywhere."""
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
