"""openbmb/UltraFeedback: an instruction with up to four completions, each with a score of 1 to 10.

{"instruction", "completions": [{"response", "overall_score": 8.5, "fine-grained_score": 4.25,
 "annotations": {"helpfulness": {"Rating": "4", ...}, ...}, ...}, ...], ...}
"""

from __future__ import annotations

from collections.abc import Mapping

from megatron_urpo.data.adapters.rows import (
    Record,
    Row,
    RowError,
    number,
    objects,
    qualities,
    response,
    text,
)

# The overall score of a completion that all four aspects found bad was written as 10 instead of 1
# until the data set was corrected in December 2023; older revisions and copies still say so.
_WRONG_SCORE, _RIGHT_SCORE, _BAD_RATING = 10.0, 1.0, 2.0


def ultrafeedback_record(row: Row) -> Record:
    """An instruction with its completions, ranked by overall score."""
    completions = objects(row, "completions")
    if len(completions) < 2:
        raise RowError("completions holds one response: there is nothing to compare")
    return {
        "prompt": text(row, "instruction"),
        "responses": [response(completion, "response") for completion in completions],
        "truth": qualities(completions, _quality),
    }


def _quality(completion: Row) -> float:
    score = number(completion, "overall_score")
    if score == _WRONG_SCORE:
        rating = _mean_rating(completion)
        if rating is not None and rating <= _BAD_RATING:
            return _RIGHT_SCORE
    return score


def _mean_rating(completion: Row) -> float | None:
    """The mean of the aspects' ratings, which are texts; None where none of them is a number."""
    if completion.get("fine-grained_score") is not None:
        return number(completion, "fine-grained_score")
    annotations = completion.get("annotations")
    ratings = []
    for aspect in annotations.values() if isinstance(annotations, Mapping) else ():
        if isinstance(aspect, Mapping) and aspect.get("Rating") not in (None, "N/A"):
            ratings.append(number(aspect, "Rating"))
    return sum(ratings) / len(ratings) if ratings else None
