"""The widest moment of an engine's step against what torch's allocator counts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from vllm.v1.sample.logits_processor import LogitsProcessors
from vllm.v1.sample.metadata import SamplingMetadata
from vllm.v1.sample.sampler import Sampler

from megatron_urpo.planning.engine_step import step_bytes
from megatron_urpo.planning.models import MODELS
from tests import measured_engine
from tests.allocations import measure
from tests.measured_engine import CASES, compare

ROOT = Path(__file__).parents[3]
FAST = ("mlp", "norms of queries", "logits")  # the others need as long each


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in FAST else pytest.mark.slow) for n in CASES]
)
def test_the_widest_step_of_a_real_engine(name, tmp_path):
    CASES[name].write_model(tmp_path)
    measured, predicted = compare(CASES[name], tmp_path)
    assert predicted == pytest.approx(measured, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "attention, float32", "norms of queries", "logits"])
def test_of_an_engine_of_two_ranks(name, tmp_path):
    CASES[name].write_model(tmp_path / "model")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run(
        [sys.executable, *launcher, measured_engine.__file__, str(tmp_path), name],
        check=True,
        timeout=400,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    for rank in range(2):
        measured, predicted = json.loads((tmp_path / f"{rank}.json").read_text())
        assert predicted == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_sampler_of_a_gpu(dtype):
    """vLLM's own code for CUDA without top-k and top-p is torch's operations, which run here."""
    rows, vocabulary, element = 16, MODELS["Qwen2.5-7B"].vocab_size, dtype.itemsize
    sampler = Sampler()
    sampler.topk_topp_sampler.forward = sampler.topk_topp_sampler.forward_native
    penalties = torch.zeros(rows)
    metadata = SamplingMetadata(
        temperature=torch.ones(rows),
        all_greedy=False,
        all_random=True,
        top_p=None,
        top_k=None,
        generators={},
        max_num_logprobs=0,
        no_penalties=True,
        prompt_token_ids=None,
        frequency_penalties=penalties,
        presence_penalties=penalties,
        repetition_penalties=penalties,
        output_token_ids=[[] for _ in range(rows)],
        allowed_token_ids_mask=None,
        bad_words_token_ids={},
        logitsprocs=LogitsProcessors(),
    )
    logits = torch.randn(rows, vocabulary).to(dtype)
    measured = measure(lambda: sampler(logits, metadata)).peak + logits.nbytes
    predicted = step_bytes(
        MODELS["Qwen2.5-7B"],
        tokens=1,
        sequences=rows,
        tensor_parallel_size=1,
        element_bytes=element,
        on_cpu=False,
    )
    assert predicted == pytest.approx(measured, rel=0.1)
