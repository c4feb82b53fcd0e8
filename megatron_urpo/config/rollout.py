"""[rollout] and [rewards]."""

from __future__ import annotations

from dataclasses import dataclass

from megatron_urpo.config.checks import (
    require,
    require_choice,
    require_not_negative,
    require_positive,
)


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
        require_positive(
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
        require_not_negative(
            "rollout", judge_temperature=self.judge_temperature, judge_retries=self.judge_retries
        )
        require(
            self.gpu_memory_utilization <= 1,
            f"rollout.gpu_memory_utilization = {self.gpu_memory_utilization}: a share of the GPU's "
            "memory, at most 1",
        )
        require(
            self.group_size >= 2,
            f"rollout.group_size = {self.group_size}: a group needs at least 2 responses",
        )
        require_choice("rollout.dtype", self.dtype, ("auto", "bfloat16", "float32"))
        require_choice("rollout.quantization", self.quantization, ("none", "fp8"))

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
        require_positive(
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
        require_choice("rewards.sandbox", self.sandbox, ("bubblewrap", "none"))
        require(
            64 <= self.code_memory_mib <= 4096,
            f"rewards.code_memory_mib = {self.code_memory_mib}: give 64 to 4096; an interpreter "
            "needs the first, a worker has the last",
        )
