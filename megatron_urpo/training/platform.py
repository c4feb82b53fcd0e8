"""The device under training: one CUDA GPU a rank, or the CPU.

megatron-core is written for CUDA. On a machine without it `install` answers for what megatron asks:
the few `torch.cuda` functions of its path get CPU answers, and the modules that create tensors with
a literal device="cuda" see a stand-in for the name `torch` in which "cuda" means "cpu". Nothing is
patched that works without a GPU: `torch.tensor` and its siblings stay as they are, because other
libraries in the process (transformers, vLLM) depend on them.
"""

from __future__ import annotations

import functools
import importlib
import os
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from megatron_urpo.config import ConfigError
from megatron_urpo.device import DeviceFacts
from megatron_urpo.environment import installed_version, release
from megatron_urpo.launch_environment import TorchRank

# Modules of megatron-core 0.16 that name the device as a string.
_MODULES_NAMING_CUDA = (
    "megatron.core.dist_checkpointing.exchange_utils",
    "megatron.core.dist_checkpointing.strategies.state_dict_saver",
    "megatron.core.optimizer.clip_grads",
    "megatron.core.optimizer.grad_scaler",
    "megatron.core.optimizer.optimizer",
    "megatron.core.pipeline_parallel.schedules",
    "megatron.core.tensor_parallel.data",
    "megatron.core.transformer.utils",
    "megatron.core.utils",
)
_FACTORIES = ("empty", "full", "ones", "tensor", "zeros")


@dataclass(frozen=True, slots=True)
class Platform:
    """What the rest of training asks about the device."""

    device: torch.device
    backend: str  # of torch.distributed
    facts: DeviceFacts = field(default_factory=DeviceFacts)

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    def transformer_impl(self, choice: str) -> str:
        """Resolves training.transformer_impl = auto.

        Raises:
            ConfigError: the choice cannot run on this device.
        """
        if choice == "auto":
            choice = "transformer_engine" if self.is_cuda else "local"
        if choice == "transformer_engine" and not self.is_cuda:
            raise ConfigError(
                "training.transformer_impl = 'transformer_engine' needs a CUDA device, and there "
                "is none here: use 'local' or 'auto'"
            )
        if choice == "local" and self.is_cuda:
            raise ConfigError(
                "training.transformer_impl = 'local' computes attention with the CPU's kernels: "
                "use 'transformer_engine' or 'auto' on a CUDA device"
            )
        if choice == "transformer_engine" and self.facts.transformer_engine is None:
            raise ConfigError(
                "training.transformer_impl = 'transformer_engine' (what 'auto' means on a GPU) "
                "needs Transformer Engine, which is not installed: install the release that "
                "requirements/gpu.txt pins"
            )
        return choice

    def synchronize(self) -> None:
        """Waits for the device, so that a clock read afterwards is true."""
        if self.is_cuda:
            torch.cuda.synchronize(self.device)


def detect(rank: TorchRank) -> Platform:
    """The platform of this process; on a GPU machine the local rank's device is made current."""
    if not torch.cuda.is_available():
        return Platform(device=torch.device("cpu"), backend="gloo")
    device = torch.device("cuda", rank.local_rank)
    torch.cuda.set_device(device)
    transformer_engine = installed_version("transformer-engine")
    facts = DeviceFacts(
        compute_capability=torch.cuda.get_device_capability(device),
        cuda_version=release(torch.version.cuda) if torch.version.cuda else None,
        transformer_engine=release(transformer_engine) if transformer_engine else None,
    )
    return Platform(device=device, backend="nccl", facts=facts)


def use_deterministic_algorithms(platform: Platform) -> None:
    """The same numbers from the same input, at the price of speed. Before the first kernel."""
    if platform.is_cuda:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch refuses without
        os.environ["NVTE_ALLOW_NONDETERMINISTIC_ALGO"] = "0"  # Transformer Engine's attention
    torch.use_deterministic_algorithms(True)


def install(platform: Platform) -> None:
    """Makes megatron-core runnable on `platform`. Does nothing on CUDA, or when called again."""
    if platform.is_cuda or getattr(torch.cuda.current_device, "answers_for_cpu", False):
        return
    _answer_cuda_questions()
    stand_in = _torch_with_cuda_on_cpu()
    for name in _MODULES_NAMING_CUDA:
        module = importlib.import_module(name)
        module.__dict__["torch"] = stand_in
    rng = importlib.import_module("megatron.core.tensor_parallel.random")
    rng.__dict__["_get_cuda_rng_state"] = lambda *args, **kwargs: torch.get_rng_state()
    rng.__dict__["_set_cuda_rng_state"] = lambda state, *args, **kwargs: torch.set_rng_state(state)


@contextmanager
def cuda_type_names(platform: Platform) -> Iterator[None]:
    """Within it `Tensor.type()` names CUDA types on the CPU, as megatron's optimizer expects.

    The optimizer compares those strings when it is built and when it clips. Kept to these moments,
    since everybody else may want the truth.
    """
    if platform.is_cuda:
        yield
        return
    truthful = torch.Tensor.type

    @functools.wraps(truthful)
    def type_name(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        result = truthful(tensor, *args, **kwargs)
        return result.replace("torch.", "torch.cuda.", 1) if isinstance(result, str) else result

    torch.Tensor.type = type_name  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del torch.Tensor.type  # the inherited method shows again


def _answer_cuda_questions() -> None:
    """CPU answers for the torch.cuda functions on megatron's path; all raise without a GPU."""

    def current_device() -> torch.device:
        return torch.device("cpu")

    current_device.answers_for_cpu = True  # type: ignore[attr-defined]
    answers: dict[str, Callable[..., Any]] = {
        "current_device": current_device,
        "current_stream": lambda *args, **kwargs: None,
        "synchronize": lambda *args, **kwargs: None,
        "get_rng_state": lambda *args, **kwargs: torch.get_rng_state(),
        "set_rng_state": lambda state, *args, **kwargs: torch.set_rng_state(state),
        "manual_seed": lambda seed: torch.manual_seed(seed),
    }
    for name, answer in answers.items():
        setattr(torch.cuda, name, answer)
    torch.Tensor.cuda = lambda tensor, *args, **kwargs: tensor  # type: ignore[method-assign]


def _torch_with_cuda_on_cpu() -> types.ModuleType:
    """A module like torch whose tensor factories understand device="cuda" as the CPU."""

    class StandIn(types.ModuleType):
        def __getattr__(self, name: str) -> Any:
            return getattr(torch, name)

    stand_in = StandIn("torch")
    for name in _FACTORIES:
        setattr(stand_in, name, _on_cpu(getattr(torch, name)))
    return stand_in


def _on_cpu(factory: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    @functools.wraps(factory)
    def create(*args: Any, **kwargs: Any) -> torch.Tensor:
        if str(kwargs.get("device", "")).startswith("cuda"):
            kwargs["device"] = "cpu"
        return factory(*args, **kwargs)

    return create
