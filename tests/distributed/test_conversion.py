"""Conversion by several processes, of training checkpoints, and how much memory it takes."""

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from megatron.core import dist_checkpointing
from safetensors.torch import load_file

from megatron_urpo.training import parallel as parallelism
from tests.distributed import checkpoint_worker, conversion_worker
from tests.small_models import write_small_model
from tools import convert_megatron_to_hf

ROOT = Path(__file__).parents[2]
HF_TO_MEGATRON = ROOT / "tools" / "convert_hf_to_megatron.py"
MEBIBYTE = 1 << 20


def run(*arguments, ranks=0, stderr=None, **environment):
    """Runs a Python file, by torchrun if ranks are asked for."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    subprocess.run(
        [sys.executable, *(torchrun if ranks else []), *map(str, arguments)],
        check=True,
        stderr=stderr,
        text=True,
        timeout=240,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment,
    )


def assert_same_weights(directory, expected):
    mine, theirs = (load_file(d / "model.safetensors") for d in (directory, expected))
    assert mine.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert mine[name].dtype == tensor.dtype
        assert torch.equal(mine[name], tensor), name


def test_four_ranks_write_one_checkpoint(tmp_path):
    """Of tied embeddings, which have a copy on the last stage, and a vocabulary that is padded."""
    model = write_small_model("llama_tied", tmp_path / "model")
    layout = ["--tensor-model-parallel-size", 2, "--pipeline-model-parallel-size", 2]
    run(HF_TO_MEGATRON, model, tmp_path / "megatron", *layout, ranks=4)
    writers = {file.name for file in (tmp_path / "megatron/policy").glob("*.distcp")}
    assert writers == {f"__{rank}_0.distcp" for rank in range(4)}
    assert convert_megatron_to_hf.main([str(tmp_path / "megatron"), str(tmp_path / "back")]) == 0
    assert_same_weights(tmp_path / "back", model)


def test_ranks_say_in_one_line_each_why_they_cannot_write(tmp_path):
    """The first rank finds out and the other is told; torchrun stops the later of them."""
    model = write_small_model("llama_tied", tmp_path / "model")
    (tmp_path / "megatron").write_text("no directory")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run(HF_TO_MEGATRON, model, tmp_path / "megatron", ranks=2, stderr=subprocess.PIPE)
    errors = re.findall("^error: .*", failed.value.stderr, re.MULTILINE)
    reason = f"[Errno 20] Not a directory: '{tmp_path / 'megatron' / 'policy'}'"
    assert errors
    assert set(errors) <= {f"error: {reason}", f"error: rank 0: {reason}"}
    assert not re.search(r"^\[rank\d\]: Traceback", failed.value.stderr, re.MULTILINE)


def test_training_checkpoints_of_any_layout(tmp_path):
    model = write_small_model("qwen2", tmp_path / "model", num_hidden_layers=4)
    run(checkpoint_worker.__file__, model, tmp_path / "runs", ranks=2)
    before = load_file(model / "model.safetensors")
    for name in checkpoint_worker.LAYOUTS:
        run_directory = tmp_path / "runs" / name
        assert convert_megatron_to_hf.main([str(run_directory), str(tmp_path / name)]) == 0
        assert_same_weights(tmp_path / name, run_directory / "export")
        after = load_file(tmp_path / name / "model.safetensors")
        assert not torch.equal(after["model.norm.weight"], before["model.norm.weight"].bfloat16())
        check_size(run_directory)
    assert_same_weights(tmp_path / "runs/tensor/export-resumed", tmp_path / "runs/tensor/export")
    check_one_rank_resumes(model, tmp_path / "runs/tensor", step=2)
    check_one_rank_resumes(model, tmp_path / "runs/virtual", step=1)


def check_size(run_directory):
    """The room that is asked for before a save is what its tensors take, on all ranks together."""
    policy = run_directory / "checkpoints/step_000001/policy"
    tensors = dist_checkpointing.load_tensors_metadata(str(policy)).values()
    size = sum(math.prod(t.global_shape) * t.dtype.itemsize for t in tensors)
    asked = int((run_directory / "state_bytes").read_text())
    assert size <= asked < 1.01 * size  # a norm counts once a tensor-parallel rank
    assert asked < sum(file.stat().st_size for file in policy.iterdir())


def check_one_rank_resumes(model, run_directory, step):
    """What several wrote, under layouts that one rank cannot have."""
    policy, _, saved = checkpoint_worker.resume(
        checkpoint_worker.config_of(model, run_directory, {})
    )
    try:
        assert saved.manifest.step == step
        assert saved.manifest.layout["world_size"] == 2
        assert saved.manifest.data_state == checkpoint_worker.DATA_STATE
        expected = load_file(run_directory / "export/model.safetensors")
        for name, tensor in policy.hf_weights():
            assert torch.equal(tensor, expected[name]), name
    finally:
        parallelism.shutdown()


@pytest.fixture
def rise(tmp_path):
    """Bytes that the memory of each tool's process rises by for a model of so many layers."""

    def measure(layers):
        directory = tmp_path / str(layers)
        config = transformers.LlamaConfig(
            vocab_size=1024,
            hidden_size=512,
            intermediate_size=1536,
            num_hidden_layers=layers,
            num_attention_heads=8,
            num_key_value_heads=4,
        )
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        model.save_pretrained(directory / "model", max_shard_size="16MB")
        # Freed tensors go back to the system at once, so that what is measured is what is held.
        exact = {"MALLOC_MMAP_THRESHOLD_": "65536"}
        worker, gib = conversion_worker.__file__, 16 / 1024
        forth = ("to-megatron", directory / "model", directory / "megatron")
        back = ("to-hf", directory / "megatron", directory / "back", "--shard-gib", gib)
        for tool in (forth, back):
            run(worker, directory / tool[0], *tool, **exact)
        two = ("to-megatron", forth[1], directory / "two", "--tensor-model-parallel-size", 2)
        run(worker, directory / "two-ranks", *two, ranks=2, **exact)
        files = ("to-megatron-0", "to-hf-0", "two-ranks-0", "two-ranks-1")
        return {file: int((directory / file).read_text()) for file in files}

    return measure


@pytest.mark.slow
def test_memory_stays_below_two_files_and_a_layer(rise):
    """Layers of 12 MiB, files of 16 MiB, 196 MiB in all."""
    nothing, much = rise(0), rise(16)
    for tool, most in much.items():
        assert most - nothing[tool] < (2 * 16 + 12) * MEBIBYTE, (nothing, much)
