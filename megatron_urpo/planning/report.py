"""Plans as text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from megatron_urpo.model_shape import ModelShape
from megatron_urpo.planning.hardware import format_size
from megatron_urpo.planning.memory import Components
from megatron_urpo.planning.parameters import count_parameters
from megatron_urpo.planning.plan import Plan


def describe_model(name: str, shape: ModelShape) -> str:
    """One line of a model's size."""
    return (
        f"{name}: {count_parameters(shape):,} parameters, {shape.num_layers} layers, hidden "
        f"{shape.hidden_size}, {shape.num_attention_heads} heads in {shape.num_query_groups} "
        f"groups, vocabulary {shape.vocab_size:,}"
    )


def describe_plan(plan: Plan) -> list[str]:
    """Everything a plan says of one layout."""
    hardware, load = plan.hardware, plan.load
    lines = [
        f"layout {plan.layout.name}; recompute {load.recompute_granularity}; "
        f"{load.implementation}; micro-batches of {load.tokens:,} tokens, {load.micro_batches} a "
        f"mini-batch and rank{_expected_micro_batches(plan)}",
        f"memory of a rank: {format_size(hardware.memory)}, of which "
        f"{format_size(hardware.reserve)} in reserve",
    ]
    for name, components in plan.phases.items():
        total = sum(components.values())
        mark = "  <- peak" if name == plan.peak_phase else ""
        lines.append(f"  {name:22}{format_size(total):>11}  = {_sum(components)}{mark}")
    if not hardware.is_cpu:
        lines.append(
            f"a save takes {format_size(plan.save_host_bytes)} of host memory on the node that "
            f"writes most, resuming {format_size(plan.resume_host_bytes)} where most is read"
        )
    lines += [*_engine_lines(plan), *_token_lines(plan), *_duration_lines(plan)]
    return [*lines, *plan.remarks]


def assumptions(plan: Plan, engine_sleeps: bool) -> list[str]:
    """What the numbers rest on."""
    hardware = plan.hardware
    lines = [
        "texts are taken at their longest for memory; components: docs/planner.md",
        "a group is judged once: further attempts (rollout.judge_retries) are the exception",
        f"rates: {hardware.flops / 1e12:g} TFLOP/s at {hardware.efficiency:.0%}, memory "
        f"{hardware.memory_bandwidth / 1e9:g} GB/s at {hardware.bandwidth_efficiency:.0%} when "
        f"decoding, {hardware.node_bandwidth / 1e9:g} GB/s within a node, "
        f"{hardware.network_bandwidth / 1e9:g} GB/s between nodes; stated, not measured here",
    ]
    if hardware.is_cpu:
        return [*lines, "engine and trainer share the memory all the time"]
    sleeping = (
        "the engine sleeps while the trainer works (its GPU memory is free then)"
        if engine_sleeps
        else "the engine keeps its GPU memory while the trainer works"
    )
    return [
        *lines,
        sleeping,
        "activations of Transformer Engine follow Korthikanti et al. 2022 (2205.05198); not "
        "verified on a GPU",
    ]


def describe_ranking(plans: Sequence[Plan], top: int, every: bool = False) -> list[str]:
    """The plans that fit, the fastest first, and why the others do not.

    Args:
        top: plans of each sort that are listed.
        every: list all that do not fit.
    """
    fitting = [plan for plan in plans if plan.fits]
    others = [plan for plan in plans if not plan.fits]
    lines = [f"{len(fitting)} of {len(plans)} plans fit; the fastest:"]
    for number, plan in enumerate(fitting[:top], start=1):
        lines.append(
            f"{number:3}. {_title(plan):52} peak {format_size(plan.peak):>9} in "
            f"{plan.peak_phase}; {_seconds(plan.durations.step)} a step; "
            f"{plan.engine.player_sequences} answers, {plan.engine.judge_sequences} judgements at "
            f"once; gpu_memory_utilization {plan.engine_share:.2f}"
        )
    if others:
        lines.append(f"{len(others)} do not fit, the nearest first:")
    for plan in others[: None if every else top]:
        lines.append(f"     {_title(plan):52} {plan.problems[0]}")
    return lines


def _expected_micro_batches(plan: Plan) -> str:
    count = plan.packing.micro_batches
    return "" if count == plan.load.micro_batches else f", {count} at the expected lengths"


def _title(plan: Plan) -> str:
    return f"{plan.layout.name}, recompute {plan.load.recompute_granularity}"


def _sum(components: Components) -> str:
    return " + ".join(f"{name} {format_size(size)}" for name, size in components.items() if size)


def _engine_lines(plan: Plan) -> list[str]:
    engine, layout = plan.engine, plan.layout
    share = f"{plan.engine_share:.2f} of the GPU; " if plan.engine_share else ""
    return [
        f"{layout.engines} engines of TP{layout.engine_tensor_parallel_size}: {share}KV cache "
        f"of {engine.kv_tokens:,} tokens, {engine.kv_bytes_per_token:,} B of each on a rank; it "
        f"holds {engine.player_sequences} answers of {engine.player_tokens:,} tokens, or "
        f"{engine.judge_sequences} judgements of {engine.judge_tokens:,}, at once",
    ]


def _token_lines(plan: Plan) -> list[str]:
    tokens, packing = plan.tokens, plan.packing
    return [
        f"tokens of a step: {tokens.prompt_tokens:,.0f} of prompts, {tokens.answer_tokens:,.0f} of "
        f"answers, {tokens.judgement_tokens:,.0f} of trained judgements; judging "
        f"{tokens.judge_requests:,.0f} groups reads {tokens.judge_prompt_tokens:,.0f} and writes "
        f"{tokens.judge_response_tokens:,.0f}",
        f"an epoch trains on {packing.all_tokens:,} packed tokens, of which the busiest of "
        f"{plan.layout.data_parallel_size} data-parallel ranks has {packing.tokens:,}",
    ]


def _duration_lines(plan: Plan) -> list[str]:
    spent = plan.durations
    parts = {
        "rollout": spent.rollout,
        "judging": spent.judging,
        "log-probs": spent.logprobs,
        "training": spent.training,
        "weight sync": spent.weight_sync,
    }
    shown = ", ".join(f"{name} {_seconds(seconds)}" for name, seconds in parts.items())
    return [f"estimated time of a step: {_seconds(spent.step)} ({shown})"]


def _seconds(seconds: float) -> str:
    if seconds == math.inf:
        return "for ever"
    return f"{seconds:.3g} s" if seconds < 600 else f"{seconds / 60:.3g} min"
