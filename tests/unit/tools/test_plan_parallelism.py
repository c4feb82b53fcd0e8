import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.plan_parallelism import main

ROOT = Path(__file__).parents[3]
CLUSTER = ["--model", "Qwen2.5-72B", "--gpus", "64", "--nodes", "8", "--gpu-memory", "80GB"]


def test_the_ranking_of_a_cluster(capsys):
    assert main([*CLUSTER, "--top", "3"]) == 0
    text = capsys.readouterr().out
    assert "72,706,203,648 parameters" in text
    fitting, total = map(int, re.search(r"(\d+) of (\d+) plans fit", text).groups())
    assert 0 < fitting < total
    assert re.search(r"^  3\. TP", text, re.MULTILINE)
    assert f"{total - fitting} do not fit" in text
    assert "TP8" in text


def test_every_plan_that_does_not_fit_says_why(capsys):
    assert main([*CLUSTER, "--all"]) == 0
    text = capsys.readouterr().out
    refused = int(re.search(r"(\d+) do not fit", text)[1])
    assert len(re.findall(r"largest component: ", text)) == refused


def test_sizes_that_do_not_divide_the_model_are_named(capsys):
    assert main(["--model", "Qwen2.5-7B", "--gpus", "8", "--gpu-memory", "80GB"]) == 0
    text = capsys.readouterr().out
    assert "TP8: training.tensor_model_parallel_size = 8 does not divide" in text
    assert "PP8: training.pipeline_model_parallel_size: 8 stages do not divide" in text


def test_nothing_fits_one_small_gpu(capsys):
    assert main(["--model", "Qwen2.5-7B", "--gpus", "1", "--gpu-memory", "24GB"]) == 1
    assert "0 of 2 plans fit" in capsys.readouterr().out


def test_lengths_and_overrides_change_the_plan(capsys):
    def step(*more):
        assert main([*CLUSTER, *more]) == 0
        text = capsys.readouterr().out
        return re.search(r"estimated time of a step: (\S+) (\w+)", text).groups(), text

    longest, _ = step()
    shorter, text = step("--mean-response-tokens", "500", "--rollout.max_num_seqs", "128")
    assert shorter != longest
    assert "128 answers" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "GPT-5", "--gpus", "8", "--gpu-memory", "80GB"], "neither a directory nor"),
        (["--model", "Qwen3-8B", "--gpus", "8", "--gpu-memory", "much"], "not an amount of memory"),
        (["--model", "Qwen3-8B", "--gpus", "9", "--nodes", "2", "--gpu-memory", "80GB"], "divide"),
        ([*CLUSTER, "--rollout.grup_size", "4"], "rollout.group_size"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_it_runs_as_a_script_without_torch():
    probe = (
        "import sys; sys.modules['torch'] = sys.modules['megatron'] = sys.modules['vllm'] = None; "
        "sys.path.insert(0, '.'); from tools.plan_parallelism import main; "
        "sys.exit(main(['--model', 'Qwen3-8B', '--gpus', '8', '--gpu-memory', '80GB']))"
    )
    subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
