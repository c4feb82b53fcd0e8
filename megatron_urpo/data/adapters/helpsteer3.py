"""nvidia/HelpSteer3, configuration "preference": two responses and a score from -3 to 3.

{"domain", "language", "context": [{"role", "content"}, ...], "response1", "response2",
 "overall_preference": -2, "individual_preference": [...]}
"""

from __future__ import annotations

from megatron_urpo.data.adapters.rows import Record, Row, choice, response, turns

SCORES = range(-3, 4)  # negative: response1 is better; 0: a tie


def helpsteer3_record(row: Row) -> Record:
    """A conversation and its two answers; the better one's quality is the size of the score."""
    score = choice(row, "overall_preference", SCORES)
    return {
        "messages": turns(row, "context"),
        "responses": [response(row, "response1"), response(row, "response2")],
        "truth": [max(-score, 0), max(score, 0)],
    }
