"""Names that Python code binds and reads."""

import ast
import builtins
import collections

from megatron_urpo.code_tests.names import (
    PRELUDE,
    PRELUDE_NAMES,
    bound_names,
    loaded_names,
    starred_names,
)

CODE = """
import os.path, json as js
from math import gcd as g, lcm
a = b = c
def f(x, *y, z=d, **w):
    global e
    return [i for i in x if (n := i)]
class K(Base):
    h = 1
try:
    pass
except ValueError as v:
    del a
for p, (q, r) in s: pass
with t as u: pass
k = lambda m: m.o
"""


def test_names():
    tree = ast.parse(CODE)
    bound = "a b c f g h i js k K lcm m n os p q r u v w x y z".split()
    assert bound_names(tree) == set(bound) - {"c"}
    assert loaded_names(tree) == set("Base ValueError c d i m s t x".split())


def test_the_prelude_hides_nothing_of_python():
    assert not set(PRELUDE) & set(dir(builtins))
    assert PRELUDE["inf"] == float("inf")
    assert {"List", "defaultdict", "bisect_left", "heappush", "lru_cache", "math"} <= set(PRELUDE)
    assert {"ascii_lowercase", "itemgetter", "mul", "string", "operator"} <= set(PRELUDE)
    assert PRELUDE["Counter"] is collections.Counter  # not typing's


def test_ordinary_names_of_tests_are_not_the_librarys():
    assert not {"add", "sub", "contains", "digits"} & PRELUDE_NAMES
    assert set(PRELUDE) > PRELUDE_NAMES


def test_names_of_whole_modules():
    tree = ast.parse("from string import *\nfrom fractions import *\nfrom this import *\nx = 1")
    assert {"ascii_lowercase", "digits", "Fraction"} <= starred_names(tree)
    assert "x" not in starred_names(tree)
    assert starred_names(ast.parse("from string import digits\nfrom .math import *")) == set()
