r"""LaTeX reduced to its words, for comparisons that the spelling of a formula must not decide.

One formula has many spellings: \dfrac{1}{2}, \frac12 and 1/2; \left( and (; \leq, \le and the
character itself. What is left of each is its letters and digits, and the names of functions, of
roots and of Greek letters.
"""

from __future__ import annotations

import re

_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{[^{}]*\}(?:\{[lcr| ]+\})?")
_FRACTION_OF_DIGITS = re.compile(r"(\\[dtc]?frac)\s*(\d)\s*(\d)")
_COMMAND = re.compile(r"\\([a-z]+)")

# Commands that set, join or relate what they stand at, and have a character or nothing in its place
# elsewhere; in lower case.
_SPACING = "quad qquad hspace vspace hfill phantom hphantom vphantom mathstrut noindent par newline"
_SIZES = (
    "left right middle big bigl bigr bigm bigg biggl biggr displaystyle textstyle scriptstyle "
    "limits nolimits"
)
_FONTS = (
    "text textbf textit textrm textsf texttt textnormal emph underline mbox hbox mathrm mathbf "
    "mathit mathbb mathcal mathfrak mathsf mathtt mathnormal boldsymbol bm operatorname rm bf it"
)
_ARRANGEMENTS = "frac dfrac tfrac cfrac overline widehat hat bar vec overrightarrow boxed fbox"
_SYMBOLS = (
    "times cdot div pm mp ast star circ degree angle triangle parallel perp "
    "le leq leqslant ge geq geqslant lt gt ne neq equiv approx sim cong simeq "
    "to rightarrow mapsto longrightarrow implies iff in notin subset subseteq cup cap setminus "
    "emptyset varnothing dots ldots cdots vdots ddots dotsc dotsb lbrace rbrace lbrack rbrack "
    "langle rangle lvert rvert vert mid lfloor rfloor lceil rceil sum prod int infty forall exists "
    "land lor neg prime colon"
)
_WORDLESS = frozenset(" ".join((_SPACING, _SIZES, _FONTS, _ARRANGEMENTS, _SYMBOLS)).split())
_NAMES = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta",
    "η": "eta", "θ": "theta", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi",
    "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi", "χ": "chi", "ψ": "psi",
    "ω": "omega", "√": "sqrt",
}  # fmt: skip
_NAMED = {ord(character): f" {name} " for character, name in _NAMES.items()}


def without_latex(text: str) -> str:
    """A text in lower case (NFKC) without drawings and markup of formulas, Greek letters named."""
    if "[asy]" in text:
        text = _DRAWING.sub(" ", text)
    if "\\" in text:
        text = _ENVIRONMENT.sub(" ", text)
        text = _FRACTION_OF_DIGITS.sub(r"\1 \2 \3", text)
        text = _COMMAND.sub(_word_of, text)
    return text if text.isascii() else text.translate(_NAMED)


def _word_of(command: re.Match[str]) -> str:
    name = command[1]
    return " " if name in _WORDLESS else f" {name.removeprefix('var')} "
