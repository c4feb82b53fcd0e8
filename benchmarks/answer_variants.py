"""Golds of data sets written in other ways, and changed a little.

What `rewritten` gives means the same and must be accepted, what `perturbed` gives means something
else and must be refused. Both are purely textual: they know nothing of the engine they test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_INTEGER = re.compile(r"-?\d+")
_FRACTION = re.compile(r"(-?)\\[dt]?frac\{(\d+)\}\{(\d+)\}")
_POINT = re.compile(r"\\left\((.+)\\right\)|\(([^()]+)\)")
_TEXT = re.compile(r"\\(?:text|mbox)\{[^{}]*\}")
# Relations, sets, lists, text, choices of sign: what neither a name nor a sign may stand before.
_COMPOUND = re.compile(
    r"[=<>,:;]|\\(?:le|ge|in|cup|pm|approx|begin|\{)|\\(?:text|mbox)|\\[$%]|circ|_"
)


def rewritten(gold: str) -> Iterator[str]:
    """Other notations of the same answer, none of them twice."""
    variants = [
        f"${gold}$",
        f"\\( {gold} \\)",
        f"{gold}.",
        f" {gold} ",
        re.sub(r"\\frac(?![a-z])", r"\\dfrac", gold),
        re.sub(r"\\[dt]frac(?![a-z])", r"\\frac", gold),
        re.sub(r"(?<=[\w})])([+-])(?=[\w\\(])", r" \1 ", gold),
        gold.replace("-", "\u2212"),
        gold.replace("\\pi", "\u03c0"),
        gold.replace("\\cup", "\u222a").replace("\\infty", "\u221e"),
        re.sub(r"\\sqrt\{(\d+)\}", r"\\sqrt{ \1 }", gold),
        re.sub(r"\\sqrt(\d)(?!\d)", r"\\sqrt{\1}", gold),
        re.sub(r"\\(?:left|right)(?![a-z])", "", gold),
        re.sub(r"(?<!\\left)\((.*)(?<!\\right)\)", r"\\left(\1\\right)", gold),
        re.sub(r"\^(\d)(?!\d)", r"^{\1}", gold),
        gold.replace("{pmatrix}", "{bmatrix}"),
    ]
    if _INTEGER.fullmatch(gold):
        variants += [f"{gold}.0", f"{int(gold):,}", f"{int(gold):,}".replace(",", "{,}")]
        variants += [f"\\frac{{{2 * int(gold)}}}{{2}}", f"x = {gold}", f"\\text{{{gold}}}"]
    if fraction := _FRACTION.fullmatch(gold):
        sign, top, bottom = fraction.groups()
        variants += [
            f"{sign}{top}/{bottom}",
            f"{sign}\\frac{{{3 * int(top)}}}{{{3 * int(bottom)}}}",
        ]
    if not _COMPOUND.search(gold) and not re.search(r"[A-Za-z]{4}(?![a-z]*\{)|\$", gold):
        variants += [f"k = {gold}", f"\\left( {gold} \\right)"]
    if re.fullmatch(r"[\d.]+\^\\circ", gold):
        variants += [gold.replace("^\\circ", " \\text{ degrees}"), gold.replace("^\\circ", "")]
    seen = {gold}
    for variant in variants:
        if variant not in seen:
            seen.add(variant)
            yield variant


def perturbed(gold: str) -> Iterator[str]:
    """Answers that are near to the gold and not equal to it."""
    seen = {gold}
    for change in _CHANGES:
        for variant in change(gold):
            if variant not in seen:
                seen.add(variant)
                yield variant


def _other_digits(gold: str) -> Iterator[str]:
    for digit in re.finditer(r"\d", gold):
        if digit[0] != "9":
            yield gold[: digit.start()] + str(int(digit[0]) + 1) + gold[digit.end() :]


def _other_sign(gold: str) -> Iterator[str]:
    if _COMPOUND.search(gold) or gold.strip() == "0":
        return
    yield gold[1:] if re.fullmatch(r"-[^-+]+", gold) else f"-({gold})"
    middle = re.search(r"(?<=[\w})])\s*([+-])", gold)
    if middle:
        sign = "-" if middle[1] == "+" else "+"
        yield gold[: middle.start(1)] + sign + gold[middle.end(1) :]


def _other_size(gold: str) -> Iterator[str]:
    if _INTEGER.fullmatch(gold) and gold != "0":
        yield gold + "0"
        yield f"{gold}.5"
        yield f"{gold}x"
        yield f"\\sqrt{{{gold.lstrip('-')}}}" if abs(int(gold)) > 1 else f"{gold}1"
        yield f"{gold} + 1"
    if fraction := _FRACTION.fullmatch(gold):
        sign, top, bottom = fraction.groups()
        if top != bottom:
            yield f"{sign}\\frac{{{bottom}}}{{{top}}}"
        yield f"{sign}{top}"


def _hedges(gold: str) -> Iterator[str]:
    if _COMPOUND.search(gold) or not re.search(r"\d", gold) or "^" in gold:
        return
    other = next(_other_digits(gold), None)
    if other is None:
        return
    for joint in (" or ", ", ", " \\text{ or } ", " and ", "; "):
        yield gold + joint + other
    yield f"\\{{{other}, {gold}\\}}"
    yield f"({gold}, {other})"
    yield f"[{gold}, {other}]"
    yield f"\\text{{not }} {gold}"


def _other_elements(gold: str) -> Iterator[str]:
    point = _POINT.fullmatch(gold)
    inner = (point[1] or point[2]) if point else gold
    if re.search(r"[(\[{\\]", inner) or "," not in inner or re.search(r",\s*\d{3}\b", inner):
        return
    parts = [part.strip() for part in inner.split(",")]
    opening, closing = ("(", ")") if point else ("", "")
    yield f"{opening}{', '.join([*parts, '77'])}{closing}"
    if len(parts) > 2:
        yield f"{opening}{', '.join(parts[1:])}{closing}"
    if point and len(set(parts)) > 1 and "infty" not in gold:
        yield f"({', '.join(parts[1:] + parts[:1])})"


def _other_brackets(gold: str) -> Iterator[str]:
    if re.fullmatch(r"[(\[][^()\[\]]+,[^()\[\]]+[)\]]", gold):
        yield ("[" if gold[0] == "(" else "(") + gold[1:]
        yield gold[:-1] + ("]" if gold[-1] == ")" else ")")


_CHANGES: tuple[Callable[[str], Iterator[str]], ...] = (
    _other_digits,
    _other_sign,
    _other_size,
    _hedges,
    _other_elements,
    _other_brackets,
)
