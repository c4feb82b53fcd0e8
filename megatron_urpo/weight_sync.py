"""Policy -> engine: the one edge of the step that goes back, and the proof that it worked.

Consumes:   the policy's weights under their Hugging Face names.
Produces:   an engine that generates with exactly these weights, under a version number.
Waits for:  every rank; all ranks of the job must call `sync` together.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from megatron_urpo.config import WeightSyncConfig
from megatron_urpo.types import Float64Array, Rollout, RunError
from megatron_urpo.weight_digest import tensor_digest


class WeightSource(Protocol):
    """Where weights come from: the policy."""

    def hf_weights(self) -> Iterator[tuple[str, Tensor]]:
        """(Hugging Face name, full tensor) of every parameter; a collective of all ranks."""


class WeightSink(Protocol):
    """Where weights go: an engine, in this process or elsewhere."""

    @property
    def policy_version(self) -> int: ...

    def load_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None: ...

    def differing_weights(self, digests: Mapping[str, int]) -> list[str]:
        """Names of the tensors that are not what weight_digest.tensor_digest says."""

    def reset_prefix_cache(self) -> None: ...


class StaleWeightsError(RunError):
    """Something was generated, or is about to be, with weights of another version."""


class WeightCopyError(RunError):
    """After a sync the engine does not hold the trainer's weights."""


class WeightMismatchError(RunError):
    """Engine and trainer disagree about the log-probabilities of the same tokens."""


@dataclass(frozen=True, slots=True)
class SyncStatistics:
    """Size and duration of one sync on this rank."""

    num_tensors: int
    num_bytes: int
    seconds: float


class WeightSync:
    """Copies the weights of a source into a sink."""

    def __init__(
        self,
        source: WeightSource,
        sink: WeightSink,
        config: WeightSyncConfig,
        sink_dtype: torch.dtype,
    ) -> None:
        """Args:
        sink_dtype: what the sink holds the weights in; it rounds where the source has more bits.
        """
        self._source = source
        self._sink = sink
        self._sink_dtype = sink_dtype
        self._verify = config.verify
        self._verified = False

    def sync(self, version: int) -> SyncStatistics:
        """Load the source's weights as `version`, then drop what was cached under older ones.

        Raises StaleWeightsError when the sink does not report `version` afterwards, and
        WeightCopyError when weight_sync.verify finds a tensor that differs.
        """
        start = time.perf_counter()
        num_tensors = num_bytes = 0
        verifies = self._verify == "always" or (self._verify == "first" and not self._verified)
        digests: dict[str, int] = {}

        def counted() -> Iterator[tuple[str, Tensor]]:
            nonlocal num_tensors, num_bytes
            for name, tensor in self._source.hf_weights():
                num_tensors += 1
                num_bytes += tensor.numel() * tensor.element_size()
                if verifies:
                    digests[name] = tensor_digest(tensor.to(self._sink_dtype))
                yield name, tensor

        self._sink.load_weights(counted(), version)
        self._sink.reset_prefix_cache()
        if self._sink.policy_version != version:
            raise StaleWeightsError(
                f"the engine reports policy version {self._sink.policy_version} after a sync of "
                f"version {version}"
            )
        if verifies:
            self._check_copy(digests, version)
        return SyncStatistics(num_tensors, num_bytes, time.perf_counter() - start)

    def _check_copy(self, digests: Mapping[str, int], version: int) -> None:
        differing = self._sink.differing_weights(digests)
        if differing:
            raise WeightCopyError(
                f"after the sync of version {version} {len(differing)} of {len(digests)} tensors "
                f"of the engine are not the trainer's, first {', '.join(differing[:3])}: what it "
                "samples would not be the policy's. Check that the installed vLLM is one of the "
                "tested versions (urpo doctor)"
            )
        self._verified = True


def check_versions(rollouts: Iterable[Rollout], version: int) -> None:
    """Raise StaleWeightsError unless every response and judgement was written by `version`."""
    for rollout in rollouts:
        versions = {response.policy_version for response in rollout.responses}
        if rollout.judgement is not None:
            versions.add(rollout.judgement.policy_version)
        if versions != {version}:
            raise StaleWeightsError(
                f"prompt {rollout.prompt.index}: written by policy versions {sorted(versions)}, "
                f"expected {version} only: the engine was not synchronised before the rollout"
            )


