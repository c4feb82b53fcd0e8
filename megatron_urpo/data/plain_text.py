"""Text to token ids with a tokenizer's vocabulary and none of its control tokens.

For byte-level and for SentencePiece tokenizers. The latter mark the beginning of a word by "▁" for
the space before it, and put one before a text that has none. Where they do so at the very start of
their input only, text that follows a control token must not get one; so there are two encodings.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase


class PlainText:
    """The backend of a fast tokenizer, to which control tokens are ordinary characters."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        whole = json.loads(tokenizer.backend_tokenizer.to_str())
        plain = copy.deepcopy(whole)
        for field in ("post_processor", "truncation", "padding"):
            plain[field] = None
        _hide_control_tokens(plain)
        inside = copy.deepcopy(plain)
        continues = _stop_prepending(inside["pre_tokenizer"])
        if continues:
            _keep_leading_space(whole["decoder"])
        self._at_start = _load(plain)
        self._inside = _load(inside) if continues else self._at_start
        self._whole = _load(whole)

    def encode(self, text: str, *, at_start: bool) -> list[int]:
        """Ids of a text that stands at the start of the model's input, or follows other tokens."""
        if not text:
            return []
        backend = self._at_start if at_start else self._inside
        ids: list[int] = backend.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of ids that follow other tokens, special tokens left out."""
        return str(self._whole.decode(list(token_ids), skip_special_tokens=True))


def _load(description: dict[str, Any]) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_str(json.dumps(description))


def _hide_control_tokens(description: dict[str, Any]) -> None:
    """Takes away the added tokens, and their pieces from the vocabulary where they have some.

    A Unigram model would find such a piece in any text, and a BPE that ignores merges in a text
    that is nothing else. What stands in for it cannot be met: every tokenizer of these kinds has
    replaced spaces before it looks for pieces.
    """
    model = description["model"]
    merged = {"".join(pair) for pair in model.get("merges") or ()}
    hidden = {
        token["content"]: f" {token['id']} "
        for token in description["added_tokens"]
        if token["content"] not in merged
    }
    description["added_tokens"] = []
    if isinstance(model["vocab"], dict):
        model["vocab"] = {hidden.get(piece, piece): i for piece, i in model["vocab"].items()}
    else:
        model["vocab"] = [[hidden.get(piece, piece), score] for piece, score in model["vocab"]]
    if model.get("unk_token") in hidden:
        model["unk_token"] = hidden[model["unk_token"]]


def _parts(component: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """A pre-tokenizer or decoder, or those it is a sequence of."""
    if component is not None:
        yield component
        for key in ("pretokenizers", "decoders"):
            for part in component.get(key, ()):
                yield from _parts(part)


def _stop_prepending(pre_tokenizer: dict[str, Any] | None) -> bool:
    """Whether the start of the input was treated otherwise than the rest, which it no longer is."""
    found = [part for part in _parts(pre_tokenizer) if part.get("prepend_scheme") == "first"]
    for part in found:
        part["prepend_scheme"] = "never"
    return bool(found)


def _keep_leading_space(decoder: dict[str, Any] | None) -> None:
    """Undoes the decoder's removal of the space that was put before the first word."""
    for part in _parts(decoder):
        if part["type"] == "Metaspace":
            part["prepend_scheme"] = "never"
        elif part["type"] == "Strip":
            part["start"] = 0
