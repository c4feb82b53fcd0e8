"""What the rollout stage asks of a generation engine, and what it gets back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from megatron_urpo.types import FinishReason, Float32Array

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt to be continued `num_samples` times.

    Raises ValueError for a request no engine can serve.
    """

    key: str  # unique among the unfinished requests of the engine
    prompt_ids: tuple[int, ...]
    num_samples: int
    max_tokens: int  # of each sample, the end token included
    temperature: float  # 0: greedy, one sample only

    def __post_init__(self) -> None:
        if not self.prompt_ids:
            raise ValueError(f"request {self.key!r}: the prompt has no tokens")
        if self.num_samples < 1 or self.max_tokens < 1:
            raise ValueError(
                f"request {self.key!r}: num_samples = {self.num_samples} and max_tokens = "
                f"{self.max_tokens} must be at least 1"
            )
        if self.temperature < 0:
            raise ValueError(
                f"request {self.key!r}: temperature = {self.temperature} must not be negative"
            )
        if self.temperature == 0 and self.num_samples > 1:
            raise ValueError(
                f"request {self.key!r}: {self.num_samples} samples at temperature 0 would all be "
                "the same: ask for one, or raise the temperature"
            )


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled continuation of T tokens."""

    token_ids: tuple[int, ...]  # T ids as sampled, end token included when there is one
    # (T,) log-probabilities of those tokens under the distribution they were drawn from, that is
    # after temperature; at temperature 0 under the unscaled distribution.
    logprobs: Float32Array
    finish_reason: FinishReason
    policy_version: int  # weights that wrote it


@dataclass(frozen=True, slots=True)
class Generation:
    """A finished request: all its samples."""

    request: GenerationRequest
    completions: tuple[Completion, ...]  # num_samples of them


class RolloutEngine(Protocol):
    """A continuous-batching generator that is driven by hand.

    Requests may be added between any two steps and join the running batch. When several ranks
    form one engine, all of them must make the same calls in the same order.
    """

    @property
    def policy_version(self) -> int:
        """Version given with the last `load_weights`; 0 before."""

    @property
    def num_unfinished(self) -> int:
        """Sequences (samples, not requests) added and not finished."""

    def seed(self, seed: int) -> None:
        """Fix the randomness of everything sampled from now on."""

    def add_request(self, request: GenerationRequest) -> None:
        """Queue a request. Raises ValueError when its prompt exceeds the context."""

    def step(self) -> list[Generation]:
        """Advance every running sequence by a token; return the requests that finished."""

    def abort_all(self) -> None:
        """Forget every unfinished request."""

    def load_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Replace all weights by (Hugging Face name, full tensor) pairs and take `version`.

        Nothing may be generated before the next `reset_prefix_cache`. Raises RuntimeError while
        requests are unfinished and ValueError when names are missing or unknown.
        """

    def differing_weights(self, digests: Mapping[str, int]) -> list[str]:
        """Names of the tensors whose weights, as they are computed with, have another digest.

        A collective of the engine's ranks. Args: weight_digest.tensor_digest of each full tensor,
        by Hugging Face name.
        """

    def reset_prefix_cache(self) -> None:
        """Drop the keys and values of earlier prompts."""

    def sleep(self) -> None:
        """Free the engine's device memory until `wake_up`; weights must be loaded anew then."""

    def wake_up(self) -> None:
        """Take the device memory back."""
