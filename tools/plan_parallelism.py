"""Which layout of a cluster trains a model: memory, concurrency, tokens and time, before a run.

    python tools/plan_parallelism.py --model Qwen2.5-72B --gpus 64 --nodes 8 --gpu-memory 80GB
    python tools/plan_parallelism.py --model DIR --gpus 8 --gpu-memory 80GB --config run.toml \\
        --rollout.max_response_tokens 8192

--model is a Hugging Face directory or a name of the built-in table. Batch, lengths and everything
else come from --config, overrides as for `urpo train`; without it they are the configuration's
defaults, whose judgements and context are shorter than the paper's: for those give
--config examples/urpo_qwen72b.toml. The layout keys of the configuration are ignored: all valid
layouts are tried, with and without full recomputation of activations, and ranked by estimated time.
Memory is predicted for the longest texts allowed. docs/planner.md has the formulas.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.config.load import load_config
from megatron_urpo.config.overrides import parse_arguments
from megatron_urpo.console import say
from megatron_urpo.layout import Layout
from megatron_urpo.planning.layout import refused_sizes, valid_layouts
from megatron_urpo.planning.models import MODELS, find_model
from megatron_urpo.planning.options import PlanOptions, add_plan_options, require_positive
from megatron_urpo.planning.plan import rank_plans
from megatron_urpo.planning.precision import fp8_problem
from megatron_urpo.planning.report import (
    assumptions,
    describe_model,
    describe_plan,
    describe_ranking,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the ranking and the best plan; 1 when nothing fits, 2 for wrong arguments."""
    parsed, overrides = parse_arguments(_parser(), Config, arguments)
    try:
        return _run(parsed, overrides)
    except ConfigError as error:
        say(f"plan_parallelism: {error}")
        return 2


def _run(parsed: argparse.Namespace, overrides: Sequence[str]) -> int:
    shape = find_model(parsed.model)
    config = load_config(parsed.config, overrides, override_files=parsed.override)
    for option in ("top", "max_context_parallel", "max_virtual_stages"):
        require_positive("--" + option.replace("_", "-"), getattr(parsed, option))
    options = PlanOptions.of(parsed)
    hardware = options.stated_gpu(parsed.gpus)
    assert hardware is not None  # --gpu-memory is required
    choices = options.choices(config, choose_engine_share=parsed.config is None)
    dividing = list(
        valid_layouts(
            shape,
            parsed.gpus,
            hardware.ranks_per_node,
            max_context_parallel=parsed.max_context_parallel,
            max_virtual_stages=parsed.max_virtual_stages,
        )
    )
    refused = {layout: fp8_problem(shape, layout, config) for layout in dividing}
    layouts = [layout for layout, problem in refused.items() if problem is None]
    if dividing and not layouts:
        raise ConfigError(f"no layout of --gpus {parsed.gpus} can: {refused[dividing[0]]}")
    if not layouts:
        raise ConfigError(
            f"no layout of --gpus {parsed.gpus} divides {parsed.model}: give another number"
        )
    plans = rank_plans(shape, config, layouts, hardware, choices)
    lines = [
        describe_model(parsed.model, shape),
        *describe_ranking(plans, parsed.top, every=parsed.all),
        *refused_sizes(shape, parsed.gpus, hardware.ranks_per_node),
        *_refused_by_fp8(refused),
    ]
    best = plans[0]
    lines += ["", "the first in full:" if best.fits else "the nearest in full:"]
    print("\n".join([*lines, *describe_plan(best), *assumptions(best, choices.engine_sleeps)]))
    return 0 if best.fits else 1


def _refused_by_fp8(problems: dict[Layout, str | None]) -> list[str]:
    """Each reason once, with the number of layouts that it excludes."""
    counts = Counter(problem for problem in problems.values() if problem is not None)
    return [f"FP8 excludes {count} layouts: {problem}" for problem, count in counts.items()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model", required=True, help=f"a directory, or one of {', '.join(MODELS)}")
    add("--config", help="a TOML file of a run; with it rollout.gpu_memory_utilization is taken")
    add(
        "--override",
        action="append",
        default=[],
        metavar="FILE",
        help="a TOML file laid over the config; may be repeated",
    )
    add("--top", type=int, default=5, help="plans to list")
    add("--all", action="store_true", help="list every plan that does not fit")
    add("--max-context-parallel", type=int, default=8)
    add("--max-virtual-stages", type=int, default=2)
    add_plan_options(parser, "rates rank layouts; they are no promise", required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
