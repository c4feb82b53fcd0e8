"""What the URPO loop and the supervised warm start share of saving and resuming."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from megatron_urpo.checkpoints.files import Manifest, SavedCheckpoint
from megatron_urpo.checkpoints.identity import run_identity
from megatron_urpo.checkpoints.store import CheckpointError, CheckpointStore, SaveStatistics
from megatron_urpo.config import Config
from megatron_urpo.config.load import save_config
from megatron_urpo.earlier_run import set_earlier_run_aside
from megatron_urpo.environment import environment_record, save_environment
from megatron_urpo.metrics import Timers
from megatron_urpo.run_files import CHECKPOINTS_DIRECTORY, CONFIG_FILE, ENVIRONMENT_FILE
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
        self.store = CheckpointStore(directory / CHECKPOINTS_DIRECTORY, config.checkpoint, parallel)
        self._identity = run_identity(config)
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
        self._parallel.on_main(self._take_directory)
        saved = None
        if self._config.checkpoint.resume:
            saved = self._load_newest()
            self.store.clean_up(saved)
        else:
            self.store.refuse_overwriting()
        if saved is None:
            self._parallel.on_main(self._set_earlier_run_aside)
        else:
            self._say(f"resuming from {saved.directory}")
        self._parallel.on_main(self._record_run)
        return saved

    def _load_newest(self) -> SavedCheckpoint | None:
        """Loads the newest whole checkpoint, and changes nothing on disk."""
        saved, passed_over = self.store.newest_whole(self._identity)
        for sentence in passed_over:
            self._say(f"WARNING: {sentence}; taking the one before")
        if saved is not None:
            self._policy.load(saved.policy_directory)
            self.saved_step = saved.manifest.step
        return saved

    def after_step(
        self,
        step: int,
        timers: Timers,
        manifest: Callable[[], dict[str, Any]],
        *,
        stopping: bool,
    ) -> dict[str, float]:
        """Saves where it is time to, and looks after the checkpoint that is in the background.

        A failure is shown and counted; training goes on. A run that stops does not save in the
        background.

        Args:
            step: steps completed.
            manifest: gives the fields of Manifest that only the caller knows.

        Returns:
            metrics for the next record.
        """
        every = self._config.checkpoint.every
        is_due = stopping or (every > 0 and step % every == 0)
        if not is_due and not self.store.is_writing:
            return {}
        with timers("checkpoint"):
            values = self._try(self.store.finish if is_due else self.store.poll)
            if is_due:
                in_background = self._config.checkpoint.async_save and not stopping
                begin = self._begin if in_background else self.save
                values |= self._try(lambda: begin(step, **manifest()))
        return values

    def at_end(self, step: int, timers: Timers, manifest: Callable[[], dict[str, Any]]) -> None:
        """The checkpoint of the last step, unless it is there.

        Raises:
            CheckpointError: it cannot be written. A periodic save may be tried again, this may not.
        """
        with timers("checkpoint"):
            self._try(self.store.finish)
            if self.saved_step < step:
                self._completed(self.save(step, **manifest()))

    def save(self, step: int, **manifest: Any) -> SaveStatistics:
        """Writes a checkpoint.

        Args:
            manifest: the fields of Manifest that only the caller knows.
        """
        return self.store.save(
            self._manifest(step, manifest), self._policy.save, self._policy.state_bytes()
        )

    def _begin(self, step: int, **manifest: Any) -> None:
        """Begins what `save` does; the store has the rest."""
        self.store.begin(
            self._manifest(step, manifest), self._policy.begin_save, self._policy.state_bytes()
        )

    def _try(self, action: Callable[[], SaveStatistics | None]) -> dict[str, float]:
        """Does something with checkpoints that may fail; metrics of what came of it."""
        try:
            saved = action()
        except CheckpointError as error:
            self._say(f"WARNING: {error}. Training goes on and tries again later")
            return {"checkpoint/all/failed": 1}
        return {} if saved is None else self._completed(saved)

    def _completed(self, saved: SaveStatistics) -> dict[str, float]:
        """Shows what a checkpoint cost: no record of metrics follows a run's last one."""
        self.saved_step = max(self.saved_step, saved.step)
        gib = saved.num_bytes / (1 << 30)
        self._say(f"checkpoint of step {saved.step}: {gib:.2f} GiB in {saved.seconds:.1f} s")
        if saved.not_deleted is not None:
            self._say(
                f"WARNING: an older checkpoint could not be deleted ({saved.not_deleted}): it "
                "takes disk space until the next one is written"
            )
        return {"checkpoint/all/save_seconds": saved.seconds, "checkpoint/all/gib": gib}

    def _manifest(self, step: int, fields: dict[str, Any]) -> Manifest:
        return Manifest(
            step=step,
            model=self._identity,
            environment=self._environment,
            layout=asdict(self._parallel.layout),
            **fields,
        )

    def _take_directory(self) -> None:
        if self._lock is None:
            self._lock = lock_run_directory(self._directory)

    def _set_earlier_run_aside(self) -> None:
        moved = set_earlier_run_aside(self._directory)
        if moved is not None:
            print(
                f"{self._directory} holds the records of an earlier run but no checkpoint: they "
                f"are now in {moved}, and this run starts from the beginning",
                flush=True,
            )

    def _record_run(self) -> None:
        save_config(self._config, self._directory / CONFIG_FILE)
        save_environment(self._directory / ENVIRONMENT_FILE, self._environment)

    def _say(self, sentence: str) -> None:
        if self._parallel.is_main:
            print(sentence, flush=True)
