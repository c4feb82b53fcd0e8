"""A Hugging Face model directory as a Megatron checkpoint.

    python tools/convert_hf_to_megatron.py SOURCE TARGET
    torchrun --nproc-per-node 4 tools/convert_hf_to_megatron.py SOURCE TARGET \\
        --tensor-model-parallel-size 2 --pipeline-model-parallel-size 2

TARGET gets policy/ (Megatron's distributed checkpoint format, which loads at any layout) and the
source's config, tokenizer, generation config and chat template. The layout is only that of the
processes that write; one alone will do. docs/checkpoints.md says more.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from megatron_urpo.config import ConfigError, TrainingConfig
from megatron_urpo.console import say
from megatron_urpo.types import RunError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--tensor-model-parallel-size", type=int, default=1)
    parser.add_argument("--pipeline-model-parallel-size", type=int, default=1)
    parser.add_argument(
        "--params-dtype",
        choices=("auto", "bfloat16", "float32"),
        default="auto",
        help="of the weights written; auto: as in the files",
    )
    options = parser.parse_args(arguments)
    from megatron_urpo.training.hf_conversion import convert_hf_to_megatron

    try:
        layout = TrainingConfig(
            tensor_model_parallel_size=options.tensor_model_parallel_size,
            pipeline_model_parallel_size=options.pipeline_model_parallel_size,
        )
        convert_hf_to_megatron(options.source, options.target, layout, options.params_dtype)
    except (ConfigError, RunError, OSError) as error:
        say(f"error: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
