"""vLLM in this process, behind the RolloutEngine interface. The only module that imports vllm.

The engine shares the process with the trainer: new weights are a function call, and the random
numbers are torch's and numpy's own, fixed by `seed`. Per-request seeds are not used: the CPU
backend refuses them as soon as a prompt is prefilled in chunks. Under torchrun every rank makes
its engine (or its tensor-parallel part of one) inside the job's process group.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.environment import TESTED_VLLM, release
from megatron_urpo.model_files import SafetensorsDirectory
from megatron_urpo.rollout.engine_weights import differing_tensors, piece_digests
from megatron_urpo.rollout.gather import this_replica
from megatron_urpo.rollout.interface import Completion, Generation, GenerationRequest
from megatron_urpo.types import FinishReason, RunError

if TYPE_CHECKING:
    from torch import Tensor
    from vllm import LLM

REQUIRED_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine core lives in this process
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # the trainer uses the same cores
}
DEFAULT_ENVIRONMENT = {
    # vLLM warns of what is meant here: no tokenizer, prompts as token ids, threads left alone.
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}

# rollout.quantization in vLLM's words: scales for every output channel and every token, found when
# full-precision weights are loaded, and so again at every reload. The output layer is left out.
# vLLM's own method "fp8" is for checkpoints that are in FP8 already.
_QUANTIZATION = {"none": None, "fp8": "fp8_per_channel"}

_GIB = 1 << 30


class EngineVersionError(RunError):
    """The installed vLLM is outside the tested range."""


class EngineStartError(RunError):
    """vLLM refuses the configuration; its own message follows our names of its settings."""


def check_version(version: str) -> None:
    """Raise EngineVersionError unless a vLLM version such as "0.32.0+cpu" was tested."""
    lowest, untested = TESTED_VLLM
    if not lowest <= release(version) < untested:
        raise EngineVersionError(
            f"vLLM {version} is installed; megatron_urpo works with releases from "
            f"{lowest[0]}.{lowest[1]} up to, not including, {untested[0]}.{untested[1]}: "
            "install one of them, as the requirements do"
        )


class VLLMEngine:
    """RolloutEngine on vLLM.

    `end_token_ids` end a sample; those of the model's generation_config.json are added. With
    torch.distributed initialised and more than one rank, all ranks must construct their engines
    together; consecutive ranks form one engine of rollout.tensor_model_parallel_size.

    Raises EngineVersionError, EngineStartError when vLLM refuses the configuration, and ConfigError
    or ValueError when the model directory or the layout cannot work.
    """

    def __init__(self, config: Config, end_token_ids: Collection[int]) -> None:
        self._max_model_len = config.rollout.max_model_len
        self._end_token_ids = sorted({*end_token_ids, *_declared_end_tokens(config.model.path)})
        if not self._end_token_ids:
            raise ConfigError(
                f"no end token is known for {config.model.path}: name eos_token_id in its "
                "generation_config.json"
            )
        self._weight_names = SafetensorsDirectory(Path(config.model.path)).weight_names
        self._requests: dict[str, GenerationRequest] = {}
        self._policy_version = 0
        self._cache_outdated = False
        self._owns_process_group = not dist.is_initialized()
        with _contained_side_effects():
            self._llm = _build(config)
        if not self._owns_process_group:
            _keep_process_group(self._llm)
        from vllm.platforms import current_platform

        self._on_cpu = bool(current_platform.is_cpu())
        hf_config = self._llm.llm_engine.vllm_config.model_config.hf_config
        self._tied = bool(hf_config.tie_word_embeddings)

    @property
    def policy_version(self) -> int:
        return self._policy_version

    @property
    def num_unfinished(self) -> int:
        return self._llm.llm_engine.get_num_unfinished_requests()

    def seed(self, seed: int) -> None:
        # torch's generator draws the samples, or numpy's seeds the device's: it depends on vLLM.
        torch.manual_seed(seed)
        np.random.seed(seed % (1 << 32))

    def add_request(self, request: GenerationRequest) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        if self._cache_outdated:
            raise RuntimeError(
                "the prefix cache still holds keys and values of older weights: call "
                "reset_prefix_cache after load_weights"
            )
        if request.key in self._requests:
            raise ValueError(f"request {request.key!r} is already running")
        if len(request.prompt_ids) >= self._max_model_len:
            raise ValueError(
                f"request {request.key!r}: a prompt of {len(request.prompt_ids)} tokens leaves no "
                f"room in rollout.max_model_len = {self._max_model_len}"
            )
        parameters = SamplingParams(
            n=request.num_samples,
            temperature=request.temperature,
            max_tokens=request.max_tokens,
            stop_token_ids=self._end_token_ids,
            logprobs=0,  # of the sampled token alone
            flat_logprobs=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        prompt: Any = {"prompt_token_ids": list(request.prompt_ids)}
        self._llm.llm_engine.add_request(request.key, prompt, parameters)
        self._requests[request.key] = request

    def step(self) -> list[Generation]:
        finished = []
        for output in self._llm.llm_engine.step():
            request = self._requests.pop(output.request_id)
            finished.append(
                Generation(request, tuple(self._completion(sample) for sample in output.outputs))
            )
        return finished

    def _completion(self, sample: Any) -> Completion:
        if sample.finish_reason not in (FinishReason.STOP.value, FinishReason.LENGTH.value):
            raise RuntimeError(f"vLLM ended a sample with {sample.finish_reason!r}")
        return Completion(
            token_ids=tuple(sample.token_ids),
            logprobs=np.asarray(sample.logprobs.logprobs, dtype=np.float32),
            finish_reason=FinishReason(sample.finish_reason),
            policy_version=self._policy_version,
        )

    def abort_all(self) -> None:
        if self._requests:
            self._llm.llm_engine.abort_request(list(self._requests))
            self._requests.clear()

    def load_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        if self._requests:
            raise RuntimeError(
                f"{len(self._requests)} requests are unfinished: a response must be written by one "
                "policy version; finish or abort them before loading weights"
            )
        self._cache_outdated = True
        optional = {"lm_head.weight"} if self._tied else set()
        missing = self._weight_names - optional

        def checked() -> Iterator[tuple[str, Tensor]]:
            for name, tensor in weights:
                if name not in self._weight_names | optional:
                    raise ValueError(f"the model directory has no weight named {name!r}")
                missing.discard(name)
                yield name, tensor

        self._llm.collective_rpc(
            "reload_weights", kwargs={"weights_iterator": checked(), "is_checkpoint_format": True}
        )
        if missing:
            raise ValueError(
                f"the weights lack {len(missing)} of the model directory's tensors, among them "
                f"{', '.join(sorted(missing)[:5])}"
            )
        if self._on_cpu and self._tied:
            self._llm.apply_model(_repack_tied_output_layer)
        self._policy_version = version

    def differing_weights(self, digests: Mapping[str, int]) -> list[str]:
        from vllm.distributed import get_tp_group

        group = get_tp_group()
        (pieces,) = self._llm.apply_model(partial(piece_digests, engine_ranks=group.world_size))
        pieces_of_ranks = [pieces]
        if group.world_size > 1:
            pieces_of_ranks = [[] for _ in range(group.world_size)]
            dist.all_gather_object(pieces_of_ranks, pieces, group=group.cpu_group)
        expected = dict(digests)
        if self._tied:
            expected.setdefault("lm_head.weight", expected["model.embed_tokens.weight"])
        return differing_tensors(pieces_of_ranks, expected)

    def reset_prefix_cache(self) -> None:
        if not self._llm.reset_prefix_cache():
            raise RuntimeError("vLLM could not reset its prefix cache: requests are unfinished")
        self._cache_outdated = False

    def sleep(self) -> None:
        if not self._on_cpu:
            self._llm.sleep(level=2)  # every sync brings all weights: none are kept for it

    def wake_up(self) -> None:
        if not self._on_cpu:
            self._llm.wake_up()

    def close(self) -> None:
        """Free the engine's memory. Not usable afterwards.

        The process group goes too when vLLM made it, that is where torch.distributed was not
        initialised before the engine; close the first engine of a process last.
        """
        self.abort_all()
        if self._owns_process_group:
            self._llm.llm_engine.engine_core.shutdown()
        else:
            self._llm.llm_engine.model_executor.shutdown()
        del self._llm


def _build(config: Config) -> LLM:
    os.environ.update(REQUIRED_ENVIRONMENT)
    os.environ.pop("VLLM_CPU_KVCACHE_SPACE", None)  # it would overrule rollout.kv_cache_gib
    for name, value in DEFAULT_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import vllm
    from vllm.platforms import current_platform

    check_version(vllm.__version__)
    rollout = config.rollout
    if current_platform.is_cpu():
        memory: dict[str, Any] = {"kv_cache_memory_bytes": int(rollout.kv_cache_gib * _GIB)}
        setting = f"kv_cache_gib = {rollout.kv_cache_gib:g}"
    else:
        setting = f"gpu_memory_utilization = {rollout.gpu_memory_utilization:g}"
        memory = {
            "gpu_memory_utilization": rollout.gpu_memory_utilization,
            "enable_sleep_mode": True,
        }
    layout = _layout(rollout.tensor_model_parallel_size)
    try:
        return vllm.LLM(
            model=config.model.path,
            skip_tokenizer_init=True,
            generation_config="vllm",  # nothing but our own sampling parameters
            dtype=config.engine_dtype,
            quantization=_QUANTIZATION[rollout.quantization],
            seed=config.run.seed,
            max_model_len=rollout.max_model_len,
            max_num_seqs=rollout.max_num_seqs,
            # Compiling for the CPU takes a minute at every start and gains 5 %.
            enforce_eager=rollout.enforce_eager or bool(current_platform.is_cpu()),
            logprobs_mode="processed_logprobs",
            use_tqdm_on_load=False,
            **layout,
            **memory,
        )
    except ValueError as error:
        raise EngineStartError(
            f"vLLM does not start with rollout.{setting}, max_model_len = "
            f"{rollout.max_model_len}, max_num_seqs = {rollout.max_num_seqs}: {error}"
        ) from error


def _layout(tensor_parallel_size: int) -> dict[str, Any]:
    """vLLM's arguments for this rank's place among the ranks of the job."""
    replicas = this_replica(tensor_parallel_size).count
    executor = "external_launcher" if replicas * tensor_parallel_size > 1 else "uni"
    return {
        "tensor_parallel_size": tensor_parallel_size,
        "distributed_executor_backend": executor,
    }


@contextmanager
def _contained_side_effects() -> Iterator[None]:
    """Undo what vLLM's CPU backend changes for the whole process while it starts.

    It replaces torch.set_num_threads by a function that does nothing, and rewrites LD_PRELOAD and
    LOCAL_WORLD_SIZE, which our own child processes and the trainer would see.
    """
    set_num_threads = torch.set_num_threads
    saved = {name: os.environ.get(name) for name in ("LD_PRELOAD", "LOCAL_WORLD_SIZE")}
    try:
        yield
    finally:
        torch.set_num_threads = set_num_threads
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _keep_process_group(llm: LLM) -> None:
    """Keep vLLM from destroying the trainer's process group when its client is collected.

    Releases that do so register a finalizer of this name; older ones have none.
    """
    finalizer = getattr(llm.llm_engine.engine_core, "_finalizer", None)
    if finalizer is not None:
        finalizer.detach()


def _repack_tied_output_layer(model: Any) -> None:
    """Give a tied output layer the new embedding.

    The CPU backend multiplies with a packed copy of lm_head that a reload does not refresh.
    """
    output_layer = model.get_submodule("lm_head")
    output_layer.weight = model.get_submodule("model.embed_tokens").weight
    output_layer.quant_method.process_weights_after_loading(output_layer)


def _declared_end_tokens(directory: str) -> list[int]:
    path = Path(directory) / "generation_config.json"
    if not path.is_file():
        return []
    try:
        declared = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
    except ValueError as error:
        raise ConfigError(f"{path} is damaged or cut off ({error}): download it again") from error
    if declared is None:
        return []
    return [declared] if isinstance(declared, int) else list(declared)
