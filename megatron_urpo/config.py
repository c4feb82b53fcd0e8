"""The configuration: one frozen, typed section per stage, named as the stages are.

Importing this module imports neither torch, vllm nor megatron. Every section checks itself on
construction and raises ConfigError with the key, the value and the remedy; what concerns several
sections is checked by Config. Megatron's own names are used where it has them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from megatron_urpo.types import TaskKind

EMBEDDED_PREFIX = "embedded:"  # of the path of a source that is generated, not read


class ConfigError(ValueError):
    """A configuration that cannot work; the message names the key and the remedy."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _require_choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    _require(value in choices, f"{key} = {value!r}: choose one of {', '.join(map(repr, choices))}")


def _require_positive(section: str, **values: float) -> None:
    for key, value in values.items():
        _require(value > 0, f"{section}.{key} = {value}: must be greater than 0")


def _require_not_negative(section: str, **values: float) -> None:
    for key, value in values.items():
        _require(value >= 0, f"{section}.{key} = {value}: must not be negative")


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
        _require_not_negative("run", seed=self.seed)
        _require_positive(
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
        _require_choice("model.params_dtype", self.params_dtype, ("bfloat16", "float32"))


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One data source and its share among the sources of its kind."""

    name: str  # shown in metrics
    kind: TaskKind
    path: str  # a .jsonl, .arrow or .parquet file, or "embedded:<name>", a generator
    weight: float = 0.0  # share among the sources of its kind; 0: the number of its tasks
    options: dict[str, int | float | str] = field(default_factory=dict)  # of an embedded source

    def __post_init__(self) -> None:
        key = f"source {self.name!r}:"
        _require(
            self.name != "" and "/" not in self.name,
            f"source name {self.name!r}: give a name without '/', it becomes part of metric names",
        )
        _require(self.path != "", f"{key} path is empty: name a file or embedded:<name>")
        _require(self.weight >= 0, f"{key} weight = {self.weight}: must not be negative")

    @property
    def is_generated(self) -> bool:
        """Whether there is no file to read."""
        return self.path.startswith(EMBEDDED_PREFIX)


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Sources, mixture and curriculum (paper section 4.1.4 and Table 4)."""

    sources: tuple[SourceConfig, ...] = ()
    prompts_per_step: int = 256
    # P:R:I, as the paper writes its ratios; phase 1 takes the first two only.
    preference_ratio: float = 1.0
    reasoning_ratio: float = 1.0
    instruction_ratio: float = 1.0
    phase1_steps: int = 100  # steps without instructions
    max_prompt_tokens: int = 2048
    # skip (counted) or error; an instruction group whose judge prompt does not fit is left out
    overlong_prompts: str = "skip"

    def __post_init__(self) -> None:
        _require_positive(
            "data", prompts_per_step=self.prompts_per_step, max_prompt_tokens=self.max_prompt_tokens
        )
        _require_not_negative(
            "data",
            preference_ratio=self.preference_ratio,
            reasoning_ratio=self.reasoning_ratio,
            instruction_ratio=self.instruction_ratio,
            phase1_steps=self.phase1_steps,
        )
        _require_choice("data.overlong_prompts", self.overlong_prompts, ("skip", "error"))

    def ratio(self, phase: int) -> dict[TaskKind, float]:
        """Share of each kind in a batch of phase 1 or 2, not normalised."""
        return {
            TaskKind.PREFERENCE: self.preference_ratio,
            TaskKind.REASONING: self.reasoning_ratio,
            TaskKind.INSTRUCTION: self.instruction_ratio if phase == 2 else 0.0,
        }

    def phase(self, step: int) -> int:
        """Curriculum phase (1 or 2) of a step, counted from 0."""
        return 1 if step < self.phase1_steps else 2


@dataclass(frozen=True, slots=True)
class RolloutConfig:
    """Sampling, judging and the engine."""

    group_size: int = 8  # G
    temperature: float = 1.0
    max_response_tokens: int = 4096  # of answers
    max_judgement_tokens: int = 1024  # of judgements, trained on (preference) or not
    judge_temperature: float = 0.0  # first attempt at judging an instruction group
    judge_retry_temperature: float = 1.0
    judge_retries: int = 2  # further attempts at an unparseable judgement, then the group is masked
    max_model_len: int = 8192  # context of the engine: prompt + response
    max_num_seqs: int = 64  # sequences decoded together
    tensor_model_parallel_size: int = 1  # ranks of one engine
    dtype: str = "auto"  # of the engine; auto: model.params_dtype
    quantization: str = "none"  # of the engine's linear layers; fp8: by vLLM, anew at every sync
    kv_cache_gib: float = 1.0  # CPU: memory of the KV cache
    gpu_memory_utilization: float = 0.6  # GPU: share of device memory of the engine
    enforce_eager: bool = False

    def __post_init__(self) -> None:
        _require_positive(
            "rollout",
            group_size=self.group_size,
            temperature=self.temperature,
            max_response_tokens=self.max_response_tokens,
            max_judgement_tokens=self.max_judgement_tokens,
            max_model_len=self.max_model_len,
            max_num_seqs=self.max_num_seqs,
            tensor_model_parallel_size=self.tensor_model_parallel_size,
            kv_cache_gib=self.kv_cache_gib,
            gpu_memory_utilization=self.gpu_memory_utilization,
            judge_retry_temperature=self.judge_retry_temperature,
        )
        _require_not_negative(
            "rollout", judge_temperature=self.judge_temperature, judge_retries=self.judge_retries
        )
        _require(
            self.group_size >= 2,
            f"rollout.group_size = {self.group_size}: a group needs at least 2 responses",
        )
        _require_choice("rollout.dtype", self.dtype, ("auto", "bfloat16", "float32"))
        _require_choice("rollout.quantization", self.quantization, ("none", "fp8"))

    @property
    def max_judge_prompt_tokens(self) -> int:
        """Room of a judge prompt: the context less the judgement that follows."""
        return self.max_model_len - self.max_judgement_tokens


@dataclass(frozen=True, slots=True)
class RewardsConfig:
    """Rewards of the three kinds (paper sections 3.2.1 and 3.2.2)."""

    unparseable_preference: float = -1.0  # reward of a trained judgement that cannot be read
    verifier_workers: int = 2  # processes
    verifier_timeout_seconds: float = 10.0
    # Programs that the model wrote (docs/code-rewards.md).
    sandbox: str = "bubblewrap"  # none: they run with all the rights of the run itself
    code_workers: int = 2  # processes, each with a sandbox of its own
    # Of one test: CPU time of all its processes, and as much again in which they only wait.
    code_test_seconds: float = 8.0
    code_program_seconds: float = 60.0  # of all tests of a program, CPU time and waiting together
    code_memory_mib: int = 1024  # of all processes of a program together
    code_scratch_mib: int = 64  # of all files it writes
    code_processes: int = 32  # threads counted
    code_output_kib: int = 8192  # of one test
    # For control experiments: permute the self-scores within each group.
    shuffle_self_scores: bool = False

    def __post_init__(self) -> None:
        _require_positive(
            "rewards",
            verifier_workers=self.verifier_workers,
            verifier_timeout_seconds=self.verifier_timeout_seconds,
            code_workers=self.code_workers,
            code_test_seconds=self.code_test_seconds,
            code_program_seconds=self.code_program_seconds,
            code_scratch_mib=self.code_scratch_mib,
            code_processes=self.code_processes,
            code_output_kib=self.code_output_kib,
        )
        _require_choice("rewards.sandbox", self.sandbox, ("bubblewrap", "none"))
        _require(
            64 <= self.code_memory_mib <= 4096,
            f"rewards.code_memory_mib = {self.code_memory_mib}: give 64 to 4096; an interpreter "
            "needs the first, a worker has the last",
        )


@dataclass(frozen=True, slots=True)
class AdvantagesConfig:
    """Group-relative advantages."""

    normalize_by_std: bool = True  # (r - mean) / (std + 1e-6), ddof 1; false: r - mean


@dataclass(frozen=True, slots=True)
class BatchingConfig:
    """Mini-batches and packing."""

    mini_batches: int = 4  # optimizer steps an epoch, each over whole groups of every role
    micro_batch_tokens: int = 16384  # token budget of one micro-batch; longer samples go alone
    share_prefix: str = "auto"  # compute a prompt once for its branches: auto, always or never
    loss_denominator: str = "token_mean"
    constant_denominator: int = 0  # tokens, for loss_denominator = "constant"
    reasoning_weight: float = 1.0
    preference_weight: float = 1.0
    instruction_weight: float = 1.0

    def __post_init__(self) -> None:
        _require_positive(
            "batching", mini_batches=self.mini_batches, micro_batch_tokens=self.micro_batch_tokens
        )
        _require_not_negative(
            "batching",
            reasoning_weight=self.reasoning_weight,
            preference_weight=self.preference_weight,
            instruction_weight=self.instruction_weight,
        )
        _require_choice("batching.share_prefix", self.share_prefix, ("auto", "always", "never"))
        _require_choice(
            "batching.loss_denominator",
            self.loss_denominator,
            ("token_mean", "group_mean", "sequence_mean", "constant"),
        )
        _require(
            self.loss_denominator != "constant" or self.constant_denominator > 0,
            "batching.loss_denominator = 'constant' needs batching.constant_denominator > 0",
        )

    def role_weight(self, kind: TaskKind) -> float:
        """Factor on the loss of one kind of task; 1 leaves the paper's loss."""
        return {
            TaskKind.REASONING: self.reasoning_weight,
            TaskKind.PREFERENCE: self.preference_weight,
            TaskKind.INSTRUCTION: self.instruction_weight,
        }[kind]


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """AdamW with cosine decay. Shared by [training] and [sft]."""

    lr: float = 5e-7
    min_lr: float = 0.0
    lr_warmup_steps: int = 0
    weight_decay: float = 0.01
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_eps: float = 1e-8
    clip_grad: float = 1.0  # global norm; 0 switches clipping off

    def __post_init__(self) -> None:
        _require_positive("optimizer", lr=self.lr, adam_eps=self.adam_eps)
        _require_not_negative(
            "optimizer",
            min_lr=self.min_lr,
            lr_warmup_steps=self.lr_warmup_steps,
            weight_decay=self.weight_decay,
            clip_grad=self.clip_grad,
        )
        for key in ("adam_beta1", "adam_beta2"):
            beta = getattr(self, key)
            _require(0 <= beta < 1, f"optimizer.{key} = {beta}: must lie in [0, 1)")
        _require(self.min_lr <= self.lr, f"optimizer.min_lr = {self.min_lr}: above lr = {self.lr}")


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """The update (paper section 4.1.4) and Megatron's layout."""

    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    epochs: int = 4  # passes over each collected batch
    clip_ratio_low: float = 0.2
    clip_ratio_high: float = 0.28
    kl_beta: float = 0.0
    # Truncated importance sampling for the engine/trainer mismatch; 0 switches it off.
    importance_cap: float = 0.0
    tensor_model_parallel_size: int = 1
    pipeline_model_parallel_size: int = 1
    virtual_pipeline_model_parallel_size: int = 1  # chunks of layers a stage holds; 1: off
    context_parallel_size: int = 1
    sequence_parallel: bool = False  # norms and residuals cut along the tokens over the TP ranks
    transformer_impl: str = "auto"  # local (CPU), transformer_engine, or auto by platform
    fp8: str = "off"  # matrix products of the layers: e4m3, or hybrid with gradients in e5m2
    fp8_recipe: str = "tensorwise"  # how scales are found: delayed, tensorwise, blockwise or mxfp8
    fp8_param_gather: bool = False  # keep the layers' weights in FP8 and gather them as such
    first_last_layers_bf16: bool = False  # leave the outermost layers out of FP8
    num_layers_at_start_in_bf16: int = 1  # with first_last_layers_bf16
    num_layers_at_end_in_bf16: int = 1  # with first_last_layers_bf16
    recompute_granularity: str = "none"  # none, selective or full
    # Gradients are reduced over the data-parallel ranks while the last micro-batch of an update
    # still runs backward, a bucket of so many parameters at a time (0: Megatron's choice).
    overlap_grad_reduce: bool = False
    ddp_bucket_size: int = 0
    logprob_chunk_tokens: int = 1024  # positions whose logits exist at one time
    max_skipped_steps: int = 3  # non-finite updates in a row before the run stops

    def __post_init__(self) -> None:
        _require_positive(
            "training",
            epochs=self.epochs,
            clip_ratio_low=self.clip_ratio_low,
            clip_ratio_high=self.clip_ratio_high,
            tensor_model_parallel_size=self.tensor_model_parallel_size,
            pipeline_model_parallel_size=self.pipeline_model_parallel_size,
            virtual_pipeline_model_parallel_size=self.virtual_pipeline_model_parallel_size,
            context_parallel_size=self.context_parallel_size,
            logprob_chunk_tokens=self.logprob_chunk_tokens,
            max_skipped_steps=self.max_skipped_steps,
        )
        _require_not_negative(
            "training",
            kl_beta=self.kl_beta,
            importance_cap=self.importance_cap,
            ddp_bucket_size=self.ddp_bucket_size,
        )
        _require(
            self.importance_cap == 0 or self.importance_cap >= 1,
            f"training.importance_cap = {self.importance_cap}: 0 switches it off, else at least 1",
        )
        _require(
            not self.sequence_parallel or self.tensor_model_parallel_size > 1,
            "training.sequence_parallel = true needs training.tensor_model_parallel_size > 1: the "
            "tokens are cut over the tensor-parallel ranks",
        )
        _require(
            self.virtual_pipeline_model_parallel_size == 1 or self.pipeline_model_parallel_size > 1,
            "training.virtual_pipeline_model_parallel_size = "
            f"{self.virtual_pipeline_model_parallel_size} needs "
            "training.pipeline_model_parallel_size > 1: virtual stages cut pipeline stages",
        )
        _require(
            self.clip_ratio_low < 1, f"training.clip_ratio_low = {self.clip_ratio_low}: must be < 1"
        )
        _require_choice(
            "training.transformer_impl",
            self.transformer_impl,
            ("auto", "local", "transformer_engine"),
        )
        _require_choice(
            "training.recompute_granularity",
            self.recompute_granularity,
            ("none", "selective", "full"),
        )
        self._check_fp8()

    def _check_fp8(self) -> None:
        _require_choice("training.fp8", self.fp8, ("off", "e4m3", "hybrid"))
        _require_choice(
            "training.fp8_recipe",
            self.fp8_recipe,
            ("delayed", "tensorwise", "blockwise", "mxfp8"),
        )
        _require_not_negative(
            "training",
            num_layers_at_start_in_bf16=self.num_layers_at_start_in_bf16,
            num_layers_at_end_in_bf16=self.num_layers_at_end_in_bf16,
        )
        _require(
            self.fp8 != "off" or not self.fp8_param_gather,
            "training.fp8_param_gather = true needs FP8: set training.fp8 = 'hybrid' or 'e4m3'",
        )
        _require(
            self.fp8 == "off" or self.transformer_impl != "local",
            f"training.fp8 = {self.fp8!r} needs training.transformer_impl = 'transformer_engine' "
            "(or 'auto' on a GPU): the local layers have no FP8; or set fp8 = 'off'",
        )
        # Its scales come from a history that every pass through all layers extends once.
        _require(
            self.fp8 == "off" or self.fp8_recipe != "delayed" or not self.first_last_layers_bf16,
            "training.first_last_layers_bf16 = true is not possible with fp8_recipe = 'delayed': "
            "choose another recipe, or false",
        )
        _require(
            not self.fp8_param_gather or self.kl_beta == 0,
            f"training.kl_beta = {self.kl_beta} swaps reference weights in, which is not supported "
            "for weights kept in FP8: set fp8_param_gather = false, or kl_beta = 0",
        )


@dataclass(frozen=True, slots=True)
class WeightSyncConfig:
    """Policy -> engine, and the check that both compute the same log-probs."""

    # Mean |engine - trainer| log-prob (nats) of sampled tokens that stops the run; 0: never.
    max_mismatch: float = 0.2
    bucket_mib: int = 512  # of full tensors gathered at one time; a larger parameter goes alone
    # When to prove, by a digest of every tensor, that the engine holds the trainer's weights: at
    # the first sync of the process, always or never.
    verify: str = "first"

    def __post_init__(self) -> None:
        _require_not_negative("weight_sync", max_mismatch=self.max_mismatch)
        _require_positive("weight_sync", bucket_mib=self.bucket_mib)
        _require_choice("weight_sync.verify", self.verify, ("first", "always", "never"))


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
        _require_not_negative("checkpoint", every=self.every, keep_every=self.keep_every)
        _require_positive("checkpoint", keep_last=self.keep_last)


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Where measurements go besides metrics.jsonl."""

    tensorboard: bool = False
    wandb_project: str = ""  # empty: off
    rollout_every: int = 1  # steps between dumps of all rollouts and judgements; 0: never

    def __post_init__(self) -> None:
        _require_not_negative("metrics", rollout_every=self.rollout_every)


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """Held-out evaluation."""

    sources: tuple[SourceConfig, ...] = ()
    max_prompts_per_source: int = 0  # 0: all
    temperature: float = 0.0
    every: int = 0  # steps between evaluations inside a run; 0: never

    def __post_init__(self) -> None:
        _require_not_negative(
            "evaluation",
            max_prompts_per_source=self.max_prompts_per_source,
            temperature=self.temperature,
            every=self.every,
        )


# What of [monitoring] has an alarm: the measure, its key, and whether the key is an upper limit.
ALARMS: dict[str, tuple[str, bool]] = {
    "tau": ("min_tau", False),
    "verifier_agreement": ("min_verifier_agreement", False),
    "consistency": ("min_consistency", False),
    "baseline_agreement": ("min_baseline_agreement", False),
    "length_bias": ("max_length_bias", True),
    "length_correlation": ("max_length_correlation", True),
    "position_bias": ("max_position_bias", True),
    "tie_share": ("max_tie_share", True),
    "parse_failure_share": ("max_parse_failure_share", True),
}
# Measures whose alarm is for some roles only. Where the truth is known, length_bias says more than
# the correlation, which is then the truth's own as well.
ALARM_ROLES: dict[str, tuple[TaskKind, ...]] = {"length_correlation": (TaskKind.INSTRUCTION,)}


@dataclass(frozen=True, slots=True)
class MonitoringConfig:
    """Measurements of the referee inside a run, and their alarms: docs/referee.md."""

    every: int = 0  # steps between measurements; 0: never
    # Preference sources that are held out, and reasoning ones for `urpo probe`; none: those of
    # [evaluation].
    sources: tuple[SourceConfig, ...] = ()
    groups_per_source: int = 32  # the first so many of each source; 0: all
    reasoning_groups: int = 16  # at most, of the step's batch, that have right and wrong answers
    orders: int = 2  # in which each group is shown: pairs of a drawn order and its reverse
    alarm_groups: int = 8  # of a role, at least, for its measures to count beyond a threshold
    patience: int = 2  # measurements in a row beyond a threshold before its alarm is given
    stop_on: tuple[str, ...] = ()  # measures whose alarm stops the run; the others warn
    min_tau: float = 0.0  # chance is 0, and so counts what cannot be read
    min_verifier_agreement: float = 0.5  # chance is 0.5, and so counts what cannot be read
    min_consistency: float = 0.6  # chance is 0.5
    min_baseline_agreement: float = 0.4  # chance is 0.5
    max_length_bias: float = 0.5  # in size; a tau, 0 without bias
    # In size, of the policy's own answers to instructions; at 0.6 four pairs in five follow length.
    max_length_correlation: float = 0.6
    max_position_bias: float = 0.5  # in size; a tau, 0 without bias
    max_tie_share: float = 0.5
    max_parse_failure_share: float = 0.5

    def __post_init__(self) -> None:
        _require_not_negative(
            "monitoring",
            every=self.every,
            groups_per_source=self.groups_per_source,
            reasoning_groups=self.reasoning_groups,
        )
        _require_positive("monitoring", patience=self.patience, alarm_groups=self.alarm_groups)
        _require(
            self.orders >= 2,
            f"monitoring.orders = {self.orders}: consistency needs at least 2 orders",
        )
        for source in self.sources:
            _require(
                source.kind is not TaskKind.INSTRUCTION,
                f"monitoring.sources[{source.name}].kind = 'instruction': the referee is measured "
                "where the truth is known; give preference or reasoning sources",
            )
        for name in self.stop_on:
            _require_choice("monitoring.stop_on", name, tuple(ALARMS))
        for name, (key, _) in ALARMS.items():
            lowest = -1.0 if name == "tau" else 0.0
            value = self.threshold(name)
            _require(
                lowest <= value <= 1,
                f"monitoring.{key} = {value}: must lie in [{lowest:g}, 1]",
            )

    def threshold(self, name: str) -> float:
        """The limit of a measure of ALARMS."""
        return getattr(self, ALARMS[name][0])


@dataclass(frozen=True, slots=True)
class SFTConfig:
    """The supervised warm start (paper Table 2, "starting from SFT")."""

    sources: tuple[SourceConfig, ...] = ()
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=2e-5))
    steps: int = 100
    tokens_per_step: int = 16384  # packed tokens of one optimizer step, over all ranks
    max_sequence_tokens: int = 4096
    # Share of the judgements that show the scores alone where notes could be shown (docs/data.md).
    terse_judgement_share: float = 0.0

    def __post_init__(self) -> None:
        _require(
            0 <= self.terse_judgement_share <= 1,
            f"sft.terse_judgement_share = {self.terse_judgement_share}: must lie in [0, 1]",
        )
        _require_positive(
            "sft",
            steps=self.steps,
            tokens_per_step=self.tokens_per_step,
            max_sequence_tokens=self.max_sequence_tokens,
        )


@dataclass(frozen=True, slots=True)
class Config:
    """All sections."""

    run: RunConfig = field(default_factory=RunConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    rewards: RewardsConfig = field(default_factory=RewardsConfig)
    advantages: AdvantagesConfig = field(default_factory=AdvantagesConfig)
    batching: BatchingConfig = field(default_factory=BatchingConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    weight_sync: WeightSyncConfig = field(default_factory=WeightSyncConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    monitoring: MonitoringConfig = field(default_factory=MonitoringConfig)
    sft: SFTConfig = field(default_factory=SFTConfig)

    def __post_init__(self) -> None:
        rollout, data = self.rollout, self.data
        longest = max(rollout.max_response_tokens, rollout.max_judgement_tokens)
        _require(
            data.max_prompt_tokens + longest <= rollout.max_model_len,
            f"rollout.max_model_len = {rollout.max_model_len} does not hold data.max_prompt_tokens "
            f"+ the longest response = {data.max_prompt_tokens} + {longest}: raise the first or "
            "lower one of the others",
        )
        _require(
            data.phase1_steps < self.run.steps or data.instruction_ratio == 0,
            f"data.phase1_steps = {data.phase1_steps} leaves no step of phase 2 in run.steps = "
            f"{self.run.steps}: instructions would never be trained; lower it or set "
            "data.instruction_ratio = 0",
        )
        _require(
            self.evaluation.every == 0 or bool(self.evaluation.sources),
            f"evaluation.every = {self.evaluation.every} needs an [[evaluation.sources]] table",
        )
        self._check_sources()
        self._check_monitoring()
        self._check_precision()
        _require(
            self.batching.mini_batches <= data.prompts_per_step,
            f"batching.mini_batches = {self.batching.mini_batches} exceeds data.prompts_per_step = "
            f"{data.prompts_per_step}: a mini-batch needs at least one group",
        )

    def monitored_sources(self) -> tuple[SourceConfig, ...]:
        """What the referee is measured on: [[monitoring.sources]], else [[evaluation.sources]]."""
        return self.monitoring.sources or self.evaluation.sources

    def unmonitored_sources(self) -> tuple[SourceConfig, ...]:
        """The sources of [data] whose truth is known, of kinds that monitored_sources lacks."""
        covered = {source.kind for source in self.monitored_sources()} | {TaskKind.INSTRUCTION}
        return tuple(source for source in self.data.sources if source.kind not in covered)

    def _check_monitoring(self) -> None:
        monitoring = self.monitoring
        kinds = {source.kind for source in self.monitored_sources()}
        _require(
            monitoring.every == 0 or TaskKind.PREFERENCE in kinds,
            f"monitoring.every = {monitoring.every} needs a held-out preference source: add one to "
            "[[monitoring.sources]] or [[evaluation.sources]]",
        )
        _require(
            not monitoring.stop_on or monitoring.every > 0,
            f"monitoring.stop_on = {list(monitoring.stop_on)} has no effect with "
            "monitoring.every = 0: set every, or leave stop_on empty",
        )
        enough = monitoring.reasoning_groups >= monitoring.alarm_groups
        _require(
            "verifier_agreement" not in monitoring.stop_on
            or (enough and self.data.reasoning_ratio > 0),
            "monitoring.stop_on = 'verifier_agreement' could never stop the run: it needs "
            f"monitoring.reasoning_groups = {monitoring.reasoning_groups} of at least "
            f"monitoring.alarm_groups = {monitoring.alarm_groups}, and data.reasoning_ratio > 0",
        )

    @property
    def engine_dtype(self) -> str:
        """bfloat16 or float32: of the engine's weights and cache."""
        return self.model.params_dtype if self.rollout.dtype == "auto" else self.rollout.dtype

    def _check_precision(self) -> None:
        dtype = self.model.params_dtype
        _require(
            self.training.fp8 == "off" or dtype == "bfloat16",
            f"model.params_dtype = {dtype!r} excludes training.fp8 = {self.training.fp8!r}: set "
            "the first to 'bfloat16' or the second to 'off'",
        )
        _require(
            self.rollout.quantization == "none" or self.engine_dtype == "bfloat16",
            f"rollout.quantization = {self.rollout.quantization!r} excludes an engine in "
            f"{self.engine_dtype}: set rollout.dtype = 'bfloat16' or quantization = 'none'",
        )
        _require(
            self.rollout.quantization == "none" or self.weight_sync.verify == "never",
            f"weight_sync.verify = {self.weight_sync.verify!r}: the engine does not hold the "
            f"trainer's bits with rollout.quantization = {self.rollout.quantization!r}; set verify "
            "= 'never' and watch weight_sync/all/mismatch_mean",
        )

    def _check_sources(self) -> None:
        sections = {
            "data": self.data.sources,
            "evaluation": self.evaluation.sources,
            "monitoring": self.monitoring.sources,
            "sft": self.sft.sources,
        }
        for section, sources in sections.items():
            names = [source.name for source in sources]
            _require(
                len(names) == len(set(names)),
                f"{section}.sources: names must be unique, got {names}",
            )
            for source in sources:
                _require(
                    section == "data" or source.weight == 0,
                    f"{section}.sources[{source.name}].weight = {source.weight}: only data.sources "
                    "are weighted; remove it",
                )
        self._check_weights()
        trained = (*self.data.sources, *self.sft.sources)
        files = {os.path.realpath(s.path) for s in trained if not s.is_generated}
        for section in ("evaluation", "monitoring"):
            for source in sections[section]:
                _require(
                    source.is_generated or os.path.realpath(source.path) not in files,
                    f"{section}.sources[{source.name}].path = {source.path!r} is trained on as "
                    "well: hold a file of its own out",
                )

    def _check_weights(self) -> None:
        """Within a kind the sources share by weight or by size: the two have no common unit."""
        for kind in TaskKind:
            sources = [source for source in self.data.sources if source.kind is kind]
            unweighted = [source.name for source in sources if source.weight == 0]
            _require(
                len(unweighted) in (0, len(sources)),
                f"data.sources[{', '.join(unweighted)}].weight is not set, but other {kind} "
                "sources have weights: give each of them one, or none (shares by size)",
            )
