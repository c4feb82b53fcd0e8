"""The encodings in which data sets carry tests of code, read into records.

| encoding                                            | from                    | record      |
|-----------------------------------------------------|-------------------------|-------------|
| {inputs, outputs}                                   | Skywork-OR1, APPS, TACO | StdioTests  |
| [{input, output}, ...]                              | DeepCoder               | StdioTests  |
| {inputs, outputs, fn_name}                          | Skywork-OR1, APPS       | CallTests   |
| {assert_case: [...]}, with import_prefix or without | Skywork-OR1, MBPP       | AssertTests |
| {import_prefix, test_code, entry_point}             | Skywork-OR1, LeetCode   | CheckTests  |
| {prompt, test, entry_point}                         | HumanEval               | CheckTests  |
| {functional}: check(candidate), then a call of it   | DeepCoder               | CheckTests  |
| {kind, ...}                                         | this project's own      | as it says  |

Test code is compiled here, never run.
"""

from __future__ import annotations

import ast
import builtins
import json
from collections.abc import Mapping, Sequence, Set
from typing import Any, TypeVar

from megatron_urpo.code_tests.ambiguity import IMPORTS, find_ambiguity
from megatron_urpo.code_tests.names import (
    PRELUDE_NAMES,
    bound_names,
    loaded_names,
    starred_names,
)
from megatron_urpo.code_tests.records import (
    AssertTests,
    CallCase,
    CallTests,
    CheckTests,
    CodeTests,
    StdioCase,
    StdioTests,
    read_tests,
)
from megatron_urpo.code_tests.vacuity import find_vacuity
from megatron_urpo.excerpt import excerpt

_Tests = TypeVar("_Tests", bound=CodeTests)
_NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)  # what ast.parse says


class CodeTestsError(ValueError):
    """Tests that cannot be used; the message names the field and the value."""


def parse_code_tests(encoded: Any) -> CodeTests:
    """Tests in any of the encodings of this module's table.

    Args:
        encoded: a JSON value, or its text (Skywork-OR1's reward_model.ground_truth).

    Raises:
        CodeTestsError: not one of the encodings, or its content cannot be used.
    """
    if isinstance(encoded, str):
        try:
            encoded = json.loads(encoded)
        except (ValueError, RecursionError) as error:
            raise CodeTestsError(f"not JSON ({error}): {excerpt(encoded)}") from error
    if isinstance(encoded, list):
        return _stdio_list(encoded)
    if not isinstance(encoded, Mapping):
        raise CodeTestsError(f"{excerpt(encoded)}: give an object or a list of input and output")
    if "kind" in encoded:
        return _own(encoded)
    for fields, optional, parse in _ENCODINGS:
        if fields <= set(encoded) <= fields | optional:
            return parse(encoded)
    known = "; ".join(", ".join(sorted(fields)) for fields, _, _ in _ENCODINGS)
    raise CodeTestsError(f"unknown set of fields {', '.join(sorted(encoded))}: give one of {known}")


def _own(encoded: Mapping[str, Any]) -> CodeTests:
    """What write_tests wrote, in prepared data."""
    try:
        tests = read_tests(encoded)
        reason = find_vacuity(tests)
    except (AttributeError, KeyError, TypeError, *_NOT_PYTHON) as error:
        raise CodeTestsError(f"kind = {excerpt(encoded['kind'])}: {error}") from error
    if reason:
        raise CodeTestsError(f"kind = {excerpt(encoded['kind'])}: {reason}")
    return tests


def _stdio_list(encoded: Sequence[Any]) -> StdioTests:
    cases = []
    for index, case in enumerate(encoded):
        if not isinstance(case, Mapping) or not {"input", "output"} <= set(case):
            raise CodeTestsError(f"[{index}] = {excerpt(case)}: give input and output")
        cases.append(
            StdioCase(
                _lines(case["input"], "input", index), _lines(case["output"], "output", index)
            )
        )
    if not cases:
        raise CodeTestsError("[]: give at least one test")
    return _not_vacuous(StdioTests(tuple(cases)), "output")


