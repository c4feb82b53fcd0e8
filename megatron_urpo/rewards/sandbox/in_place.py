"""May an answer that returns something change its arguments too, as the tests see them?

`k = compress(a); assert a[:k] == [1, 2]` needs the change. In `assert ordered(a) == sorted(a)` the
argument says what is right, and an answer that empties it is right about nothing: there, and where
an argument decides what is tested at all, tests keep their arguments as they were.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set
from itertools import permutations

from megatron_urpo.code_tests.names import loaded_names


def sees_changes(tree: ast.AST, functions: Set[str]) -> bool:
    """Whether no argument of the answer's is compared, or put together, with what it returned.

    Variables are told apart by name only, which errs on the side of no.

    Args:
        tree: the test code.
        functions: names for the functions and classes of the answer.
    """
    names = _Names(tree, functions)
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        match node:
            case ast.Compare(left=left, comparators=comparators):
                parts = [left, *comparators]
            case ast.BinOp(left=left, right=right):
                parts = [left, right]
            case ast.Call() if not names.is_answers(node):
                receiver = [node.func.value] if isinstance(node.func, ast.Attribute) else []
                parts = [*receiver, *node.args, *(each.value for each in node.keywords)]
            case ast.BoolOp(op=ast.Or(), values=values):
                parts = values
        for control in _controls(node):
            if names.has(control, names.passed) and names.has_result(node):
                return False
        for mine, other in permutations(parts, 2):
            if names.has_result(mine) and names.has(other, names.arguments):
                return False
    return True


def _controls(node: ast.AST) -> list[ast.expr]:
    """What decides whether, and how often, the rest of a node runs."""
    match node:
        case ast.If(test=control) | ast.While(test=control) | ast.IfExp(test=control):
            return [control]
        case ast.For(iter=control):
            return [control]
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return [part for each in node.generators for part in (each.iter, *each.ifs)]
    return []


class _Names:
    """What the variables of test code hold."""

    def __init__(self, tree: ast.AST, functions: Set[str]) -> None:
        self._answers = set(functions)  # what of the answer is called
        self.results: set[str] = set()
        self.passed: set[str] = set()  # arguments, and what was made of them
        self.arguments: set[str] = set()  # the same, and what they are parts of
        bindings = list(_bindings(tree))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        helpers = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        known = -1
        while known != (known := self._count()):  # until nothing more is found
            for targets, value in bindings:
                self._bind(targets, value)
            for helper in helpers:
                if loaded_names(helper) & self._answers:
                    self._answers.add(helper.name)
            for call in calls:
                if self.is_answers(call):
                    found = self._outside(*call.args, *(each.value for each in call.keywords))
                    self.passed |= found
                    self.arguments |= found

    def _count(self) -> int:
        return sum(map(len, (self._answers, self.results, self.passed, self.arguments)))

    def _bind(self, targets: set[str], value: ast.expr) -> None:
        match value:
            case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)) if name in self._answers:
                is_call = isinstance(value, ast.Call)
                if not is_call or name[:1].isupper():  # another name, or an object to call
                    self._answers |= targets
                    return
        if self.has_result(value):
            self.results |= targets
            return
        if self.has(value, self.passed):
            self.passed |= targets
        if self.has(value, self.arguments):
            self.arguments |= targets
        if len(targets) == 1 and targets & self.arguments:  # may be a part of what it comes from
            self.arguments |= self._outside(value)

    def is_answers(self, call: ast.Call) -> bool:
        """Whether a call is one of the answer's functions, also through a helper of the tests."""
        root, names = call.func, []
        while isinstance(root, ast.Attribute | ast.Call):
            if isinstance(root, ast.Attribute):
                names.append(root.attr)
                root = root.value
            else:
                root = root.func
        handed = [*call.args, *(each.value for each in call.keywords)]
        names += [each.id for each in (root, *handed) if isinstance(each, ast.Name)]
        is_returned = isinstance(call.func, ast.Name) and call.func.id in self.results
        return is_returned or not self._answers.isdisjoint(names)

    def has_result(self, part: ast.AST) -> bool:
        """Whether an expression is made of what the answer returned, other than as an index."""
        queue: list[ast.AST] = [part]
        while queue:
            node = queue.pop()
            if isinstance(node, ast.Call) and self.is_answers(node):
                return True
            if isinstance(node, ast.Name) and node.id in self.results:
                return True
            queue += [node.value] if isinstance(node, ast.Subscript) else ast.iter_child_nodes(node)
        return False

    def has(self, part: ast.expr, names: Set[str]) -> bool:
        """Whether an expression reads one of the names other than to pass it on."""
        return bool(self._outside(part) & names)

    def _outside(self, *parts: ast.AST) -> set[str]:
        """Names that are read outside the calls of the answer."""
        found: set[str] = set()
        queue = list(parts)
        while queue:
            node = queue.pop()
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found.add(node.id)
            if not (isinstance(node, ast.Call) and self.is_answers(node)):
                queue += ast.iter_child_nodes(node)
        return found - self._answers - self.results


def _bindings(tree: ast.AST) -> Iterator[tuple[set[str], ast.expr]]:
    """Names that test code binds or adds to, and what."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                yield _roots(*targets), value
            case (
                ast.AnnAssign(target=target, value=ast.expr() as value)
                | ast.AugAssign(target=target, value=value)
                | ast.NamedExpr(target=target, value=value)
                | ast.For(target=target, iter=value)
                | ast.comprehension(target=target, iter=value)
                | ast.withitem(optional_vars=ast.expr() as target, context_expr=value)
            ):
                yield _roots(target), value
            case ast.Call(func=ast.Attribute(value=receiver), args=parts):
                for part in parts:  # list.append
                    yield _roots(receiver), part


def _roots(*targets: ast.expr) -> set[str]:
    """Names in the targets of an assignment, but for indices."""
    found: set[str] = set()
    queue = list(targets)
    while queue:
        match queue.pop():
            case ast.Name(id=name):
                found.add(name)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                queue += parts
            case ast.Attribute(value=part) | ast.Subscript(value=part) | ast.Starred(value=part):
                queue.append(part)
    return found
