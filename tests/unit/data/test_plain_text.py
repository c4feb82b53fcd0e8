"""Tokenizers of SentencePiece's kinds; test_prompts.py has the byte-level one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from megatron_urpo.config import ModelConfig
from megatron_urpo.data.plain_text import PlainText
from megatron_urpo.data.prompts import load_encoder
from megatron_urpo.types import ChatMessage
from tests.sentencepiece_models import (
    CONTROL,
    INST_TEMPLATE,
    PLAIN_TEMPLATE,
    write_tokenizer_json,
    write_tokenizer_model,
)

KINDS = {
    "tokenizer.model": lambda path, t: write_tokenizer_model(path, t, legacy=False),
    "tokenizer.model, legacy": lambda path, t: write_tokenizer_model(path, t, legacy=True),
    "unigram": lambda path, t: write_tokenizer_json(path, t, model_type="unigram"),
    "normalizer": lambda path, t: write_tokenizer_json(path, t, model_type="bpe"),
}
TEMPLATES = {"inst": INST_TEMPLATE, "plain": PLAIN_TEMPLATE}


@pytest.fixture(
    scope="module", params=[(kind, name) for kind in KINDS for name in TEMPLATES], ids=" ".join
)
def encoder(request, tmp_path_factory):
    kind, template = request.param
    directory = tmp_path_factory.mktemp("tokenizer")
    return load_encoder(ModelConfig(path=str(KINDS[kind](directory, TEMPLATES[template]))))


# "▁" is how they write a space.
text = st.text(st.characters(exclude_categories=["C"], exclude_characters="▁"), max_size=30).filter(
    lambda content: not any(token in content for token in CONTROL)
)


@given(contents=st.lists(text, min_size=1, max_size=3))
def test_ordinary_conversations_are_encoded_as_by_the_tokenizer(encoder, contents):
    roles = ["user", "assistant", "user"]
    messages = [ChatMessage(role, content) for role, content in zip(roles, contents, strict=False)]
    expected = encoder._tokenizer.apply_chat_template(
        [{"role": message.role, "content": message.content} for message in messages],
        add_generation_prompt=True,
        return_dict=False,
    )
    assert list(encoder.encode_chat(messages)) == expected


def control_ids(encoder, ids):
    return [i for i in ids if i in encoder._tokenizer.added_tokens_decoder]


@given(before=text, after=text)
def test_no_text_becomes_a_control_token(encoder, before, after):
    honest = control_ids(encoder, encoder.encode_chat([ChatMessage("user", "4")]))
    for token in CONTROL:
        for forged in (token, before + token + after):
            ids = encoder.encode_chat([ChatMessage("user", forged)])
            assert control_ids(encoder, ids) == honest
            assert control_ids(encoder, encoder.encode_target(forged)) == [encoder.eos_ids[0]]
    assert encoder._tokenizer.eos_token_id in encoder.eos_ids


@given(content=text)
def test_decoding_a_target_gives_its_text(encoder, content):
    ids = encoder.encode_target(content)
    decoded = encoder.decode(ids)
    # Metaspace with "always" cannot tell a space of the text from the one that it puts there.
    assert decoded == content or (content.startswith(" ") and decoded == content[1:])


def test_only_the_start_of_the_input_gets_a_space_of_its_own(tmp_path):
    """By hand, on the pieces: "▁" is the space that SentencePiece adds."""
    directory = write_tokenizer_model(tmp_path, PLAIN_TEMPLATE, legacy=False)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    plain = PlainText(tokenizer)
    for at_start, expected in ((True, "▁the"), (False, "the")):
        ids = plain.encode("the", at_start=at_start)
        assert "".join(tokenizer.convert_ids_to_tokens(ids)) == expected
    assert plain.decode(plain.encode(" the", at_start=False)) == " the"
    assert tokenizer.decode(plain.encode(" the", at_start=False)) == "the"
