"""Policies of small random models, in one process-wide parallel state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from megatron_urpo.batching import PackingLayout, pack_mini_batch
from megatron_urpo.config import (
    BatchingConfig,
    Config,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
)
from megatron_urpo.training import parallel as parallelism
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.policy import Policy
from megatron_urpo.types import MicroBatch
from tests.model_configs import ON_DISK, WRITTEN_OUT, config_on_disk
from tests.small_models import random_group, write_small_model


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)  # tensors are small: threads would only wait for each other


@pytest.fixture(scope="module")
def parallel() -> Iterator[Parallel]:
    yield parallelism.initialize(Config())
    parallelism.shutdown()


@pytest.fixture(scope="session")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Directory of a small random model of a family; made once a session."""
    made: dict[str, Path] = {}

    def directory(family: str) -> Path:
        if family not in made:
            made[family] = write_small_model(family, tmp_path_factory.mktemp(family))
        return made[family]

    return directory


@pytest.fixture
def make_policy_at(parallel: Parallel) -> Callable[..., Policy]:
    """Builds a Policy from a model directory."""

    def make(
        directory: Path,
        dtype: str = "float32",
        optimizer: OptimizerConfig | None = None,
        training: TrainingConfig | None = None,
    ) -> Policy:
        config = Config(
            model=ModelConfig(path=str(directory), params_dtype=dtype),
            training=training or TrainingConfig(logprob_chunk_tokens=7),
        )
        return Policy.from_pretrained(config, parallel, optimizer or OptimizerConfig(lr=1e-3))

    return make


@pytest.fixture
def make_policy(
    make_policy_at: Callable[..., Policy], model_directory: Callable[[str], Path]
) -> Callable[..., Policy]:
    """Builds a Policy from the small random model of a family."""

    def make(family: str = "llama_tied", *args: Any, **kwargs: Any) -> Policy:
        return make_policy_at(model_directory(family), *args, **kwargs)

    return make


@pytest.fixture
def micro_batches() -> list[MicroBatch]:
    """Two groups of unequal lengths, packed."""
    groups = [random_group(0, 7, (5, 1, 9)), random_group(1, 20, (3, 18))]
    return pack_mini_batch(groups, BatchingConfig(micro_batch_tokens=60), PackingLayout())


@pytest.fixture(params=[*(f"written:{name}" for name in WRITTEN_OUT), *ON_DISK])
def fields(request: pytest.FixtureRequest) -> dict[str, Any]:
    """All fields of a model's config.json."""
    source, _, name = request.param.rpartition(":")
    if source:
        return WRITTEN_OUT[name]
    on_disk = config_on_disk(name)
    if on_disk is None:
        pytest.skip("URPO_TEST_DATA has no directory `configs` beside it with this model's file")
    return on_disk
