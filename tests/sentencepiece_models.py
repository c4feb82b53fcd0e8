"""Small tokenizers of SentencePiece's kinds, trained on this project's own pages."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import sentencepiece

CONTROL = ("<unk>", "<s>", "</s>")
INST_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} "
    "[/INST]{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
PLAIN_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def train(model_type: str) -> bytes:
    """A tokenizer.model of 600 pieces that can encode any text: "bpe" or "unigram"."""
    pages = (Path(__file__).parents[1] / "docs").glob("*.md")
    lines = [line for page in sorted(pages) for line in page.read_text().splitlines() if line]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type=model_type,
        vocab_size=600,
        byte_fallback=True,
        split_digits=True,
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    return model.getvalue()


def write_tokenizer_model(directory: Path, template: str, **fields: Any) -> Path:
    """tokenizer.model as Llama 2 and Mistral ship it, without a tokenizer.json."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "tokenizer.model").write_bytes(train("bpe"))
    described = dict(zip(("unk_token", "bos_token", "eos_token"), CONTROL, strict=True))
    described |= {"tokenizer_class": "LlamaTokenizer", "chat_template": template}
    (directory / "tokenizer_config.json").write_text(json.dumps(described | fields))
    return directory


def write_tokenizer_json(directory: Path, template: str, *, model_type: str) -> Path:
    """tokenizer.json of a converted SentencePiece model.

    "unigram" as T5 and XLM-R have it: control tokens are pieces of the model. "bpe" as Llama 2's
    first conversions: a normalizer puts "▁" before every text, and for every space.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

    processor = sentencepiece.SentencePieceProcessor(model_proto=train(model_type))
    pieces = [processor.id_to_piece(i) for i in range(len(processor))]
    scores = [processor.get_score(i) for i in range(len(processor))]
    if model_type == "unigram":
        tokenizer = Tokenizer(
            models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=0, byte_fallback=True)
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
        tokenizer.decoder = decoders.Sequence(
            [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="always")]
        )
    else:
        rank = {piece: i for i, piece in enumerate(pieces)}
        merges = sorted(
            (rank[piece], piece[:cut], piece[cut:])
            for piece in pieces[3:]
            for cut in range(1, len(piece))
            if piece[:cut] in rank and piece[cut:] in rank and not piece.startswith("<0x")
        )
        tokenizer = Tokenizer(
            models.BPE(rank, [(a, b) for _, a, b in merges], unk_token="<unk>", byte_fallback=True)
        )
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
        tokenizer.decoder = decoders.Sequence(
            [
                decoders.Replace("▁", " "),
                decoders.ByteFallback(),
                decoders.Fuse(),
                decoders.Strip(" ", 1, 0),
            ]
        )
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in CONTROL])
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    described = dict(zip(("unk_token", "bos_token", "eos_token"), CONTROL, strict=True))
    described |= {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": template}
    (directory / "tokenizer_config.json").write_text(json.dumps(described))
    return directory
