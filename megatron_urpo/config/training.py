"""[advantages], [batching], [training], [weight_sync] and [sft]."""

from __future__ import annotations

from dataclasses import dataclass, field

from megatron_urpo.config.checks import (
    require,
    require_choice,
    require_not_negative,
    require_positive,
)
from megatron_urpo.config.data import SourceConfig
from megatron_urpo.types import TaskKind


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
        require_positive(
            "batching", mini_batches=self.mini_batches, micro_batch_tokens=self.micro_batch_tokens
        )
        require_not_negative(
            "batching",
            reasoning_weight=self.reasoning_weight,
            preference_weight=self.preference_weight,
            instruction_weight=self.instruction_weight,
        )
        require_choice("batching.share_prefix", self.share_prefix, ("auto", "always", "never"))
        require_choice(
            "batching.loss_denominator",
            self.loss_denominator,
            ("token_mean", "group_mean", "sequence_mean", "constant"),
        )
        require(
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
        require_positive("optimizer", lr=self.lr, adam_eps=self.adam_eps)
        require_not_negative(
            "optimizer",
            min_lr=self.min_lr,
            lr_warmup_steps=self.lr_warmup_steps,
            weight_decay=self.weight_decay,
            clip_grad=self.clip_grad,
        )
        for key in ("adam_beta1", "adam_beta2"):
            beta = getattr(self, key)
            require(0 <= beta < 1, f"optimizer.{key} = {beta}: must lie in [0, 1)")
        require(
            self.min_lr <= self.lr,
            f"optimizer.min_lr = {self.min_lr}: lr = {self.lr} decays to it: give no more",
        )


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
    max_skipped_updates: int = 3  # non-finite updates in a row before the run stops

    def __post_init__(self) -> None:
        require_positive(
            "training",
            epochs=self.epochs,
            clip_ratio_low=self.clip_ratio_low,
            clip_ratio_high=self.clip_ratio_high,
            tensor_model_parallel_size=self.tensor_model_parallel_size,
            pipeline_model_parallel_size=self.pipeline_model_parallel_size,
            virtual_pipeline_model_parallel_size=self.virtual_pipeline_model_parallel_size,
            context_parallel_size=self.context_parallel_size,
            logprob_chunk_tokens=self.logprob_chunk_tokens,
            max_skipped_updates=self.max_skipped_updates,
        )
        require_not_negative(
            "training",
            kl_beta=self.kl_beta,
            importance_cap=self.importance_cap,
            ddp_bucket_size=self.ddp_bucket_size,
        )
        require(
            self.importance_cap == 0 or self.importance_cap >= 1,
            f"training.importance_cap = {self.importance_cap}: 0 switches it off, else at least 1",
        )
        require(
            not self.sequence_parallel or self.tensor_model_parallel_size > 1,
            "training.sequence_parallel = true needs training.tensor_model_parallel_size > 1: the "
            "tokens are cut over the tensor-parallel ranks",
        )
        require(
            self.virtual_pipeline_model_parallel_size == 1 or self.pipeline_model_parallel_size > 1,
            "training.virtual_pipeline_model_parallel_size = "
            f"{self.virtual_pipeline_model_parallel_size} needs "
            "training.pipeline_model_parallel_size > 1: virtual stages cut pipeline stages",
        )
        require(
            self.clip_ratio_low < 1, f"training.clip_ratio_low = {self.clip_ratio_low}: must be < 1"
        )
        require_choice(
            "training.transformer_impl",
            self.transformer_impl,
            ("auto", "local", "transformer_engine"),
        )
        require_choice(
            "training.recompute_granularity",
            self.recompute_granularity,
            ("none", "selective", "full"),
        )
        self._check_fp8()

    def _check_fp8(self) -> None:
        require_choice("training.fp8", self.fp8, ("off", "e4m3", "hybrid"))
        require_choice(
            "training.fp8_recipe",
            self.fp8_recipe,
            ("delayed", "tensorwise", "blockwise", "mxfp8"),
        )
        require_not_negative(
            "training",
            num_layers_at_start_in_bf16=self.num_layers_at_start_in_bf16,
            num_layers_at_end_in_bf16=self.num_layers_at_end_in_bf16,
        )
        require(
            self.fp8 != "off" or not self.fp8_param_gather,
            "training.fp8_param_gather = true needs FP8: set training.fp8 = 'hybrid' or 'e4m3'",
        )
        require(
            self.fp8 == "off" or self.transformer_impl != "local",
            f"training.fp8 = {self.fp8!r} needs training.transformer_impl = 'transformer_engine' "
            "(or 'auto' on a GPU): the local layers have no FP8; or set fp8 = 'off'",
        )
        # Its scales come from a history that every pass through all layers extends once.
        require(
            self.fp8 == "off" or self.fp8_recipe != "delayed" or not self.first_last_layers_bf16,
            "training.first_last_layers_bf16 = true is not possible with fp8_recipe = 'delayed': "
            "choose another recipe, or false",
        )
        require(
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
        require_not_negative("weight_sync", max_mismatch=self.max_mismatch)
        require_positive("weight_sync", bucket_mib=self.bucket_mib)
        require_choice("weight_sync.verify", self.verify, ("first", "always", "never"))


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
        require(
            0 <= self.terse_judgement_share <= 1,
            f"sft.terse_judgement_share = {self.terse_judgement_share}: must lie in [0, 1]",
        )
        require_positive(
            "sft",
            steps=self.steps,
            tokens_per_step=self.tokens_per_step,
            max_sequence_tokens=self.max_sequence_tokens,
        )
