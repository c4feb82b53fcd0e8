"""The C++ extension (csrc/). Use it through rewards.ranking, rewards.math_answer and judging."""

import numpy as np
import numpy.typing as npt

def kendall_tau(
    scores: npt.NDArray[np.float64],
    truth: npt.NDArray[np.float64],
    offsets: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Kendall's tau-a of each group (paper section 3.2.1); releases the GIL.

    Args:
        scores: (V,) the groups' scores, one group after the other.
        truth: (V,) the groups' true qualities in the same order; larger is better in both.
        offsets: (groups + 1,) group g is values offsets[g] up to offsets[g + 1].

    Returns:
        (groups,) taus in [-1, 1].

    Raises:
        ValueError: lengths that do not match, a group of fewer than 2 values, NaN.
    """

def kendall_tau_rows(
    scores: npt.NDArray[np.float64], truth: npt.NDArray[np.float64], max_lanes: int = 8
) -> npt.NDArray[np.float64]:
    """kendall_tau of groups of one length N; releases the GIL.

    Args:
        scores, truth: (groups, N).
        max_lanes: groups compared at a time at most, for tests and measurements: 1, 2, 4 (AVX2) or
            8 (AVX-512). What the processor lacks is not used.

    Returns:
        (groups,) taus in [-1, 1].

    Raises:
        ValueError: shapes that differ, N < 2, NaN.
    """

def final_answer(response: str) -> str | None:
    r"""What a response gives as its answer: the content of its last ``\boxed{...}``, or else what
    it announces or states at its end (docs/answers.md); None without one, and when the last box is
    never closed. Linear time; releases the GIL."""

def canonical_answer(gold: str) -> str:
    r"""A text to group gold answers by: equal for ``0.5``, ``\frac12`` and ``x = 1/2``.

    That holds for rational numbers, and tuples, lists and sets of them; of anything else it is the
    normalised text. Not meant to be read. Releases the GIL."""

def judge_answer(response: str, golds: list[str]) -> tuple[str | None, int, list[str]]:
    r"""Is the final answer of a response equivalent to one of the golds? Releases the GIL.

    Returns:
        The final answer, None without one; 0 no, 1 yes, 2 undecided; the golds that another judge
        must compare with, contents of their boxes, empty unless undecided. Time and memory are
        bounded, whatever the text.

    Raises:
        ValueError: no gold, or an empty one.
    """

def judge_answers(
    responses: list[str], golds: list[list[str]], threads: int = 1
) -> list[tuple[str | None, int, list[str]]]:
    """`judge_answer` of each response and its golds, on `threads` threads without the GIL.

    Raises:
        ValueError: as there, lengths that differ, threads < 1.
    """

def parse_scores(text: str, count: int) -> list[float] | None:
    r"""The `count` scores in the last ``\boxed{...}``, else in the last ``Scores: [...]``.

    None unless it holds exactly `count` finite decimal numbers separated by commas. Linear time;
    releases the GIL.

    Raises:
        ValueError: count < 1.
    """
