"""The options that tell a plan of machine and texts, the same for every command that plans."""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import dataclass, fields, replace

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.planning.hardware import Hardware, gpu, parse_size
from megatron_urpo.planning.plan import Choices
from megatron_urpo.planning.tokens import Lengths


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What was given; None stands for the default of the machine or of the configuration.

    Raises:
        ConfigError: a number that cannot be; names the option, its value and the remedy.
    """

    gpus: int | None = None  # of the whole job
    nodes: int | None = None
    gpu_memory: str | None = None  # such as 80GB
    reserve: str | None = None
    compute_capability: str | None = None  # such as 9.0
    tflops: float | None = None
    fp8_tflops: float | None = None
    efficiency: float | None = None
    memory_bandwidth: float | None = None  # this and the next two in GB/s
    node_bandwidth: float | None = None
    network_bandwidth: float | None = None
    mean_prompt_tokens: float | None = None
    mean_response_tokens: float | None = None
    mean_judgement_tokens: float | None = None
    engine_stays_awake: bool = False

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                require_positive(_flag(option.name), value)
        if self.efficiency is not None and self.efficiency > 1:
            raise ConfigError(
                f"--efficiency {self.efficiency:g} is more than all of --tflops: give a share, at "
                "most 1"
            )

    @classmethod
    def of(cls, parsed: argparse.Namespace) -> PlanOptions:
        """Of a command line that `add_plan_options` has a part in."""
        return cls(**{option.name: getattr(parsed, option.name) for option in fields(cls)})

    @property
    def given(self) -> list[str]:
        """The options that are not at their defaults, as they are written."""
        return [
            _flag(option.name)
            for option in fields(self)
            if getattr(self, option.name) not in (None, False)
        ]

    def ranks_per_node(self, world_size: int) -> int:
        """
        Raises:
            ConfigError: the ranks do not divide into --nodes.
        """
        nodes = self.nodes or 1
        if world_size % nodes:
            raise ConfigError(
                f"--gpus {world_size} do not divide into --nodes {nodes}: every node has the same "
                f"number; give a multiple of {nodes}"
            )
        return world_size // nodes

    def stated_gpu(self, world_size: int) -> Hardware | None:
        """A GPU of --gpu-memory at the rates that were given; None without that option."""
        if self.gpu_memory is None:
            return None
        memory = _size("--gpu-memory", self.gpu_memory)
        return self.rated(gpu(memory, ranks_per_node=self.ranks_per_node(world_size)))

    def rated(self, hardware: Hardware) -> Hardware:
        """A machine with the reserve and the rates that were given in place of its own."""
        given = {
            "flops": (self.tflops, 1e12),
            "fp8_flops": (self.fp8_tflops, 1e12),
            "efficiency": (self.efficiency, 1),
            "memory_bandwidth": (self.memory_bandwidth, 1e9),
            "node_bandwidth": (self.node_bandwidth, 1e9),
            "network_bandwidth": (self.network_bandwidth, 1e9),
        }
        changes: dict[str, float] = {
            name: scale * value for name, (value, scale) in given.items() if value is not None
        }
        if self.reserve is not None:
            changes["reserve"] = _size("--reserve", self.reserve)
        return replace(hardware, **changes)  # type: ignore[arg-type]

    def choices(
        self,
        config: Config,
        *,
        choose_engine_share: bool = False,
        capability_here: tuple[int, int] | None = None,
    ) -> Choices:
        """
        Args:
            capability_here: of this machine's GPU, for want of --compute-capability.

        Raises:
            ConfigError: a mean is longer than the longest text allowed.
        """
        longest = Lengths.longest(config)
        limits = {
            "prompt": ("data.max_prompt_tokens", longest.prompt),
            "response": ("rollout.max_response_tokens", longest.response),
            "judgement": ("rollout.max_judgement_tokens", longest.judgement),
        }
        means: dict[str, float] = {}
        for text, (key, limit) in limits.items():
            mean = getattr(self, f"mean_{text}_tokens")
            if mean is not None and mean > limit:
                raise ConfigError(
                    f"--mean-{text}-tokens {mean:g} exceeds {key} = {limit:g}: lower the first or "
                    "raise the second"
                )
            means[text] = limit if mean is None else mean
        return Choices(
            engine_sleeps=not self.engine_stays_awake,
            choose_engine_share=choose_engine_share,
            lengths=replace(longest, **means),
            compute_capability=self._capability() or capability_here,
        )

    def _capability(self) -> tuple[int, int] | None:
        if self.compute_capability is None:
            return None
        match = re.fullmatch(r"(\d{1,2})\.(\d)", self.compute_capability)
        if match is None:
            raise ConfigError(
                f"--compute-capability {self.compute_capability!r} is none: write it as 9.0 "
                "(Hopper) or 10.0 (Blackwell)"
            )
        if self.gpu_memory is None:
            raise ConfigError(
                f"--compute-capability {self.compute_capability} is of a GPU that is not here: "
                "add its --gpu-memory"
            )
        return int(match[1]), int(match[2])


def add_plan_options(parser: argparse.ArgumentParser, note: str, *, required: bool) -> None:
    """Adds the options of PlanOptions to a command.

    Args:
        note: that the help says of them all.
        required: the command plans for no machine but a stated one.
    """
    add = parser.add_argument_group("the machine and the texts to plan for", note).add_argument
    add("--gpus", type=int, required=required, help="of the whole job")
    add("--nodes", type=int, help="that they are spread over; default: 1")
    memory = "of one GPU, such as 80GB (10^9) or 79.6GiB"
    add("--gpu-memory", required=required, help=memory)
    capability = "of the GPU, such as 9.0, to check FP8 against; default: that of a GPU that a dry "
    add("--compute-capability", help=capability + "run finds here, else FP8 is not checked")
    add("--reserve", help="CUDA context, NCCL, fragmentation; default: 4GiB on a GPU")
    add("--tflops", type=float, help="dense bfloat16 of one GPU; default: 989")
    add("--fp8-tflops", type=float, help="dense FP8 of one GPU; default: twice --tflops")
    add("--efficiency", type=float, help="share of it that is reached; default: 0.4")
    add("--memory-bandwidth", type=float, help="GB/s; default: 3350")
    add("--node-bandwidth", type=float, help="GB/s of a GPU within a node; default: 450")
    add("--network-bandwidth", type=float, help="GB/s of a GPU between nodes; default: 50")
    add("--mean-prompt-tokens", type=float, help="for times; default: the longest allowed")
    add("--mean-response-tokens", type=float, help="the same of answers")
    add("--mean-judgement-tokens", type=float, help="the same of judgements")
    add("--engine-stays-awake", action="store_true", help="it keeps its memory during training")


def require_positive(option: str, value: float) -> None:
    """Raises ConfigError unless the value of an option is finite and above zero."""
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{option} {value:g} cannot be: give a number above 0")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _size(option: str, text: str) -> int:
    try:
        return parse_size(text)
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}") from None
