import argparse
import dataclasses

import pytest

from megatron_urpo.cli import main
from megatron_urpo.config import Config, ConfigError
from megatron_urpo.planning.hardware import cpu, gpu
from megatron_urpo.planning.options import PlanOptions, add_plan_options


def options(*arguments):
    parser = argparse.ArgumentParser()
    add_plan_options(parser, "", required=False)
    return PlanOptions.of(parser.parse_args(arguments))


def test_nothing_given_is_the_machine_and_the_longest_texts():
    nothing = options()
    assert nothing == PlanOptions()
    assert nothing.given == []
    assert nothing.stated_gpu(8) is None
    machine = cpu(10**10, 2)
    assert nothing.rated(machine) == machine
    choices = nothing.choices(Config())
    assert dataclasses.astuple(choices.lengths) == (2048, 4096, 1024, 1)
    assert choices.engine_sleeps


def test_rates_and_lengths_are_taken():
    given = options(
        "--gpus", "16", "--nodes", "2", "--gpu-memory", "141GB", "--reserve", "2GiB",
        "--tflops", "500", "--efficiency", "0.5", "--memory-bandwidth", "4800",
        "--node-bandwidth", "300", "--network-bandwidth", "25",
        "--mean-prompt-tokens", "100", "--mean-response-tokens", "700.5",
        "--mean-judgement-tokens", "90", "--engine-stays-awake",
    )  # fmt: skip
    assert given.stated_gpu(16) == dataclasses.replace(
        gpu(141 * 10**9), reserve=2 << 30, ranks_per_node=8, flops=500e12, efficiency=0.5,
        memory_bandwidth=4.8e12, node_bandwidth=300e9, network_bandwidth=25e9,
    )  # fmt: skip
    choices = given.choices(Config())
    assert dataclasses.astuple(choices.lengths) == (100, 700.5, 90, 1)
    assert not choices.engine_sleeps
    assert given.given[:2] == ["--gpus", "--nodes"]
    assert "--engine-stays-awake" in given.given


@pytest.mark.parametrize(
    "option",
    [
        "gpus", "nodes", "tflops", "efficiency", "memory-bandwidth", "node-bandwidth",
        "network-bandwidth", "mean-prompt-tokens", "mean-response-tokens", "mean-judgement-tokens",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["0", "-1"])
def test_what_cannot_be_is_refused_in_a_line(option, value, tmp_path, capsys):
    toml = tmp_path / "run.toml"
    toml.write_text("")
    assert main(["train", str(toml), "--dry-run", f"--{option}", value]) == 2
    message = f"urpo train: --{option} {value} cannot be: give a number above 0\n"
    assert capsys.readouterr().err == message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--efficiency", "1.5"], "--efficiency 1.5 is more than all of --tflops: give a share"),
        (["--tflops", "nan"], "--tflops nan cannot be"),
        (["--network-bandwidth", "inf"], "--network-bandwidth inf cannot be"),
    ],
)
def test_numbers_beyond_all_limits(given, message):
    with pytest.raises(ConfigError, match=message):
        options(*given)


def test_what_does_not_go_together():
    with pytest.raises(ConfigError, match="--gpus 9 do not divide into --nodes 2.* multiple of 2"):
        options("--nodes", "2").ranks_per_node(9)
    with pytest.raises(
        ConfigError, match=r"4097 exceeds rollout.max_response_tokens = 4096: lower"
    ):
        options("--mean-response-tokens", "4097").choices(Config())
    with pytest.raises(ConfigError, match="--gpu-memory: 'much' is not an amount of memory"):
        options("--gpu-memory", "much").stated_gpu(1)
