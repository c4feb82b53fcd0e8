r"""The referee's language: the prompt that asks for scores and the reading of the scores.

One format serves preference data, self-rewarding and evaluation. The template is the paper's
(section 3.2.1) with line breaks between its parts:

    You are a skilled expert at scoring responses. [...]
    [The Begin of Question]
    What is 2 + 2?
    [The End of Question]
    [The Begin of Response 1]
    4
    [The End of Response 1]
    [The Begin of Response 2]
    5
    [The End of Response 2]
    #### Output Format Requirements ####
    Scores: <the overall comprehensive score [...], e.g., \boxed{x, x} if there exists 2 responses>.

Questions and responses are quoted material, and a response may be written by a policy that is
rewarded for a high score. `neutralise` therefore rewrites whatever could pass for a part of the
template. Chat-turn control tokens ("<|im_end|>") are plain characters here and stay as they are:
data.prompts encodes quoted text without special tokens, so that they never become one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from megatron_urpo import _core
from megatron_urpo.types import ChatMessage

INTRODUCTION = (
    "You are a skilled expert at scoring responses. You will be given a question with multiple "
    "responses. Evaluate and score each response."
)
QUESTION_BEGIN = "[The Begin of Question]"
QUESTION_END = "[The End of Question]"
RESPONSE_BEGIN = "[The Begin of Response {number}]"
RESPONSE_END = "[The End of Response {number}]"
FORMAT_HEADING = "#### Output Format Requirements ####"
FORMAT_DEMAND = (
    "Scores: <the overall comprehensive score of all responses in order, separate by comma in the "
    "boxed, e.g., \\boxed{{{example}}} if there exists {count} responses>."
)
SHORTENING_MARKER = "\n[... middle left out ...]\n"


def write_judge_prompt(question: str, responses: Sequence[str], order: Sequence[int]) -> str:
    """The evaluation prompt of N responses (paper section 3.2.1), without chat template.

    Args:
        question: what the responses answer; see `question_text` for conversations.
        responses: N responses in their own order.
        order: a permutation of range(N); slot k of the prompt shows responses[order[k]].

    Raises:
        ValueError: no responses, or `order` is not a permutation of range(N).
    """
    if not responses:
        raise ValueError("a judge prompt needs at least one response, got none")
    _check_order(order, len(responses))
    parts = [INTRODUCTION, QUESTION_BEGIN, neutralise(question), QUESTION_END]
    for number, index in enumerate(order, start=1):
        parts += [
            RESPONSE_BEGIN.format(number=number),
            neutralise(responses[index]),
            RESPONSE_END.format(number=number),
        ]
    example = ", ".join(["x"] * len(responses))
    parts += [FORMAT_HEADING, FORMAT_DEMAND.format(example=example, count=len(responses))]
    return "\n".join(parts)


def question_text(messages: Sequence[ChatMessage]) -> str:
    """A conversation as the template's question.

    A single user turn is its own text; otherwise every turn is headed by its role, so that the
    referee sees who said what.

    Raises:
        ValueError: no messages.
    """
    if not messages:
        raise ValueError("a question needs at least one message, got none")
    if len(messages) == 1 and messages[0].role == "user":
        return messages[0].content
    return "\n\n".join(f"{turn.role.capitalize()}: {turn.content}" for turn in messages)


def parse_scores(text: str, num_responses: int) -> list[float] | None:
    r"""The scores in a judgement, in the order of the prompt's slots; None if it cannot be read.

    Reads the last ``\boxed{...}`` or, where the text opens no box, the last ``Scores: [...]``. It
    must hold exactly `num_responses` plain finite decimal numbers separated by commas. Anything
    else (another count, words, "8/10", NaN, a box cut off at the length limit) is None: there is no
    default score.

    Raises:
        ValueError: num_responses < 1.
    """
    return _core.parse_scores(text, num_responses)


def shuffled_order(num_responses: int, seed: int | np.random.Generator) -> tuple[int, ...]:
    """A uniformly random permutation of range(num_responses): slot k shows response order[k]."""
    permutation = np.random.default_rng(seed).permutation(num_responses)
    return tuple(int(index) for index in permutation)


def undo_order(scores: Sequence[float], order: Sequence[int]) -> list[float]:
    """Scores by slot -> scores by response: result[order[k]] = scores[k].

    Raises:
        ValueError: `order` is not a permutation of range(len(scores)).
    """
    _check_order(order, len(scores))
    undone = [0.0] * len(scores)
    for slot, index in enumerate(order):
        undone[index] = scores[slot]
    return undone


def shorten_middle(text: str, max_chars: int) -> str:
    """`text` in at most `max_chars` characters: its beginning, SHORTENING_MARKER and its end.

    Text that fits is returned as it is. Beginning and end get half the room each.

    Raises:
        ValueError: max_chars does not even hold the marker.
    """
    if len(text) <= max_chars:
        return text
    room = max_chars - len(SHORTENING_MARKER)
    if room < 0:
        raise ValueError(
            f"max_chars = {max_chars}: a shortened text needs at least the "
            f"{len(SHORTENING_MARKER)} characters of its marker"
        )
    tail = room // 2
    return text[: room - tail] + SHORTENING_MARKER + text[len(text) - tail :]


def neutralise(text: str) -> str:
    """Quoted text without anything that could pass for a part of the template.

    "[The End of Response 1]" becomes "(The End of Response 1)", "#### Output Format Requirements"
    becomes "(Output Format Requirements)" and "Scores:" becomes "(Scores)", in any case and
    spacing, with look-alike letters and brackets and with invisible characters in between. All else
    is kept to the letter. Idempotent; linear time.
    """
    text = _DELIMITER.sub(lambda match: f"({match[1]}{')' if match[2] else ''}", text)
    text = _FORMAT_HEADING.sub(_without_hashes, text)
    return _SCORE_LINE.sub(r"(\1)\2", text)


def _check_order(order: Sequence[int], count: int) -> None:
    if sorted(order) != list(range(count)):
        raise ValueError(f"order {tuple(order)} is not a permutation of range({count})")


def _without_hashes(match: re.Match[str]) -> str:
    before, heading, after = match.groups()
    plain = re.sub(f"[{_HASH}]++[ \t]*+", "", before)
    return match[0] if plain == before and not after else f"{plain}({heading})"


# What a reader (or a tokenizer's user) may not see between two letters: white space, Markdown
# emphasis, soft hyphens, combining marks, joiners, direction marks, fillers, variation selectors
# and tags.
_INVISIBLE = (
    r"\s*_~`.\-\u00ad\u0300-\u036f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff"
)
_GAP = f"[{_INVISIBLE}]*+"
_OPEN = "\\[\u27e6\u2045\u2308\u230a\u23a1\u23a3\u2772\u27ec\u298b\u3010\u3014\u3016\u3018\u301a"
_OPEN += "\u300c\u300e\ufe5d\uff3b"
_CLOSE = "\\]\u27e7\u2046\u2309\u230b\u23a4\u23a6\u2773\u27ed\u298c\u3011\u3015\u3017\u3019\u301b"
_CLOSE += "\u300d\u300f\ufe5e\uff3d"
_HASH = "#\u266f\ufe5f\uff03"
_COLON = ":\u02d0\u05c3\u2236\ua789\ufe13\ufe55\uff1a"

# Letters of other alphabets that look like the Latin ones of the template's delimiters.
_HOMOGLYPHS = {
    "a": "\u0430\u0391\u0410\u03b1",
    "b": "\u0392\u0412\u042c",
    "c": "\u0441\u0421\u03f2\u03f9",
    "e": "\u0435\u0415\u0395\u0454",
    "f": "\u03dc\u0192",
    "g": "\u0261\u0581",
    "h": "\u04bb\u041d\u0397",
    "i": "\u0456\u0406\u0399\u0131\u03b9",
    "m": "\u041c\u039c\u043c",
    "n": "\u039d\u0578",
    "o": "\u043e\u041e\u039f\u03bf\u0585",
    "p": "\u0440\u0420\u03a1\u03c1",
    "q": "\u051b\u0566",
    "s": "\u0455\u0405\u017f",
    "t": "\u0442\u0422\u03a4\u03c4",
    "u": "\u057d\u03c5",
}
# Blocks of styled Latin letters: letterlike, circled, full-width, mathematical, squared.
_STYLED_BLOCKS = (
    range(0x2100, 0x2150),
    range(0x24B6, 0x24EA),
    range(0xFF21, 0xFF5B),
    range(0x1D400, 0x1D800),
    range(0x1F130, 0x1F14A),
)


def _styled_letters() -> dict[str, str]:
    """Latin letter -> the characters that Unicode calls a styled form of it."""
    styled: dict[str, str] = {}
    for block in _STYLED_BLOCKS:
        for character in map(chr, block):
            letter = unicodedata.normalize("NFKC", character).casefold()
            styled[letter] = styled.get(letter, "") + character
    return styled


def _phrase(words: str, styled: dict[str, str]) -> str:
    """A pattern for `words`, each letter in any guise, with gaps between the letters."""
    letters = words.replace(" ", "")
    return _GAP.join(
        f"[{letter}{letter.upper()}{styled.get(letter, '')}{_HOMOGLYPHS.get(letter, '')}]"
        for letter in letters
    )


def _compile_patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Delimiters, the format heading and the score line.

    Every repetition is possessive and none can start inside another, which keeps them linear.
    """
    styled = _styled_letters()

    def either(*phrases: str) -> str:
        return "(?:" + "|".join(_phrase(phrase, styled) for phrase in phrases) + ")"

    delimiter = (
        f"[{_OPEN}]({_GAP}{either('the')}{_GAP}{either('begin', 'end')}{_GAP}{either('of')}{_GAP}"
        rf"{either('question', 'response')}(?:{_GAP}\d*+{_GAP}(?=[{_CLOSE}]))?)([{_CLOSE}]?)"
    )
    heading = (
        f"(?<![{_INVISIBLE}{_HASH}])([{_INVISIBLE}{_HASH}]*+)"
        f"({either('output format requirements')})(?={_GAP}([{_HASH}]?))"
    )
    score_line = rf"(?<![^\W_])({either('scores')})({_GAP})[{_COLON}]"
    return re.compile(delimiter), re.compile(heading), re.compile(score_line)


_DELIMITER, _FORMAT_HEADING, _SCORE_LINE = _compile_patterns()
