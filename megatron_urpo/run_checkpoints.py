"""What the URPO loop and the supervised warm start share of saving and resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

from megatron_urpo.checkpoint import (
    CheckpointError,
    CheckpointStore,
    Manifest,
    SavedCheckpoint,
    SaveStatistics,
)
from megatron_urpo.config import Config
from megatron_urpo.environment import environment_record, save_environment
from megatron_urpo.load_config import save_config
from megatron_urpo.run_lock import lock_run_directory
from megatron_urpo.training.parallel import Parallel
from megatron_urpo.training.policy import Policy


class RunCheckpoints:
    """The checkpoints of one run directory, and of the policy that is trained in it."""

    def __init__(self, directory: Path, config: Config, policy: Policy, parallel: Parallel) -> None:
        self._directory = directory
        self._config = config
        self._policy = policy
        self._parallel = parallel
        self._environment = environment_record() if parallel.is_main else {}
        self.store = CheckpointStore(directory / "checkpoints", config.checkpoint, parallel)
        # A run continues only what the same seed began from the same weights.
        self._identity = policy.identity() | {"run.seed": config.run.seed}
        self.saved_step = 0
        self._lock: TextIO | None = None

    def resume(self) -> SavedCheckpoint | None:
        """Loads the newest whole checkpoint into the policy, and records what this run is.

        Takes the directory for this program.

        Raises:
            RunDirectoryBusyError: another program has it.
            CheckpointError: it is of another run, or all are damaged, or there are some although
                checkpoint.resume = false. Nothing in the directory is changed then.
        """
        if self._parallel.is_main and self._lock is None:
            self._lock = lock_run_directory(self._directory)
        saved = None
        if self._config.checkpoint.resume:
            saved = self.load_newest()
            self.store.clean_up(saved)
        else:
            self.store.refuse_overwriting()
        if saved is not None:
            self._say(f"resuming from {saved.directory}")
        if self._parallel.is_main:
            save_config(self._config, self._directory / "config.toml")
            save_environment(self._directory / "environment.json")
        return saved

    def load_newest(self) -> SavedCheckpoint | None:
        """Loads the newest whole checkpoint into the policy, and changes nothing on disk."""
        saved, passed_over = self.store.newest_whole(self._identity)
        for sentence in passed_over:
            self._say(f"WARNING: {sentence}; taking the one before")
        if saved is not None:
            self._policy.load(saved.policy_directory)
            self.saved_step = saved.manifest.step
        return saved

    def is_due(self, step: int) -> bool:
        """Whether a periodic checkpoint follows this many completed steps."""
        every = self._config.checkpoint.every
        return every > 0 and step % every == 0

    def try_save(self, step: int, **manifest: Any) -> dict[str, float]:
        """A periodic checkpoint. A failure is shown and counted; training goes on.

        Returns:
            metrics for the next record.
        """
        try:
            saved = self.save(step, **manifest)
        except CheckpointError as error:
            self._say(f"WARNING: {error}. Training goes on and tries again later")
            return {"checkpoint/all/failed": 1}
        return {
            "checkpoint/all/seconds": saved.seconds,
            "checkpoint/all/gib": saved.num_bytes / (1 << 30),
        }

    def save(self, step: int, **manifest: Any) -> SaveStatistics:
        """Writes a checkpoint.

        Args:
            manifest: the fields of Manifest that only the caller knows.
        """
        training = self._config.training
        saved = self.store.save(
            Manifest(
                step=step,
                model=self._identity,
                environment=self._environment,
                layout={
                    "world_size": self._parallel.world_size,
                    "tensor_model_parallel_size": training.tensor_model_parallel_size,
                    "pipeline_model_parallel_size": training.pipeline_model_parallel_size,
                    "virtual_pipeline_model_parallel_size": (
                        training.virtual_pipeline_model_parallel_size
                    ),
                    "context_parallel_size": training.context_parallel_size,
                },
                **manifest,
            ),
            self._policy.save,
            self._policy.state_bytes(),
        )
        self.saved_step = step
        return saved

    def _say(self, sentence: str) -> None:
        if self._parallel.is_main:
            print(sentence, flush=True)
