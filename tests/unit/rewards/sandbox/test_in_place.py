"""Which tests see an argument that changed although something was returned."""

import ast

import pytest

from megatron_urpo.rewards.sandbox.in_place import sees_changes


@pytest.mark.parametrize(
    "code",
    [
        "a = [1, 1, 2]\nk = f(a)\nassert a[:k] == [1, 2]",
        "a = [1, 1, 2]\nassert f(a) == 2 and a[:2] == [1, 2]",
        "a = [3, 1]\nassert f(a) == [1, 3]\nassert a == [1, 3]",
        "for a, expected in cases:\n    k = f(a)\n    assert a[:k] == expected",
        "wanted = [1, 2]\na = [1, 1, 2]\nk = f(a)\nassert k == len(wanted)\n"
        "for i in range(k):\n    assert a[i] == wanted[i]",
        "s = Solution()\na = [1, 1]\nk = s.f(a)\nassert sorted(a[:k]) == [1]",
        "a = [1, 1]\nk = Solution().f(nums=a)\nassert a[:k] == [1]",
        "k = f(a)\nassert [x + 1 for x in a] == [1, 2] and k == 2",
        "k = f(a)\nfor x in a:\n    assert x < 3\nassert k == 2",
        "assert f([3, 1]) == [1, 3]",
    ],
)
def test_tests_of_functions_that_work_in_place(code):
    assert sees_changes(ast.parse(code), {"f", "Solution"})


@pytest.mark.parametrize(
    "code",
    [
        "assert f(a) == sorted(a)",
        "assert sorted(a) == f(a)",
        "out = f(a)\nassert out == sorted(a)",
        "out = f(a)\nwanted = sorted(a)\nassert out == wanted",
        "b = a\nout = f(a)\nassert out == sorted(b)",
        "a = b\nout = f(a)\nassert out == sorted(b)",
        "for a in cases:\n    outs.append(f(a))\nassert outs == [sorted(c) for c in cases]",
        "out = f(a)\nassert same(out, a)",
        "assert same(x=a, y=f(a))",
        "out = f(a)\nassert all(x == y for x, y in zip(out, a))",
        "out = f(a)\nfor i, x in enumerate(a):\n    assert out[i] == x",
        "out = f(a)\nfor i in range(len(a)):\n    assert out[i] == i",
        "out = f(a)\nif a:\n    assert out == 3",
        "out = f(a)\ni = 0\nwhile i < len(a):\n    assert out[i] == 3\n    i += 1",
        "out = f(a)\nassert not a or out == 3",
        "out = f(a)\nassert all(out == 3 for _ in range(3) if a)",
        "assert all(f(a) == 3 for _ in a)",
        "outs[0] = f(a)\nassert outs == [sorted(a)]",
        "ins.append(a)\nouts.append(f(a))\nassert outs == [sorted(c) for c in ins]",
        "args.append(a)\nout = f(*args)\nassert out == sorted(a)",
        "assert f(a) - set(a) == set()",
        "assert set(a).issuperset(f(a))",
        "g = f\nassert g(a) == sorted(a)",
        "s = Solution()\nassert s.f(a) == sorted(a)",
        "assert Solution().f(nums=a) == sorted(a)",
        "out = apply(f, a)\nassert out == sorted(a)",
        "def run(x):\n    return f(x)\nassert run(a) == sorted(a)",
        "run = lambda x: f(x)\nassert run(a) == sorted(a)",
        "class T:\n    def run(self, x):\n        return f(x)\nassert T().run(a) == sorted(a)",
        "def same(x):\n    out = f(x)\n    assert out == sorted(x)\nsame(a)",
        "out = f([a, b])\nassert out == sorted(b)",
        "assert (out := f(a)) and out == sorted(a)",
    ],
)
def test_tests_whose_arguments_say_what_is_right(code):
    assert not sees_changes(ast.parse(code), {"f", "Solution"})