@dataclass(frozen=True, slots=True)
class Mismatch:
    """How far engine and trainer are apart on sampled tokens, in nats.

    Means are over tokens. `sequence_means` keeps the mean |difference| of each sequence: one bad
    sequence among thousands hides in the overall mean.
    """

    num_tokens: int
    mean_abs: float
    max_abs: float
    # k3 estimate of KL(engine || trainer): mean of r - 1 - log r with r = p_trainer / p_engine.
    kl: float
    sequence_means: Float64Array  # (number of sequences,), NaN for an empty one

    @property
    def worst_sequence(self) -> float:
        """Largest mean |difference| of a sequence; 0 without sequences."""
        return float(np.max(self.sequence_means[~np.isnan(self.sequence_means)], initial=0.0))


def mismatch(
    engine_logprobs: Sequence[npt.NDArray[np.floating]],
    trainer_logprobs: Sequence[npt.NDArray[np.floating]],
) -> Mismatch:
    """Compare log-probabilities of the same sampled tokens, sequence by sequence.

    Args:
        engine_logprobs: an array (T_i,) for each sequence, as sampled.
        trainer_logprobs: arrays of the same shapes, computed by the trainer with the same weights
            and at the same temperature.

    Raises ValueError when the shapes differ. Non-finite values stay non-finite in the result.
    """
    engine_shapes = [np.shape(row) for row in engine_logprobs]
    trainer_shapes = [np.shape(row) for row in trainer_logprobs]
    if engine_shapes != trainer_shapes:
        raise ValueError(
            f"engine and trainer log-probs must have equal shapes, got {engine_shapes[:3]} and "
            f"{trainer_shapes[:3]} ({len(engine_shapes)} and {len(trainer_shapes)} sequences)"
        )
    differences = [
        np.asarray(trainer, dtype=np.float64) - np.asarray(engine, dtype=np.float64)
        for engine, trainer in zip(engine_logprobs, trainer_logprobs, strict=True)
    ]
    log_ratio = np.concatenate(differences) if differences else np.zeros(0)
    sequence_means = np.array(
        [np.abs(row).mean() if len(row) else np.nan for row in differences], dtype=np.float64
    )
    if not len(log_ratio):
        return Mismatch(0, 0.0, 0.0, 0.0, sequence_means)
    with np.errstate(over="ignore", invalid="ignore"):
        k3 = np.expm1(log_ratio) - log_ratio
    return Mismatch(
        num_tokens=len(log_ratio),
        mean_abs=float(np.abs(log_ratio).mean()),
        max_abs=float(np.abs(log_ratio).max()),
        kl=float(k3.mean()),
        sequence_means=sequence_means,
    )


def merge(parts: Sequence[Mismatch]) -> Mismatch:
    """The mismatch over the sequences of all parts, e.g. of all data-parallel ranks."""
    num_tokens = sum(part.num_tokens for part in parts)
    weights = np.array([part.num_tokens for part in parts]) / max(num_tokens, 1)
    return Mismatch(
        num_tokens=num_tokens,
        mean_abs=float(weights @ [part.mean_abs for part in parts]),
        max_abs=float(np.max([part.max_abs for part in parts], initial=0.0)),
        kl=float(weights @ [part.kl for part in parts]),
        sequence_means=np.concatenate([part.sequence_means for part in parts] or [np.zeros(0)]),
    )


def check_mismatch(measured: Mismatch, config: WeightSyncConfig) -> None:
    """Raise WeightMismatchError when the mean exceeds weight_sync.max_mismatch or is not finite."""
    limit = config.max_mismatch
    if limit == 0 or measured.mean_abs <= limit:
        return
    raise WeightMismatchError(
        f"engine and trainer log-probs differ by {measured.mean_abs:.3g} nats on average (largest "
        f"{measured.max_abs:.3g}, worst sequence {measured.worst_sequence:.3g}, "
        f"{measured.num_tokens} tokens), above weight_sync.max_mismatch = {limit}. Likely causes: "
        "the weights reached the engine incompletely or under wrong names; a tied output layer "
        "kept its old copy; the prefix cache was not reset; the trainer's log-probs ignore "
        "rollout.temperature; rollout.dtype differs from model.params_dtype; rollout.quantization "
        "rounds the engine's weights further than the limit allows"
    )
