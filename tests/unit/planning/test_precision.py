import dataclasses

import pytest

from megatron_urpo.cli import main
from megatron_urpo.config import Config, RolloutConfig, TrainingConfig, WeightSyncConfig
from megatron_urpo.layout import Layout
from megatron_urpo.planning.hardware import Hardware
from megatron_urpo.planning.models import MODELS
from megatron_urpo.planning.plan import make_plan
from megatron_urpo.planning.precision import fp8_problem
from tools.plan_parallelism import main as rank

QWEN_72B, LLAMA = MODELS["Qwen2.5-72B"], MODELS["Llama-3.1-8B"]
# 29568 / 8 = 3696 = 16 x 231: whole blocks of 16, not of 32.
TP8 = Layout(world_size=64, tensor_model_parallel_size=8, sequence_parallel=True)
TP4 = dataclasses.replace(TP8, tensor_model_parallel_size=4)


def config(recipe="mxfp8", **changes):
    return Config(training=TrainingConfig(fp8="hybrid", fp8_recipe=recipe, **changes))


def test_sizes_that_fp8_cannot_multiply():
    assert "ffn_hidden_size / tensor_model_parallel_size = 8 = 3696" in fp8_problem(
        QWEN_72B, TP8, config()
    )
    assert fp8_problem(QWEN_72B, TP4, config()) is None
    assert fp8_problem(QWEN_72B, TP8, config("tensorwise")) is None
    assert fp8_problem(QWEN_72B, TP8, Config()) is None
    # Of the layout, not of the configuration: 80 stages have a layer each.
    two = config(first_last_layers_bf16=True, num_layers_at_start_in_bf16=2)
    deep = Layout(world_size=80, pipeline_model_parallel_size=80)
    assert "exceeds the 1 layers of a pipeline stage" in fp8_problem(QWEN_72B, deep, two)


RUN = ["--dry-run", "--model-name", "Qwen2.5-72B", "--gpus", "64", "--nodes", "8"]
RUN += ["--gpu-memory", "80GB", "--training.fp8", "hybrid"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--training.tensor_model_parallel_size", "8", "--training.fp8_recipe", "mxfp8"],
            "= 3696 is none: set training.tensor_model_parallel_size = 1 or 2 or 4, or an",
        ),
        (
            ["--training.fp8_recipe", "mxfp8", "--compute-capability", "9.0"],
            "needs compute capability 10.0 to below 12.0, this GPU has 9.0",
        ),
        (["--compute-capability", "8.0"], "needs compute capability 8.9, this GPU has 8.0"),
        (["--compute-capability", "nine"], "'nine' is none: write it as 9.0"),
    ],
)
def test_a_dry_run_refuses_fp8_that_a_start_would(arguments, message, tmp_path, capsys):
    toml = tmp_path / "run.toml"
    toml.write_text("")
    assert main(["train", str(toml), *RUN, *arguments]) == 2
    assert message in capsys.readouterr().err


ENGINE = ["--rollout.quantization", "fp8", "--weight_sync.verify", "never"]
ENGINE += ["--rollout.tensor_model_parallel_size", "4"]


@pytest.mark.parametrize("capability", ["8.0", "8.6"])
def test_a_dry_run_refuses_an_engine_in_fp8_that_a_start_would(capability, tmp_path, capsys):
    toml = tmp_path / "run.toml"
    toml.write_text("")
    command = ["train", str(toml), *RUN[:-2], *ENGINE, "--compute-capability", capability]
    assert main(command) == 2
    assert (
        f"rollout.quantization = 'fp8' needs compute capability 8.9, this GPU has {capability}"
        in (capsys.readouterr().err)
    )


def test_a_plan_says_whether_an_engine_in_fp8_was_checked(tmp_path, capsys):
    toml = tmp_path / "run.toml"
    toml.write_text("")
    command = ["train", str(toml), *RUN[:-2], *ENGINE]
    main(command)
    assert "whether the GPU has rollout.quantization = 'fp8' was not" in capsys.readouterr().out
    main([*command, "--compute-capability", "8.9"])
    assert "compute capability 8.9 has rollout.quantization = 'fp8'" in capsys.readouterr().out


def test_a_capability_without_its_gpu(tmp_path, capsys):
    toml = tmp_path / "run.toml"
    toml.write_text("")
    command = ["train", str(toml), "--dry-run", "--model-name", "SmolLM2-135M"]
    assert main([*command, "--compute-capability", "9.0"]) == 2
    assert "add its --gpu-memory" in capsys.readouterr().err


def test_the_ranking_leaves_such_layouts_out_and_says_why(capsys):
    cluster = ["--model", "Qwen2.5-72B", "--gpus", "64", "--nodes", "8", "--gpu-memory", "80GB"]
    fp8 = ["--training.fp8", "hybrid", "--training.fp8_recipe", "mxfp8", "--all"]
    rank([*cluster, *fp8, "--compute-capability", "10.0"])
    text = capsys.readouterr().out
    assert "TP4+SP" in text
    assert "TP8+SP" not in text
    assert "layouts: training.fp8_recipe = 'mxfp8' needs sizes that are multiples of 32" in text
    assert "a GPU of compute capability 10.0 has training.fp8_recipe = 'mxfp8'" in text
    assert rank([*cluster, *fp8, "--compute-capability", "9.0"]) == 2
    assert "this GPU has 9.0" in capsys.readouterr().err
    rank([*cluster, *fp8])
    assert "was not checked; --compute-capability says" in capsys.readouterr().out


def test_products_of_layers_run_at_twice_the_rate():
    """Of a forward pass of Llama-3.1-8B: products at 2e15, attention and output layer at 1e15."""
    machine = Hardware(memory=200 * 10**9, reserve=0, flops=1e15, efficiency=0.5)
    plain = make_plan(LLAMA, Config(), Layout(), machine)
    fp8 = make_plan(LLAMA, config("tensorwise"), Layout(), machine)
    tokens = plain.packing.tokens
    assert fp8.packing.tokens == pytest.approx(tokens, rel=3e-4)  # rows in multiples of 16
    products = 32 * 2 * 4096 * (2 * 4096 + 2 * 1024 + 3 * 14336)
    saved = tokens * products * (1 / 1e15 - 1 / 2e15) / 0.5
    gained = plain.durations.logprobs - fp8.durations.logprobs
    assert gained == pytest.approx(saved, rel=1e-3)
    stated = make_plan(
        LLAMA, config("tensorwise"), Layout(), dataclasses.replace(machine, fp8_flops=4e15)
    )
    assert plain.durations.logprobs - stated.durations.logprobs == pytest.approx(
        saved * 1.5, rel=1e-3
    )
    assert any("4000 TFLOP/s at 50%, an assumption" in line for line in stated.remarks)
    assert fp8.durations.rollout == plain.durations.rollout


def test_the_engine_in_fp8_reads_prompts_faster():
    machine = Hardware(memory=200 * 10**9, reserve=0, flops=1e15, efficiency=0.5)
    quantized = Config(
        rollout=RolloutConfig(quantization="fp8"), weight_sync=WeightSyncConfig(verify="never")
    )
    plain, fp8 = (make_plan(LLAMA, c, Layout(), machine) for c in (Config(), quantized))
    assert fp8.durations.rollout < plain.durations.rollout
    assert fp8.durations.logprobs == plain.durations.logprobs
    assert any("layers in the engine run" in line for line in fp8.remarks)
