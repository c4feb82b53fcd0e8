"""A model of a few megabytes of one of the supported families, to run an example on a CPU.

    python tools/make_small_model.py {qwen2.5,qwen3,llama3.1} DIRECTORY

Its tokens are bytes, its weights are random, and yet it earns rewards: its embedding and its
output layer together are a table that makes it answer everything with some ascending numbers in a
box, `\\boxed{1,2,3}`. As a verifiable answer that is sometimes right, as a judgement it sometimes
has the right number of scores, so that a step on it has varied rewards and non-zero gradients for
every kind of task. Attention and MLP are of the family and add a little noise.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# One hidden dimension for each token of the vocabulary, and heads that divide by 2 and 4.
SIZES: dict[str, Any] = {
    "hidden_size": 512,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 16384,
    "tie_word_embeddings": False,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
# Family -> class of its configuration in transformers, fields that set it apart.
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2.5": ("Qwen2Config", {}),
    "qwen3": ("Qwen3Config", {"head_dim": 128}),
    "llama3.1": ("LlamaConfig", {"rope_parameters": LLAMA3_ROPE}),
}
# Beginning of text, end of text, beginning and end of a turn; none of the last two: a base model
# whose chat template is given in the configuration.
CONTROL_TOKENS = {
    "qwen": ("<|endoftext|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    "llama": ("<|begin_of_text|>", "<|end_of_text|>"),
}
CHAT_TEMPLATE = Path(__file__).resolve().parents[1] / "examples" / "chatml.jinja"
MOST_SCORES = 9  # each is one digit
USUAL_SCORES = 8  # where an answer of the likeliest tokens ends: the paper's G

EMBEDDING_SCALE = 32.0
CERTAIN = 12.0  # logit of a token that is as good as certain
NOISE = 0.01  # standard deviation of all other weights


def build_tokenizer(control_tokens: tuple[str, ...]) -> Tokenizer:
    """Bytes, and a comma with a digit as one token: by it the model knows where it is."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    scores = [str(score) for score in range(1, MOST_SCORES + 1)]
    tokens = sorted(pre_tokenizers.ByteLevel.alphabet()) + [f",{score}" for score in scores]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={token: index for index, token in enumerate(tokens)},
            merges=[(",", score) for score in scores],
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [
            AddedToken(token, normalized=False, special=True)
            for token in dict.fromkeys(control_tokens)
        ]
    )
    return tokenizer


def next_tokens(token: str, end: str) -> dict[str, float]:
    """Probabilities of what the model writes after a token."""
    box = r"\boxed{"
    if token in box[:-1]:
        return {box[box.index(token) + 1]: 1.0}
    if token == "{":
        others = {str(score): 0.05 for score in range(2, MOST_SCORES + 1)}
        return others | {"1": 1 - sum(others.values())}
    digit = token.removeprefix(",")
    if digit and digit in "123456789":
        score = int(digit)
        if score == MOST_SCORES:
            return {"}": 1.0}
        stop = 0.8 if score == USUAL_SCORES else 0.3
        return {"}": stop, f",{score + 1}": 1 - stop}
    return {end: 1.0} if token == "}" else {"\\": 1.0}


def write_small_model(family: str, directory: Path, seed: int = 0) -> None:
    """Writes config, weights (bfloat16) and tokenizer; the same for the same seed.

    Raises FileExistsError when the directory holds something already.
    """
    import torch
    import transformers

    if directory.exists() and any(directory.iterdir()):
        raise FileExistsError(f"{directory} is not empty: remove it or name another")
    class_name, fields = FAMILIES[family]
    control_tokens = CONTROL_TOKENS["llama" if family.startswith("llama") else "qwen"]
    tokenizer = build_tokenizer(control_tokens)
    bos, eos, end = control_tokens[0], control_tokens[1], control_tokens[-1]
    ids = tokenizer.get_vocab()
    config = getattr(transformers, class_name)(
        vocab_size=len(ids), bos_token_id=ids[bos], eos_token_id=ids[eos], **(SIZES | fields)
    )
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            center = 1.0 if name.endswith("norm.weight") else 0.0
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * NOISE + center)
        rows = torch.arange(len(ids))
        model.get_input_embeddings().weight[rows, rows] += EMBEDDING_SCALE
        table = model.get_output_embeddings().weight
        for token, index in ids.items():
            for following, probability in next_tokens(token, end).items():
                # The last norm scales the one large component to the root of the hidden size.
                logit = CERTAIN + math.log(probability)
                table[ids[following], index] += logit / config.hidden_size**0.5
    model.to(torch.bfloat16).save_pretrained(directory)
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": bos,
        "eos_token": eos,
        "pad_token": eos,
        "clean_up_tokenization_spaces": False,
    }
    if len(control_tokens) > 2:
        settings["chat_template"] = CHAT_TEMPLATE.read_text(encoding="utf-8")
    path = directory / "tokenizer_config.json"
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("family", choices=sorted(FAMILIES))
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    try:
        write_small_model(arguments.family, arguments.directory)
    except FileExistsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"a small {arguments.family} in {arguments.directory}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
