import re
import subprocess
import sys
from pathlib import Path

import pytest

from megatron_urpo.cli import main as urpo
from megatron_urpo.config import Config
from megatron_urpo.config.load import load_config
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


def test_overrides_come_from_files_too(tmp_path, capsys):
    file = tmp_path / "longer.toml"
    file.write_text("[rollout]\nmax_model_len = 1\n")
    assert main([*CLUSTER, "--override", str(file)]) == 2
    assert "max_model_len = 1" in capsys.readouterr().err


def test_every_plan_that_does_not_fit_says_why(capsys):
    assert main([*CLUSTER, "--all"]) == 0
    text = capsys.readouterr().out
    refused = int(re.search(r"(\d+) do not fit", text)[1])
    assert len(re.findall(r"largest component: ", text)) == refused


def test_sizes_that_do_not_divide_the_model_are_named(capsys):
    assert main(["--model", "Qwen2.5-7B", "--gpus", "8", "--gpu-memory", "80GB"]) == 0
    text = capsys.readouterr().out
    assert "TP8: training.tensor_model_parallel_size = 8 does not divide" in text
    assert "PP8: training.pipeline_model_parallel_size = 8 does not divide" in text


def test_nothing_fits_one_small_gpu(capsys):
    assert main(["--model", "Qwen2.5-7B", "--gpus", "1", "--gpu-memory", "24GB"]) == 1
    assert "0 of 2 plans fit" in capsys.readouterr().out


def test_lengths_and_overrides_change_the_plan(capsys):
    def step(*more):
        assert main([*CLUSTER, *more]) == 0
        text = capsys.readouterr().out
        return re.search(r"estimated time of a step: (\S+) (\w+)", text).groups(), text

    longest, _ = step()
    shorter, text = step("--mean-response-tokens", "500", "--rollout.max_num_seqs", "32")
    assert shorter != longest
    assert "holds 32 answers" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "GPT-5", "--gpus", "8", "--gpu-memory", "80GB"], "neither a directory nor"),
        (["--model", "Qwen3-8B", "--gpus", "8", "--gpu-memory", "much"], "not an amount of memory"),
        (["--model", "Qwen3-8B", "--gpus", "9", "--nodes", "2", "--gpu-memory", "80GB"], "divide"),
        ([*CLUSTER, "--rollout.grup_size", "4"], "rollout.group_size"),
        ([*CLUSTER, "--top", "0"], "--top 0 cannot be: give a number above 0"),
        ([*CLUSTER, "--gpus", "0"], "--gpus 0 cannot be"),
        ([*CLUSTER, "--tflops", "-1"], "--tflops -1 cannot be"),
        ([*CLUSTER, "--reserve", "some"], "--reserve: 'some' is not an amount of memory"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["--tflops", "400", "--efficiency", "0.5", "--memory-bandwidth", "2000",
         "--reserve", "3GiB", "--node-bandwidth", "300", "--network-bandwidth", "25"],
        ["--mean-prompt-tokens", "300", "--mean-response-tokens", "900",
         "--mean-judgement-tokens", "200", "--engine-stays-awake"],
    ],
)  # fmt: skip
def test_a_run_and_the_ranking_print_the_same_plan(more, tmp_path, capsys):
    """Every line from the layout on: memory, engine, tokens, times and what they rest on."""
    toml = tmp_path / "run.toml"
    toml.write_text(
        "[data]\nprompts_per_step = 64\n[training]\nrecompute_granularity = 'full'\n"
        "[rollout]\njudge_retries = 5\ngpu_memory_utilization = 0.35\n"
    )
    machine = ["--gpus", "16", "--nodes", "2", "--gpu-memory", "80GB", *more]
    overrides = ["--training.kl_beta", "0.1"]
    main(["--model", "Qwen3-8B", "--config", str(toml), *machine, *overrides])
    ranked = re.split("the (?:first|nearest) in full:\n", capsys.readouterr().out)[1]
    layout, recompute = re.match(r"layout (.+), engine TP\d+; recompute (\w+);", ranked).groups()
    engine = re.search(r"engine TP(\d+)", ranked)[1]
    sizes = dict(re.findall(r"([A-Z]+)(\d+)", layout))
    urpo(
        ["train", str(toml), "--dry-run", "--model-name", "Qwen3-8B", *machine, *overrides,
         "--training.tensor_model_parallel_size", sizes["TP"],
         "--training.sequence_parallel", str("+SP" in layout).lower(),
         "--training.pipeline_model_parallel_size", sizes.get("PP", "1"),
         "--training.virtual_pipeline_model_parallel_size", sizes.get("VPP", "1"),
         "--training.context_parallel_size", sizes.get("CP", "1"),
         "--training.recompute_granularity", recompute,
         "--rollout.tensor_model_parallel_size", engine]
    )  # fmt: skip
    run = capsys.readouterr().out
    run = "".join(line[2:] + "\n" for line in run.splitlines() if line.startswith("# "))
    assert run[run.index("layout TP") :] == ranked


def test_shortened_judge_prompts_are_said(capsys):
    """Without a configuration 8 answers of 4,096 tokens, a question of 2,048 and 272 of template
    meet a context of 8,192, of which 1,024 are the judgement's."""
    assert main(CLUSTER) == 0
    text = capsys.readouterr().out
    assert "would need about 35,088, and rollout.max_model_len = 8,192 leaves 7,168" in text
    assert "rollout.max_model_len = 36112 would show them whole" in text
    main([*CLUSTER, "--rollout.max_model_len", "36112"])
    assert "judge prompt" not in capsys.readouterr().out


def test_what_the_tool_says_of_its_defaults_is_so(capsys):
    paper = load_config(ROOT / "examples" / "urpo_qwen72b.toml")
    assert Config().rollout.max_judgement_tokens < paper.rollout.max_judgement_tokens
    assert Config().rollout.max_model_len < paper.rollout.max_model_len
    main([*CLUSTER, "--config", str(ROOT / "examples" / "urpo_qwen72b.toml")])
    assert "plans fit" in capsys.readouterr().out


def test_it_runs_as_a_script_without_torch():
    probe = (
        "import sys; sys.modules['torch'] = sys.modules['megatron'] = sys.modules['vllm'] = None; "
        "sys.path.insert(0, '.'); from tools.plan_parallelism import main; "
        "sys.exit(main(['--model', 'Qwen3-8B', '--gpus', '8', '--gpu-memory', '80GB']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert "plans fit" in result.stdout
