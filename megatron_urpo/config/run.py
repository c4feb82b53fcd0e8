"""[run], [model], [checkpoint] and [metrics]."""

from __future__ import annotations

from dataclasses import dataclass

from megatron_urpo.config.checks import require_choice, require_not_negative, require_positive


@dataclass(frozen=True, slots=True)
class RunConfig:
    """The run as a whole."""

    directory: str = "runs/urpo"  # metrics, rollouts, checkpoints, report; made if absent
    seed: int = 1234
    steps: int = 200  # total steps of the job, phase 1 included; a step is one collected batch
    deterministic: bool = False  # torch.use_deterministic_algorithms; slower
    distributed_timeout_minutes: float = 30.0  # of every collective
    # The watchdog ends the run on all ranks, with their stacks in the log, when a stage of a step
    # takes longer, or a rank is not heard of for so long.
    stage_timeout_minutes: float = 60.0
    heartbeat_timeout_minutes: float = 5.0

    def __post_init__(self) -> None:
        require_not_negative("run", seed=self.seed)
        require_positive(
            "run",
            steps=self.steps,
            distributed_timeout_minutes=self.distributed_timeout_minutes,
            stage_timeout_minutes=self.stage_timeout_minutes,
            heartbeat_timeout_minutes=self.heartbeat_timeout_minutes,
        )


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The pretrained model and how its text is wrapped."""

    path: str = ""  # a Hugging Face directory: config.json, safetensors, tokenizer
    params_dtype: str = "bfloat16"  # weights and activations of training; master weights are fp32
    chat_template: str = ""  # a Jinja file; empty: the tokenizer's own

    def __post_init__(self) -> None:
        require_choice("model.params_dtype", self.params_dtype, ("bfloat16", "float32"))


@dataclass(frozen=True, slots=True)
class CheckpointConfig:
    """When to save and what to keep."""

    every: int = 25  # steps; 0: only at the end
    keep_last: int = 2  # newest checkpoints kept
    keep_every: int = 0  # keep those whose step is a multiple of this too; 0: none
    # Write the files while training goes on, from a copy of the rank's share in host memory.
    async_save: bool = False
    resume: bool = True  # continue from the newest whole checkpoint of the run directory

    def __post_init__(self) -> None:
        require_not_negative("checkpoint", every=self.every, keep_every=self.keep_every)
        require_positive("checkpoint", keep_last=self.keep_last)


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Where measurements go besides metrics.jsonl."""

    tensorboard: bool = False
    wandb_project: str = ""  # empty: off
    rollout_every: int = 1  # steps between dumps of all rollouts and judgements; 0: never

    def __post_init__(self) -> None:
        require_not_negative("metrics", rollout_every=self.rollout_every)