def _stdio(encoded: Mapping[str, Any]) -> StdioTests:
    cases = tuple(
        StdioCase(_lines(given, "inputs", index), _lines(wanted, "outputs", index))
        for index, (given, wanted) in enumerate(_pairs(encoded))
    )
    return _not_vacuous(StdioTests(cases), "outputs")


def _not_vacuous(tests: _Tests, field: str) -> _Tests:
    if reason := find_vacuity(tests):
        raise CodeTestsError(f"{field}: {reason}")
    return tests


def _lines(value: Any, field: str, index: int) -> str:
    """A text, or the list of its lines."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        value = "\n".join(value)
    if not isinstance(value, str):
        raise CodeTestsError(f"{field}[{index}] = {excerpt(value)}: give a text")
    return value


def _call(encoded: Mapping[str, Any]) -> CallTests:
    function = encoded["fn_name"]
    if not isinstance(function, str) or not function.isidentifier():
        raise CodeTestsError(f"fn_name = {excerpt(function)}: give the name of a function")
    cases = []
    for index, (given, wanted) in enumerate(_pairs(encoded)):
        if isinstance(given, str):
            # LiveCodeBench: one JSON value a line; the result is JSON too.
            arguments = [_json(line, "inputs", index) for line in given.split("\n") if line.strip()]
            results = [_json(wanted, "outputs", index)]
        elif isinstance(given, list):
            # APPS and TACO put the result in a list, but not always.
            arguments = given
            results = [wanted]
            if isinstance(wanted, list) and len(wanted) == 1:
                results.append(wanted[0])
        else:
            raise CodeTestsError(f"inputs[{index}] = {excerpt(given)}: give the list of arguments")
        try:
            cases.append(CallCase(json.dumps(arguments), tuple(map(json.dumps, results))))
        except ValueError as error:  # a number with more digits than Python converts
            raise CodeTestsError(f"inputs[{index}] or outputs[{index}]: {error}") from error
    return _not_vacuous(CallTests(function, tuple(cases)), "outputs")


def _json(text: Any, field: str, index: int) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise CodeTestsError(f"{field}[{index}] = {excerpt(text)}: not JSON ({error})") from error


def _pairs(encoded: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    inputs, outputs = encoded["inputs"], encoded["outputs"]
    if not isinstance(inputs, list) or not isinstance(outputs, list) or not inputs:
        raise CodeTestsError("inputs and outputs must be lists with at least one test")
    if len(inputs) != len(outputs):
        raise CodeTestsError(f"{len(inputs)} inputs, but {len(outputs)} outputs: give one for each")
    return list(zip(inputs, outputs, strict=True))


def _asserts(encoded: Mapping[str, Any]) -> AssertTests:
    setup = _python(encoded.get("import_prefix", ""), "import_prefix")
    statements = encoded["assert_case"]
    if not isinstance(statements, list) or not statements:
        raise CodeTestsError(f"assert_case = {excerpt(statements)}: give a list of statements")
    trees = [
        _parse_python(statement, f"assert_case[{index}]")
        for index, statement in enumerate(statements)
    ]
    whole = ast.Module([node for tree in trees for node in tree.body], type_ignores=[])
    free = _free_names(whole, setup)
    # A name that the standard library has as well is taken from the answer only where the
    # statements name nothing else: `assert gcd(4, 6) == 2`, but not `isclose` around `area(2)`.
    others = free - _library_names(whole, setup) - IMPORTS.keys()
    names = others or free
    if len(names) > 1 and not others:
        raise CodeTestsError(
            f"assert_case: cannot tell which of {', '.join(sorted(names))} an answer defines and "
            "which is the standard library's: import the latter in import_prefix"
        )
    if not names:
        raise CodeTestsError("assert_case: the statements name nothing that an answer could define")
    _refuse_ambiguity(find_ambiguity(whole, names), "assert_case")
    setup = _with_imports(setup, free - names)
    tests = AssertTests(setup, tuple(statements), tuple(sorted(names)))
    return _not_vacuous(tests, "assert_case")


def _refuse_ambiguity(reason: str, field: str) -> None:
    if reason:
        raise CodeTestsError(
            f"{field}: what an answer defines would decide whether it is right: {reason}; define "
            "or import it in import_prefix"
        )


def _with_imports(setup: str, free: Set[str]) -> str:
    """The setup, and what tests use as if it had been imported."""
    return "\n".join([setup, *(IMPORTS[name] for name in sorted(free & IMPORTS.keys()))])


def _check(encoded: Mapping[str, Any]) -> CheckTests:
    return _check_tests(
        _python(encoded["import_prefix"], "import_prefix"),
        encoded["test_code"],
        "test_code",
        encoded["entry_point"],
    )


def _humaneval(encoded: Mapping[str, Any]) -> CheckTests:
    setup = _python(encoded["prompt"], "prompt")
    return _check_tests(setup, encoded["test"], "test", encoded["entry_point"])


def _functional(encoded: Mapping[str, Any]) -> CheckTests:
    """The last statement, check(<expression>), says what the candidate is."""
    tree = _parse_python(encoded["functional"], "functional")
    last = tree.body[-1] if tree.body else None
    match last:
        case ast.Expr(ast.Call(func=ast.Name("check"), args=[candidate], keywords=[])):
            check = ast.unparse(ast.Module(tree.body[:-1], type_ignores=[]))
            return _check_tests("", check, "functional", ast.unparse(candidate))
    raise CodeTestsError("functional: its last statement must be check(<the candidate>)")


def _check_tests(setup: str, check: Any, field: str, entry_point: Any) -> CheckTests:
    tree = _parse_python(check, field)
    if not any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in tree.body):
        raise CodeTestsError(f"{field}: it must define a function check(candidate)")
    try:
        entry = ast.parse(entry_point, mode="eval")
    except (TypeError, ValueError, SyntaxError) as error:
        raise CodeTestsError(f"entry_point = {excerpt(entry_point)}: give an expression") from error
    entry_names = {entry.body.id} if isinstance(entry.body, ast.Name) else set()
    free = _free_names(tree, setup) - _library_names(tree, setup) - {"check", "candidate"}
    names = (free - IMPORTS.keys()) | (entry_names & loaded_names(tree))
    _refuse_ambiguity(find_ambiguity(tree, names, {"candidate", *entry_names}), field)
    setup = _with_imports(setup, free - names)
    return _not_vacuous(CheckTests(setup, check, entry_point, tuple(sorted(names))), field)


def _free_names(tree: ast.AST, setup: str) -> set[str]:
    """Names that neither the test code, its setup nor Python itself defines."""
    known = bound_names(tree) | bound_names(ast.parse(setup)) | set(dir(builtins))
    return loaded_names(tree) - known


def _library_names(tree: ast.AST, setup: str) -> Set[str]:
    """Names that test code has from the standard library without naming them in an import."""
    return PRELUDE_NAMES | starred_names(tree) | starred_names(ast.parse(setup))


def _python(source: Any, field: str) -> str:
    _parse_python(source, field)
    return source


def _parse_python(source: Any, field: str) -> ast.Module:
    if not isinstance(source, str):
        raise CodeTestsError(f"{field} = {excerpt(source)}: give Python code")
    try:
        return ast.parse(source)
    except _NOT_PYTHON as error:
        raise CodeTestsError(f"{field} = {excerpt(source)}: not Python ({error})") from error


_ENCODINGS: tuple[tuple[frozenset[str], frozenset[str], Any], ...] = (
    (frozenset({"inputs", "outputs"}), frozenset(), _stdio),
    (frozenset({"inputs", "outputs", "fn_name"}), frozenset(), _call),
    (frozenset({"assert_case"}), frozenset({"import_prefix"}), _asserts),
    (frozenset({"import_prefix", "test_code", "entry_point"}), frozenset(), _check),
    (frozenset({"prompt", "test", "entry_point"}), frozenset(), _humaneval),
    (frozenset({"functional"}), frozenset(), _functional),
)
