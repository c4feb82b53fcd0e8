"""One layout's plan: the memory of every phase, its durations, and whether it fits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.layout import Layout, refuse
from megatron_urpo.model_shape import ModelShape
from megatron_urpo.planning.activations import TrainingLoad
from megatron_urpo.planning.checkpoint_memory import (
    background_copies,
    host_bytes_of_node,
    resuming_bytes_of_node,
)
from megatron_urpo.planning.durations import Durations, estimate_durations
from megatron_urpo.planning.engine import EngineMemory, engine_memory
from megatron_urpo.planning.hardware import Hardware, format_size
from megatron_urpo.planning.layout import layout_misfits
from megatron_urpo.planning.memory import Components, static_components, training_phases
from megatron_urpo.planning.packing import Packing, packing_layout_of, plan_packing
from megatron_urpo.planning.precision import check_capability, fp8_problem, fp8_remarks
from megatron_urpo.planning.remarks import judge_remarks, recompute_remarks, watchdog_remarks
from megatron_urpo.planning.steps import phases_of
from megatron_urpo.planning.tokens import Lengths, StepTokens, step_tokens

# Phases of training in which it is not asleep either.
_ENGINE_AWAKE = ("weight sync", "checkpoint", "resume")
_SHARE_STEP = 0.05  # of rollout.gpu_memory_utilization when it is chosen here


@dataclass(frozen=True, slots=True)
class Choices:
    """What a plan takes besides configuration and layout."""

    engine_sleeps: bool = True  # the engine gives its GPU memory back while the trainer works
    choose_engine_share: bool = False  # or take rollout.gpu_memory_utilization as it is
    lengths: Lengths | None = None  # expected, for durations; the longest allowed when None
    compute_capability: tuple[int, int] | None = None  # of the GPU; None: FP8 is not checked


@dataclass(frozen=True, slots=True)
class Plan:
    """What a layout needs of every rank, and what it takes."""

    layout: Layout
    load: TrainingLoad
    hardware: Hardware
    save_host_bytes: int  # of the node where a save copies most into the host's memory
    resume_host_bytes: int  # of the node where resuming reads most into it
    phases: dict[str, Components]
    engine: EngineMemory
    engine_share: float  # rollout.gpu_memory_utilization; 0 on the CPU
    tokens: StepTokens  # of the last curriculum phase
    packing: Packing  # of the same, at the expected lengths
    durations: Durations
    problems: tuple[str, ...]  # why it cannot run, the largest excess first; none when it fits
    excess: int  # bytes that the worst of them lacks
    remarks: tuple[str, ...]  # what its user may not expect

    @property
    def fits(self) -> bool:
        return not self.problems

    @property
    def peak_phase(self) -> str:
        return max(self.phases, key=lambda name: sum(self.phases[name].values()))

    @property
    def peak(self) -> int:
        """Bytes of the largest phase, the reserve not counted."""
        return sum(self.phases[self.peak_phase].values())


def training_load(config: Config, layout: Layout, implementation: str) -> TrainingLoad:
    """The heaviest micro-batches a configuration allows: every token of the budget is predicted,
    or a sample longer than the budget goes alone. As many as the longest texts make.

    Raises:
        ConfigError: batching.share_prefix asks for what the kernels cannot do.
    """
    longest = Lengths.longest(config)
    response = int(max(longest.response, longest.judgement))
    budget = max(config.batching.micro_batch_tokens, int(longest.prompt) + response - 1)
    shares = packing_layout_of(config, layout, implementation).share_prefix
    packings = [
        plan_packing(config, phase, longest, layout, implementation) for phase in phases_of(config)
    ]
    return TrainingLoad(
        tokens=budget,
        loss_tokens=budget,
        prompt_tokens=int(longest.prompt),
        response_tokens=response,
        branches=config.rollout.group_size if shares else 1,
        implementation=implementation,
        element_bytes=2 if config.model.params_dtype == "bfloat16" else 4,
        recompute_granularity=config.training.recompute_granularity,
        logprob_chunk_tokens=config.training.logprob_chunk_tokens,
        micro_batches=max(packing.micro_batches for packing in packings),
        keeps_reference=config.training.kl_beta > 0,
        fp8=config.training.fp8 != "off",
        fp8_param_gather=config.training.fp8_param_gather,
    )


def make_plan(
    shape: ModelShape,
    config: Config,
    layout: Layout,
    hardware: Hardware,
    choices: Choices = Choices(),
) -> Plan:
    """Plans a layout that divides the model and that FP8, if it is on, can multiply.

    Raises:
        ConfigError: it does not, it cannot, or the GPU has no such FP8.
    """
    refuse(layout_misfits(shape, layout))
    if problem := fp8_problem(shape, layout, config):
        raise ConfigError(problem)
    if choices.compute_capability is not None:
        check_capability(config, choices.compute_capability)
    implementation = "local" if hardware.is_cpu else "transformer_engine"
    load = training_load(config, layout, implementation)
    background = config.checkpoint.async_save and config.checkpoint.every > 0
    training = training_phases(
        shape, layout, load, config.weight_sync.bucket_mib, saves_in_background=background
    )
    share = 0.0 if hardware.is_cpu else config.rollout.gpu_memory_utilization
    if choices.choose_engine_share and not hardware.is_cpu:
        share = _largest_share(shape, layout, load, training, hardware, choices)
    engine = engine_memory(
        shape,
        config,
        Lengths.longest(config),
        hardware,
        tensor_parallel_size=layout.engine_tensor_parallel_size,
        share=share,
    )
    copies = background_copies(shape, layout, load, background=background)
    phases = _with_engine(shape, layout, load, training, copies, engine, hardware, choices)
    lengths = choices.lengths or Lengths.longest(config)
    phase = phases_of(config)[-1]
    tokens = step_tokens(config, phase, lengths)
    packing = plan_packing(config, phase, lengths, layout, implementation)
    durations = estimate_durations(
        shape, layout, load, config, engine, tokens, packing, lengths, hardware
    )
    lacking = _memory_problems(phases, engine, hardware, config)
    return Plan(
        layout=layout,
        load=load,
        hardware=hardware,
        save_host_bytes=host_bytes_of_node(
            shape, layout, load, hardware.ranks_per_node, background=background
        ),
        resume_host_bytes=resuming_bytes_of_node(shape, layout, load, hardware.ranks_per_node),
        phases=phases,
        engine=engine,
        engine_share=share,
        tokens=tokens,
        packing=packing,
        durations=durations,
        problems=tuple(text for _, text in lacking),
        excess=lacking[0][0] if lacking else 0,
        remarks=(
            *judge_remarks(config),
            *recompute_remarks(config),
            *fp8_remarks(config, hardware, choices.compute_capability),
            *watchdog_remarks(config, durations),
        ),
    )


def rank_plans(
    shape: ModelShape,
    config: Config,
    layouts: Iterable[Layout],
    hardware: Hardware,
    choices: Choices = Choices(),
) -> list[Plan]:
    """Plans of all layouts with each recompute setting: those that fit, the fastest first, then
    the others, the least lacking first."""
    plans = []
    for layout in layouts:
        for recompute in ("none", "full"):
            training = replace(config.training, recompute_granularity=recompute)
            plans.append(
                make_plan(shape, replace(config, training=training), layout, hardware, choices)
            )
    return sorted(
        plans,
        key=lambda plan: (not plan.fits, plan.durations.step if plan.fits else plan.excess),
    )


def _largest_share(
    shape: ModelShape,
    layout: Layout,
    load: TrainingLoad,
    training: dict[str, Components],
    hardware: Hardware,
    choices: Choices,
) -> float:
    """The most an engine can have of the GPU besides what the trainer holds at the same time."""
    others = _static_bytes(shape, layout, load)
    awake = [name for name in training if name in _ENGINE_AWAKE]
    beside = awake if choices.engine_sleeps else list(training)
    others = max([others, *(sum(training[name].values()) for name in beside)])
    free = (hardware.memory - hardware.reserve - others) / hardware.memory
    return max(int(min(free, 0.9) / _SHARE_STEP + 1e-9), 1) * _SHARE_STEP


def _static_bytes(shape: ModelShape, layout: Layout, load: TrainingLoad) -> int:
    return max(
        sum(static_components(shape, layout, load, stage).values())
        for stage in range(layout.pipeline_model_parallel_size)
    )


def _with_engine(
    shape: ModelShape,
    layout: Layout,
    load: TrainingLoad,
    training: dict[str, Components],
    copies: Components,
    engine: EngineMemory,
    hardware: Hardware,
    choices: Choices,
) -> dict[str, Components]:
    """All phases of a step, with what the engine and a save in the background hold meanwhile."""
    static = max(
        (
            static_components(shape, layout, load, stage)
            for stage in range(layout.pipeline_model_parallel_size)
        ),
        key=lambda components: sum(components.values()),
    )
    idle = engine.components() | {"engine activations": 0}
    asleep = choices.engine_sleeps and not hardware.is_cpu
    kept = {"engine graphs and kernels": engine.overhead}  # sleep lets weights and cache go alone
    phases = {"rollout and judging": static | copies | engine.components()}
    for name, components in training.items():
        awake = name in _ENGINE_AWAKE or not asleep
        phases[name] = components | copies | (idle if awake else kept)
    return phases


def _memory_problems(
    phases: dict[str, Components], engine: EngineMemory, hardware: Hardware, config: Config
) -> list[tuple[int, str]]:
    """Bytes that are lacking, and for what; the largest excess first."""
    excess: list[tuple[int, str]] = []
    for name, components in phases.items():
        total = sum(components.values()) + hardware.reserve
        over = total - hardware.memory
        if over > 0:
            text = (
                f"{name} needs {format_size(total)} with {format_size(hardware.reserve)} in "
                f"reserve, {format_size(over)} more than there is"
            )
            excess.append((over, f"{text}; {_largest(components)}"))
    length = config.rollout.max_model_len
    if engine.kv_tokens < length:
        missing = length * engine.kv_bytes_per_token - engine.kv_cache
        text = (
            f"the engine lacks {format_size(missing)} for a KV cache of rollout.max_model_len = "
            f"{length:,} tokens"
        )
        excess.append((missing, f"{text}; {_largest(phases['rollout and judging'])}"))
    return sorted(excess, reverse=True)


def _largest(components: Components) -> str:
    name = max(components, key=lambda part: components[part])
    return f"largest component: {name}, {format_size(components[name])}"
