"""Which layout of a cluster trains a model: memory, concurrency, tokens and time, before a run.

    python tools/plan_parallelism.py --model Qwen2.5-72B --gpus 64 --nodes 8 --gpu-memory 80GB
    python tools/plan_parallelism.py --model DIR --gpus 8 --gpu-memory 80GB --config run.toml \\
        --rollout.max_response_tokens 8192

--model is a Hugging Face directory or a name of the built-in table. Batch, lengths and everything
else come from --config, overrides as for `urpo train`; without it the defaults, which are the
paper's. The layout keys of the configuration are ignored: all valid layouts are tried, with and
without full recomputation of activations, and ranked by estimated time. Memory is predicted for
the longest texts allowed. docs/planner.md has the formulas.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from megatron_urpo.config import ConfigError
from megatron_urpo.load_config import load_config
from megatron_urpo.planning.hardware import Hardware, parse_size
from megatron_urpo.planning.layout import refused_sizes, valid_layouts
from megatron_urpo.planning.models import MODELS, find_model
from megatron_urpo.planning.plan import Choices, rank_plans
from megatron_urpo.planning.report import (
    assumptions,
    describe_model,
    describe_plan,
    describe_ranking,
)
from megatron_urpo.planning.tokens import Lengths


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the ranking and the best plan; 1 when nothing fits, 2 for wrong arguments."""
    parsed, overrides = _parser().parse_known_args(arguments)
    try:
        return _run(parsed, overrides)
    except ConfigError as error:
        print(f"plan_parallelism: {error}", file=sys.stderr)
        return 2


def _run(parsed: argparse.Namespace, overrides: Sequence[str]) -> int:
    shape = find_model(parsed.model)
    config = load_config(parsed.config, overrides)
    if parsed.gpus % parsed.nodes:
        raise ConfigError(f"--gpus {parsed.gpus} do not divide into --nodes {parsed.nodes}")
    longest = Lengths.longest(config)
    lengths = replace(
        longest,
        prompt=parsed.mean_prompt_tokens or longest.prompt,
        response=parsed.mean_response_tokens or longest.response,
        judgement=parsed.mean_judgement_tokens or longest.judgement,
        judge_attempts=1,
    )
    hardware = Hardware(
        memory=parse_size(parsed.gpu_memory),
        reserve=parse_size(parsed.reserve),
        ranks_per_node=parsed.gpus // parsed.nodes,
        flops=parsed.tflops * 1e12,
        efficiency=parsed.efficiency,
        memory_bandwidth=parsed.memory_bandwidth * 1e9,
        node_bandwidth=parsed.node_bandwidth * 1e9,
        network_bandwidth=parsed.network_bandwidth * 1e9,
    )
    choices = Choices(
        engine_sleeps=not parsed.engine_stays_awake,
        choose_engine_share=parsed.config is None,
        lengths=lengths,
    )
    layouts = list(
        valid_layouts(
            shape,
            parsed.gpus,
            hardware.ranks_per_node,
            max_context_parallel=parsed.max_context_parallel,
            max_virtual_stages=parsed.max_virtual_stages,
        )
    )
    if not layouts:
        raise ConfigError(f"no layout of {parsed.gpus} ranks divides {parsed.model}")
    plans = rank_plans(shape, config, layouts, hardware, choices)
    lines = [
        describe_model(parsed.model, shape),
        *describe_ranking(plans, parsed.top, every=parsed.all),
        *refused_sizes(shape, parsed.gpus, hardware.ranks_per_node),
    ]
    best = plans[0]
    lines += ["", "the first in full:" if best.fits else "the nearest in full:"]
    print("\n".join([*lines, *describe_plan(best), *assumptions(best, choices.engine_sleeps)]))
    return 0 if best.fits else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model", required=True, help=f"a directory, or one of {', '.join(MODELS)}")
    add("--gpus", type=int, required=True, help="of the whole job")
    add("--nodes", type=int, default=1)
    add("--gpu-memory", required=True, help="of one GPU, such as 80GB (10^9) or 79.6GiB")
    add("--config", help="a TOML file of a run; with it rollout.gpu_memory_utilization is taken")
    add("--top", type=int, default=5, help="plans to list")
    add("--all", action="store_true", help="list every plan that does not fit")
    add("--reserve", default="4GiB", help="CUDA context, NCCL, fragmentation")
    add("--max-context-parallel", type=int, default=8)
    add("--max-virtual-stages", type=int, default=2)
    add("--mean-prompt-tokens", type=float, help="for times; default: the longest allowed")
    add("--mean-response-tokens", type=float)
    add("--mean-judgement-tokens", type=float)
    add("--engine-stays-awake", action="store_true", help="it keeps its memory during training")
    add("--tflops", type=float, default=989, help="dense bfloat16 of one GPU")
    add("--efficiency", type=float, default=0.4, help="share of it that is reached")
    add("--memory-bandwidth", type=float, default=3350, help="GB/s")
    add("--node-bandwidth", type=float, default=450, help="GB/s of a GPU within a node")
    add("--network-bandwidth", type=float, default=50, help="GB/s of a GPU between nodes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
