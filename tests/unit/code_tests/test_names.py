"""Names that Python code binds and reads."""

import ast
import builtins

from megatron_urpo.code_tests.names import PRELUDE, bound_names, loaded_names

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
